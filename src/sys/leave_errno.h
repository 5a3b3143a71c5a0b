// sys/leave_errno.h - for callbacks of libraries that take the place of a system call.
#pragma once

#include <cerrno>

#include "sys/result.h"

namespace bandfs {

/// Fails as a system call does: its caller looks at errno.
inline void leave_errno(Errno error) {
    errno = error.code;
}

}  // namespace bandfs
