// fuse/request.h - what handlers share: from a request to what it is about, and from a result to the answer.
//
// A handler is decode - call - reply: it replies exactly once on every path because its last statement is the reply,
// and what comes before is a Result.
#pragma once

#ifndef FUSE_USE_VERSION
#define FUSE_USE_VERSION 314
#endif
#include <sys/stat.h>

#include <cerrno>
#include <type_traits>
#include <utility>

#include <fuse_lowlevel.h>

#include "disk/tree.h"
#include "fuse/filesystem.h"
#include "sys/identity.h"
#include "sys/result.h"

namespace bandfs {

inline Filesystem& filesystem_of(fuse_req_t request) {
    return *static_cast<Filesystem*>(fuse_req_userdata(request));
}
inline Tree& tree_of(fuse_req_t request) {
    return *filesystem_of(request).tree;
}

/// For whom new files are made. `decides_setid`: the call gives set-group-id bits or may take them away, so that the
/// caller's groups and CAP_FSETID matter; they cost a look into /proc.
Identity identity_of(fuse_req_t request, bool decides_setid = false);

/// The caller as one whose writes, truncations and allocations take set-id bits off a file of this mode: one without
/// CAP_FSETID, as kill_suidgid_requested() says. Whether it is in the file's group is looked up when that matters:
/// S_ISGID of a file that the group may not execute stays for members.
Identity clearing_setid(fuse_req_t request, mode_t mode);

/// Whether the caller is in this group, by its own or a supplementary one; the latter cost a look into /proc.
bool caller_in_group(fuse_req_t request, gid_t group);

/// Calls call(Tree&, Inode&) and gives its Result, or ESTALE when the node means nothing any more.
template <typename Call>
auto on_inode(fuse_req_t request, fuse_ino_t node, Call&& call) -> std::invoke_result_t<Call, Tree&, Inode&> {
    Tree& tree = tree_of(request);
    const Result<InodePtr> inode = tree.inode(node);
    if (!inode) return inode.error();
    return std::forward<Call>(call)(tree, **inode);
}

/// The inode number that the mount shows of a file on this device: its own on SOURCE's. A mount has one device, and to
/// everybody two files of it with one number are one file; so those of file systems that are mounted inside SOURCE get
/// numbers of another range, a different one for each.
std::uint64_t shown_number(const Filesystem& filesystem, dev_t device, std::uint64_t number);

/// Attributes as the mount shows them.
struct stat shown(const Filesystem& filesystem, struct stat attributes);

/// What the kernel is told of an entry, with the mount's time-outs.
fuse_entry_param entry_param_of(const Filesystem& filesystem, const Entry& entry);

/// Whether the server goes and takes no more work: then this is answered, ENOTCONN, and the handler is done.
inline bool refused_leaving(fuse_req_t request) {
    if (!filesystem_of(request).leaving) return false;
    fuse_reply_err(request, ENOTCONN);
    return true;
}

inline void reply_status(fuse_req_t request, const Status& status) {
    fuse_reply_err(request, status.code());
}
/// An entry whose answer could not be delivered is forgotten: its lookup never reached the kernel.
void reply_entry(fuse_req_t request, const Result<Entry>& entry);
void reply_attributes(fuse_req_t request, const Result<struct stat>& attributes);

}  // namespace bandfs
