// cmd/privileges.h - what the process of a server is allowed and prepared to do.
#pragma once

namespace bandfs {

/// Raises the limit of open files, lets the kernel know that memory reclaim may wait for this process, gives up the
/// capabilities that a server has no use for, and clears the umask (the kernel has applied the caller's). Call before
/// threads start. What is not permitted is left out: a user's server has nothing to give up.
void settle_process();

}  // namespace bandfs
