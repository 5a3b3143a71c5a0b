// fuse/ops_misc.cc - STATFS, and IOCTL for the attributes that chattr(1) and lsattr(1) know.
#include <linux/capability.h>
#include <linux/fs.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <optional>

#include "fuse/meta_operations.h"
#include "fuse/request.h"

namespace bandfs {
namespace {

void op_statfs(fuse_req_t request, fuse_ino_t node) {
    const Result<struct statvfs> statistics =
        on_inode(request, node, [](Tree& tree, Inode& inode) { return tree.statistics(inode); });
    if (statistics) {
        fuse_reply_statfs(request, &*statistics);
    } else {
        fuse_reply_err(request, statistics.code());
    }
}

/// Those whose argument is a plain value. Who may set which flag is checked by the kernel (vfs_fileattr_set).
bool is_known(unsigned command) {
    switch (command) {
        case FS_IOC_GETFLAGS:
        case FS_IOC_SETFLAGS:
        case FS_IOC_FSGETXATTR:
        case FS_IOC_FSSETXATTR:
        case FS_IOC_GETVERSION:
            return true;
        default:
            return false;
    }
}

bool sets_flags(unsigned command) {
    return command == FS_IOC_SETFLAGS || command == FS_IOC_FSSETXATTR;
}

/// Has set-id bits of the file fall with what follows, where the file system below takes them off (XFS) and the caller
/// could not leave them.
void let_setid_bits_fall(fuse_req_t request, Tree& tree, Inode& inode, std::optional<ActingAs>& ret_ordinary) {
    const Result<struct stat> file = tree.attributes(inode);
    if (!file || (file->st_mode & (S_ISUID | S_ISGID)) == 0) return;
    if (!thread_has_capability(fuse_req_ctx(request)->pid, CAP_FSETID))
        ret_ordinary.emplace(clearing_setid(request, file->st_mode));
}

void op_ioctl(fuse_req_t request, fuse_ino_t node, unsigned command, void*, fuse_file_info*, unsigned, const void* in,
              std::size_t in_bytes, std::size_t out_bytes) {
    alignas(fsxattr) std::array<std::byte, 64> argument{};
    if (!is_known(command) || in_bytes > argument.size() || out_bytes > argument.size()) {
        fuse_reply_err(request, ENOTTY);
        return;
    }
    if (in_bytes != 0) std::memcpy(argument.data(), in, in_bytes);
    const Status status = on_inode(request, node, [&](Tree& tree, Inode& inode) {
        std::optional<ActingAs> ordinary;
        if (sets_flags(command)) let_setid_bits_fall(request, tree, inode, ordinary);
        return tree.inode_ioctl(inode, command, argument.data());
    });
    if (status) {
        if (sets_flags(command)) filesystem_of(request).forget_attributes(node);
        fuse_reply_ioctl(request, 0, argument.data(), out_bytes);
    } else {
        fuse_reply_err(request, status.code());
    }
}

}  // namespace

void add_other_operations(fuse_lowlevel_ops& table) {
    table.statfs = op_statfs;
    table.ioctl = op_ioctl;
}

void add_meta_operations(fuse_lowlevel_ops& table) {
    add_lookup_operations(table);
    add_attribute_operations(table);
    add_name_operations(table);
    add_directory_operations(table);
    add_xattr_operations(table);
    add_other_operations(table);
}

}  // namespace bandfs
