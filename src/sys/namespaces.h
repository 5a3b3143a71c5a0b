// sys/namespaces.h - who sees the same numbers of processes and users as this process.
#pragma once

#include <sys/types.h>

#include <string>

namespace bandfs {

/// Whether a process (a directory of /proc, "/proc/17") is in the namespace of that kind ("pid", "user") that this one
/// is in; `untold` when that cannot be told.
bool shares_namespace(const std::string& process, const char* kind, bool untold);

/// Whether a process is in the pid and user namespaces of this one. False for number 0, which is what SO_PEERCRED says
/// of one that has no number here; true when it cannot be told.
bool is_in_our_namespaces(pid_t process);

/// Whether /proc numbers processes as this one's pid namespace does. It does not when the namespace was made without a
/// mount of its own.
bool proc_is_ours();

}  // namespace bandfs
