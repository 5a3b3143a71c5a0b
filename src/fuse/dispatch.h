// fuse/dispatch.h - which handler a request goes to.
#pragma once

struct fuse_lowlevel_ops;

namespace bandfs {

/// The handlers of a session. Each sends requests that mean the control directory to control_ops() and the others to
/// the operations on metadata and data, and answers for a handler that throws: ENOMEM.
const fuse_lowlevel_ops& dispatch_table();

}  // namespace bandfs
