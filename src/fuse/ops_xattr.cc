// fuse/ops_xattr.cc - extended attributes of every namespace, POSIX ACLs among them.
#include <linux/capability.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "fuse/meta_operations.h"
#include "fuse/request.h"
#include "gate/data_plane.h"

namespace bandfs {
namespace {

/// XATTR_SIZE_MAX and XATTR_LIST_MAX of the kernel.
constexpr std::size_t kMostBytes = 65536;
constexpr std::string_view kAcls = "system.posix_acl_";
constexpr std::string_view kAccessAcl = "system.posix_acl_access";
constexpr std::string_view kTrusted = "trusted.";

/// Names of the namespace "trusted" are shown to those with CAP_SYS_ADMIN only; the file system below sees us ask.
std::string visible_names(fuse_req_t request, std::string_view names) {
    std::string visible;
    bool asked = false, privileged = false;
    while (!names.empty()) {
        const std::string_view name = names.substr(0, names.find('\0') + 1);
        names.remove_prefix(name.size());
        if (name.starts_with(kTrusted) && !asked) {
            privileged = thread_has_capability(fuse_req_ctx(request)->pid, CAP_SYS_ADMIN);
            asked = true;
        }
        if (!name.starts_with(kTrusted) || privileged) visible += name;
    }
    return visible;
}

/// Where there are no ACLs, no file has one: told otherwise, the kernel would refuse every access that it has to check.
int without_acls(int error, std::string_view name) {
    return error == EOPNOTSUPP && name.starts_with(kAcls) ? ENODATA : error;
}

void op_getxattr(fuse_req_t request, fuse_ino_t node, const char* name, std::size_t room) {
    std::vector<char> value(std::min(room, kMostBytes));
    const Result<std::size_t> length = on_inode(request, node, [&](Tree& tree, Inode& inode) {
        // The kernel asks for security.capability before the first write to a file.
        const std::shared_ptr<FileData> open = filesystem_of(request).data->files().find(inode);
        return tree.get_xattr(inode, name, value, open ? open->descriptor() : -1);
    });
    if (!length) {
        fuse_reply_err(request, without_acls(length.code(), name));
    } else if (room == 0) {
        fuse_reply_xattr(request, *length);
    } else {
        fuse_reply_buf(request, value.data(), *length);
    }
}

void op_listxattr(fuse_req_t request, fuse_ino_t node, std::size_t room) {
    std::vector<char> names(kMostBytes);
    const Result<std::size_t> length =
        on_inode(request, node, [&](Tree& tree, Inode& inode) { return tree.list_xattrs(inode, names); });
    if (!length) {
        fuse_reply_err(request, length.code());
        return;
    }
    const std::string visible = visible_names(request, {names.data(), *length});
    if (room == 0) {
        fuse_reply_xattr(request, visible.size());
    } else if (visible.size() > room) {
        fuse_reply_err(request, ERANGE);
    } else {
        fuse_reply_buf(request, visible.data(), visible.size());
    }
}

void op_setxattr(fuse_req_t request, fuse_ino_t node, const char* name, const char* value, std::size_t bytes,
                 int flags) {
    // An access ACL is the file's mode, too, and may take its set-group-id bit away.
    reply_status(
        request, on_inode(request, node, [&](Tree& tree, Inode& inode) {
            const OurChange ours(filesystem_of(request).data->files(), tree, inode);
            return tree.set_xattr(inode, name, {value, bytes}, flags, identity_of(request, name == kAccessAcl));
        }));
}

void op_removexattr(fuse_req_t request, fuse_ino_t node, const char* name) {
    reply_status(request, on_inode(request, node, [&](Tree& tree, Inode& inode) {
                     const OurChange ours(filesystem_of(request).data->files(), tree, inode);
                     return tree.remove_xattr(inode, name, identity_of(request, name == kAccessAcl));
                 }));
}

}  // namespace

void add_xattr_operations(fuse_lowlevel_ops& table) {
    table.getxattr = op_getxattr;
    table.listxattr = op_listxattr;
    table.setxattr = op_setxattr;
    table.removexattr = op_removexattr;
}

}  // namespace bandfs
