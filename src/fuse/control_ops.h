// fuse/control_ops.h - the requests that mean the control directory.
#pragma once

#include <cstdint>

#include "fuse/control_nodes.h"
#include "fuse/filesystem.h"

struct fuse_lowlevel_ops;

namespace bandfs {

/// Whether `name` in `parent` is the control directory of this mount: what it means goes to control_ops(), too.
bool is_control_name(const Filesystem& filesystem, std::uint64_t parent, const char* name);

/// Handlers with libfuse's signatures for every request that names a node with is_control(), or a name with
/// is_control_name(), in any of its places (the new parent of a rename or link included). fuse_req_userdata() is the
/// Filesystem. What can be asked of any node has a handler; each replies exactly once. None answers ENOSYS, which would
/// switch that request off for the whole mount.
const fuse_lowlevel_ops& control_ops();

/// A forget without its own reply, for forget_multi.
void control_forget(Filesystem& filesystem, std::uint64_t node, std::uint64_t lookups);

}  // namespace bandfs
