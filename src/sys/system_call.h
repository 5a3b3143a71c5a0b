// sys/system_call.h - what a caller is doing, as far as a request does not say it.
#pragma once

#include <sys/types.h>

namespace bandfs {

/// The kind of call that a thread waits in.
enum class WaitsIn {
    unknown,  ///< cannot be told: without CAP_SYS_PTRACE, of an asynchronous request; or none of the others
    chown,    ///< chown(2) or one of its kin
    write,    ///< a call that changes a file's data
    name,     ///< a call that opens, makes, renames or links, or changes attributes other than owners
};

/// What this thread, which waits for us, waits in. Of a program of another word size `unknown` or what has that number
/// here; no number of a chown there is that of another kind here.
WaitsIn waits_in(pid_t tid);

}  // namespace bandfs
