// fuse/ops_attr.cc - GETATTR, SETATTR and READLINK.
#include <linux/capability.h>
#include <sys/stat.h>

#include <memory>
#include <optional>
#include <string>

#include "fuse/data_job.h"
#include "fuse/meta_operations.h"
#include "fuse/reply.h"
#include "fuse/request.h"
#include "fuse/session_message.h"
#include "sys/setid.h"
#include "sys/system_call.h"

namespace bandfs {
namespace {

void op_getattr(fuse_req_t request, fuse_ino_t node, fuse_file_info*) {
    Filesystem& filesystem = filesystem_of(request);
    std::optional<timespec> born;
    std::shared_ptr<FileData> changed;
    const Result<struct stat> attributes = on_inode(request, node, [&](Tree& tree, Inode& inode) {
        changed = filesystem.pages.changed_by_others(inode);
        if (current_message().wants_birth) born = tree.birth_time(inode);
        return tree.attributes(inode);
    });
    if (attributes) {
        reply_attributes_and_birth(request, shown(filesystem, *attributes), filesystem.options.attr_timeout_s, born);
    } else {
        fuse_reply_err(request, attributes.code());
    }
    // Not before: the kernel would not believe attributes that were asked for before it was told to forget some, and go
    // by the mode that it knew.
    if (changed) filesystem.pages.drop(changed);
}

constexpr int kSetSomething = FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID | FUSE_SET_ATTR_SIZE |
                              FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME;

/// What is to be set, but for the size. Nothing at all is how the kernel says chown(-1, -1), and how it asks for the
/// set-id bits to fall ahead of a write.
AttrChange decode(const struct stat& wanted, int which) {
    AttrChange change;
    if (which & FUSE_SET_ATTR_MODE) change.mode = wanted.st_mode;
    if (which & FUSE_SET_ATTR_UID) change.uid = wanted.st_uid;
    if (which & FUSE_SET_ATTR_GID) change.gid = wanted.st_gid;
    if (which & FUSE_SET_ATTR_ATIME) change.atime = wanted.st_atim;
    if (which & FUSE_SET_ATTR_MTIME) change.mtime = wanted.st_mtim;
    change.owners_as_they_are = (which & kSetSomething) == 0;
    if (which & FUSE_SET_ATTR_ATIME_NOW) change.atime.tv_nsec = UTIME_NOW;
    if (which & FUSE_SET_ATTR_MTIME_NOW) change.mtime.tv_nsec = UTIME_NOW;
    return change;
}

/// Whether a new owner or size is set for a file system above (overlayfs), which copies a file with its mode and its
/// capabilities before it gives the copy its owner, and not by a caller's chown(2) or truncate(2). The kernel has both
/// say the same.
bool is_copied(fuse_req_t request, Tree& tree, Inode& inode) {
    if (!inode.is_regular()) return false;
    const Result<struct stat> file = tree.attributes(inode);
    const bool setid = file && (file->st_mode & (S_ISUID | S_ISGID)) != 0;
    if (!setid && !tree.get_xattr(inode, "security.capability", {})) return false;
    return waits_in(fuse_req_ctx(request)->pid) == WaitsIn::name;
}

/// Truncates or extends, through the caller's open file when there is one: it may be writable where the file no longer
/// is. The data plane learns what is no longer dirty.
Status resize(fuse_req_t request, Inode& inode, std::uint64_t size, const fuse_file_info* info) {
    Filesystem& filesystem = filesystem_of(request);
    std::optional<ActingAs> ordinary;
    if (kill_suidgid_requested()) {
        const Result<struct stat> attributes = filesystem.tree->attributes(inode);
        if (!attributes) return attributes.error();
        ordinary.emplace(clearing_setid(request, attributes->st_mode));
    }
    if (info != nullptr) return filesystem.data->resize(*Handles::get<OpenFileHandle>(info->fh).file(), size);
    const bool copied = is_copied(request, *filesystem.tree, inode);
    if (Status status = filesystem.tree->truncate(inode, size, copied); !status) return status;
    filesystem.data->resized({inode.key().device, inode.key().number}, size);
    return {};
}

/// EPERM when a chown(2) by the caller would take set-id bits off, and so change the mode of a file that is not the
/// caller's.
Status may_take_setid_off(fuse_req_t request, Tree& tree, Inode& inode) {
    const Result<struct stat> file = tree.attributes(inode);
    if (!file) return file.error();
    const fuse_ctx& caller = *fuse_req_ctx(request);
    const auto in_group = [&](gid_t group) {
        return caller_in_group(request, group) || thread_has_capability(caller.pid, CAP_FSETID);
    };
    if (S_ISDIR(file->st_mode) || caller.uid == file->st_uid) return {};
    if (falling_setid_bits(file->st_mode, file->st_gid, in_group) == 0) return {};
    return thread_lacks_capability(caller.pid, caller.uid, CAP_FOWNER) ? Errno{EPERM} : Status();
}

/// Whether setting nothing is chown(-1, -1) by somebody who may not.
///
/// The kernel announces a write or an allocation that takes set-id bits off by the same message. That a file is open
/// for writing, or was before its last data went to the disk, and that the caller is not in chown(2), tells these. They
/// take the bits off themselves, too, but if they were not taken off now, the kernel would go by the old mode until it
/// asks for it again.
Status may_leave_owners(fuse_req_t request, Tree& tree, Inode& inode) {
    const Status may = may_take_setid_off(request, tree, inode);
    if (may.code() != EPERM) return may;
    const std::shared_ptr<FileData> opened =  // none of what is not a regular file
        filesystem_of(request).data->files().find({inode.key().device, inode.key().number});
    const bool announces = waits_in(fuse_req_ctx(request)->pid) != WaitsIn::chown;
    return opened && opened->writable() && announces ? Status() : may;
}

/// Whether setting nothing announces a write or an allocation of somebody who may leave set-id bits as they are. It is
/// sent for the capabilities of the file, which the kernel has then taken off.
bool leaves_setid_bits(fuse_req_t request) {
    const pid_t caller = fuse_req_ctx(request)->pid;
    return thread_has_capability(caller, CAP_FSETID) && waits_in(caller) == WaitsIn::write;
}

void op_setattr(fuse_req_t request, fuse_ino_t node, struct stat* wanted, int which, fuse_file_info* info) {
    const auto set = [&](Tree & tree, Inode & inode) -> Result<struct stat> {
        const OurChange ours(filesystem_of(request).data->files(), tree, inode);
        if (which & FUSE_SET_ATTR_SIZE) {
            const Status status = resize(request, inode, static_cast<std::uint64_t>(wanted->st_size), info);
            if (!status) return status.error();
        }
        AttrChange change = decode(*wanted, which);
        if (change.mode && filesystem_of(request).options.shown.any())
            *change.mode &= ~static_cast<mode_t>(S_ISUID | S_ISGID);
        if (change.owners_as_they_are) {
            if (leaves_setid_bits(request)) return tree.attributes(inode);
            if (const Status status = may_leave_owners(request, tree, inode); !status) return status.error();
        }
        if (change.uid || change.gid) {
            change.keeps_privileges = is_copied(request, tree, inode);
            // Who is shown another owner goes by that.
            if (!change.keeps_privileges && !filesystem_of(request).options.shown.any()) {
                if (const Status may = may_take_setid_off(request, tree, inode); !may) return may.error();
            }
        }
        const bool owner = change.uid || change.gid || change.owners_as_they_are;
        return tree.set_attributes(inode, change, identity_of(request, owner));
    };
    reply_attributes(request, on_inode(request, node, set));
}

void op_readlink(fuse_req_t request, fuse_ino_t node) {
    const Result<std::string> target =
        on_inode(request, node, [](Tree& tree, Inode& inode) { return tree.read_link(inode); });
    if (target) {
        fuse_reply_readlink(request, target->c_str());
    } else {
        fuse_reply_err(request, target.code());
    }
}

}  // namespace

void add_attribute_operations(fuse_lowlevel_ops& table) {
    table.getattr = op_getattr;
    table.setattr = op_setattr;
    table.readlink = op_readlink;
}

}  // namespace bandfs
