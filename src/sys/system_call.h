// sys/system_call.h - which system call somebody waits in.
#pragma once

#include <sys/types.h>

namespace bandfs {

/// Whether this thread, which waits for us, waits in chown(2) or one of its kin. False where that cannot be told:
/// without CAP_SYS_PTRACE, of an asynchronous request, of a program of another word size.
bool waits_in_chown(pid_t tid);

}  // namespace bandfs
