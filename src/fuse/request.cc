#include "fuse/request.h"

#include <linux/capability.h>

#include <algorithm>
#include <vector>

namespace bandfs {

Identity identity_of(fuse_req_t request, bool decides_setid) {
    const fuse_ctx& context = *fuse_req_ctx(request);
    Identity identity{context.uid, context.gid, context.umask};
    if (!decides_setid) return identity;
    identity.decides_setid = true;
    identity.keeps_setid = thread_has_capability(context.pid, CAP_FSETID);
    if (!identity.keeps_setid) identity.groups = filesystem_of(request).callers->supplementary_groups(context.pid);
    return identity;
}

Identity clearing_setid(fuse_req_t request, mode_t mode) {
    const fuse_ctx& context = *fuse_req_ctx(request);
    Identity identity{context.uid, context.gid, context.umask};
    identity.decides_setid = true;
    identity.keeps_setid = false;
    if ((mode & (S_ISGID | S_IXGRP)) == S_ISGID)
        identity.groups = filesystem_of(request).callers->supplementary_groups(context.pid);
    return identity;
}

bool caller_in_group(fuse_req_t request, gid_t group) {
    const fuse_ctx& context = *fuse_req_ctx(request);
    if (context.gid == group) return true;
    const std::vector<gid_t> groups = filesystem_of(request).callers->supplementary_groups(context.pid);
    return std::find(groups.begin(), groups.end(), group) != groups.end();
}

struct stat shown(const Filesystem& filesystem, struct stat attributes) {
    const ShownAttributes& instead = filesystem.options.shown;
    if (instead.uid) attributes.st_uid = *instead.uid;
    if (instead.gid) attributes.st_gid = *instead.gid;
    if (instead.umask) attributes.st_mode = (attributes.st_mode & S_IFMT) | (0777 & ~*instead.umask);
    if (instead.any()) attributes.st_mode &= ~static_cast<mode_t>(S_ISUID | S_ISGID);
    return attributes;
}

fuse_entry_param entry_param_of(const Filesystem& filesystem, const Entry& entry) {
    fuse_entry_param param{};
    param.ino = entry.inode->id();
    param.generation = entry.generation;
    param.attr = shown(filesystem, entry.attr);
    param.attr_timeout = filesystem.options.attr_timeout_s;
    param.entry_timeout = filesystem.options.entry_timeout_s;
    return param;
}

void reply_entry(fuse_req_t request, const Result<Entry>& entry) {
    if (!entry) {
        fuse_reply_err(request, entry.code());
        return;
    }
    // Once the answer is sent the kernel may forget the inode before this thread runs on.
    Filesystem& filesystem = filesystem_of(request);
    const fuse_entry_param param = entry_param_of(filesystem, *entry);
    if (fuse_reply_entry(request, &param) != 0) filesystem.tree->forget(*entry->inode, 1);
}

void reply_attributes(fuse_req_t request, const Result<struct stat>& attributes) {
    if (!attributes) {
        fuse_reply_err(request, attributes.code());
        return;
    }
    const Filesystem& filesystem = filesystem_of(request);
    const struct stat answer = shown(filesystem, *attributes);
    fuse_reply_attr(request, &answer, filesystem.options.attr_timeout_s);
}

}  // namespace bandfs
