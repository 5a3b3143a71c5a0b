// fuse/ops_names.cc - what makes, moves and removes names: MKNOD, MKDIR, SYMLINK, LINK, UNLINK, RMDIR, RENAME.
//
// Permission, sticky directories and protected links are the kernel's checks, done before the request was sent.
#include <stdio.h>
#include <sys/stat.h>

#include <optional>

#include "fuse/meta_operations.h"
#include "fuse/request.h"

namespace bandfs {
namespace {

/// Tells the data plane that a file may be gone: what is dirty of it need not be written.
void note_loss(fuse_req_t request, const LostName& lost) {
    if (lost.last && lost.number != 0) filesystem_of(request).data->unlinked({lost.device, lost.number});
}

void op_mknod(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode, dev_t device) {
    reply_entry(request, on_inode(request, parent, [&](Tree& tree, Inode& directory) {
                    return tree.make_node(directory, name, mode, device, identity_of(request, (mode & S_ISGID) != 0));
                }));
}

void op_mkdir(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode) {
    reply_entry(request, on_inode(request, parent, [&](Tree& tree, Inode& directory) {
                    return tree.make_directory(directory, name, mode, identity_of(request));
                }));
}

void op_symlink(fuse_req_t request, const char* target, fuse_ino_t parent, const char* name) {
    reply_entry(request, on_inode(request, parent, [&](Tree& tree, Inode& directory) {
                    return tree.make_symlink(directory, name, target, identity_of(request));
                }));
}

void op_link(fuse_req_t request, fuse_ino_t node, fuse_ino_t parent, const char* name) {
    reply_entry(request, on_inode(request, node, [&](Tree& all, Inode& inode) {
                    const OurChange ours(filesystem_of(request).data->files(), all, inode);
                    return on_inode(request, parent,
                                    [&](Tree& tree, Inode& directory) { return tree.link(inode, directory, name); });
                }));
}

void op_unlink(fuse_req_t request, fuse_ino_t parent, const char* name) {
    const Result<LostName> lost =
        on_inode(request, parent, [&](Tree& tree, Inode& directory) { return tree.unlink(directory, name); });
    if (lost) note_loss(request, *lost);
    fuse_reply_err(request, lost.code());
}

void op_rmdir(fuse_req_t request, fuse_ino_t parent, const char* name) {
    const Result<LostName> lost =
        on_inode(request, parent, [&](Tree& tree, Inode& directory) { return tree.remove_directory(directory, name); });
    fuse_reply_err(request, lost.code());
}

void op_rename(fuse_req_t request, fuse_ino_t parent, const char* name, fuse_ino_t new_parent, const char* new_name,
               unsigned flags) {
    const auto lost = on_inode(request, parent, [&](Tree&, Inode& from) {
        return on_inode(request, new_parent, [&](Tree& tree, Inode& to) {
            return tree.rename(from, name, to, new_name, flags, identity_of(request));
        });
    });
    if (lost && *lost) note_loss(request, **lost);
    // ext4 puts the whiteout in place before it looks whether the rest can be done, and takes it away again. The kernel
    // takes a failure for one that has changed nothing.
    if (!lost && (flags & RENAME_WHITEOUT) != 0) filesystem_of(request).forget_attributes(parent);
    fuse_reply_err(request, lost.code());
}

}  // namespace

void add_name_operations(fuse_lowlevel_ops& table) {
    table.mknod = op_mknod;
    table.mkdir = op_mkdir;
    table.symlink = op_symlink;
    table.link = op_link;
    table.unlink = op_unlink;
    table.rmdir = op_rmdir;
    table.rename = op_rename;
}

}  // namespace bandfs
