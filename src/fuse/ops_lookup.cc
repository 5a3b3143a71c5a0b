// fuse/ops_lookup.cc - LOOKUP and FORGET: which inodes the kernel knows.
#include <cerrno>
#include <cstddef>
#include <cstdint>

#include "fuse/data_job_caller.h"
#include "fuse/meta_operations.h"
#include "fuse/request.h"

namespace bandfs {
namespace {

/// "." and ".." come from handles (open_by_handle_at, NFS) whose node the kernel has no longer in its caches.
void op_lookup(fuse_req_t request, fuse_ino_t parent, const char* name) {
    const Filesystem& filesystem = filesystem_of(request);
    const bool hold = lineage_needs_file(filesystem);
    const Result<Entry> entry =
        on_inode(request, parent, [&](Tree& tree, Inode& directory) { return tree.lookup(directory, name, hold); });
    if (entry.code() == ENOENT) {
        const MountOptions& options = filesystem.options;
        fuse_entry_param none{};
        none.entry_timeout = options.negative_timeout_s.value_or(options.entry_timeout_s);
        fuse_reply_entry(request, &none);
        return;
    }
    reply_entry(request, entry);
}

void op_forget(fuse_req_t request, fuse_ino_t node, std::uint64_t lookups) {
    tree_of(request).forget(node, lookups);
    fuse_reply_none(request);
}

void op_forget_multi(fuse_req_t request, std::size_t count, fuse_forget_data* forgets) {
    Tree& tree = tree_of(request);
    for (std::size_t i = 0; i < count; ++i) tree.forget(forgets[i].ino, forgets[i].nlookup);
    fuse_reply_none(request);
}

}  // namespace

void add_lookup_operations(fuse_lowlevel_ops& table) {
    table.lookup = op_lookup;
    table.forget = op_forget;
    table.forget_multi = op_forget_multi;
}

}  // namespace bandfs
