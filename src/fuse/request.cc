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

std::uint64_t shown_number(const Filesystem& filesystem, dev_t device, std::uint64_t number) {
    if (device == filesystem.tree->root().key().device) return number;
    std::uint64_t scattered = device + 0x9e3779b97f4a7c15u;  // splitmix64
    scattered = (scattered ^ (scattered >> 30)) * 0xbf58476d1ce4e5b9u;
    scattered = (scattered ^ (scattered >> 27)) * 0x94d049bb133111ebu;
    constexpr std::uint64_t kNobodys = std::uint64_t{1} << 63;  // as a rule: file systems count from below
    return (number ^ scattered ^ (scattered >> 31)) | kNobodys;
}

struct stat shown(const Filesystem& filesystem, struct stat attributes) {
    attributes.st_ino = shown_number(filesystem, attributes.st_dev, attributes.st_ino);
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
    param.attr_timeout = entry.lost ? 0 : filesystem.options.attr_timeout_s;
    param.entry_timeout = entry.lost ? 0 : filesystem.options.entry_timeout_s;
    return param;
}

void reply_entry(fuse_req_t request, const Result<Entry>& entry) {
    if (!entry) {
        fuse_reply_err(request, entry.code());
        return;
    }
    // Once the answer is sent the kernel may forget the inode before this thread runs on.
    Filesystem& filesystem = filesystem_of(request);
    if (const auto changed = filesystem.pages.changed_by_others(*entry->inode)) filesystem.pages.drop_and_wait(changed);
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
