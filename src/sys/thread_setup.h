// sys/thread_setup.h - what a thread of the daemon sets for itself when it begins.
#pragma once

namespace bandfs {

/// Names the calling thread (15 characters are kept) and lets its timed waits end within a few microseconds of their
/// time, where Linux by default allows itself 50. It acts as the daemon, whomever its maker was acting as, and runs
/// where the daemon may, wherever its maker was kept.
void set_up_thread(const char* name);

/// Keeps the calling thread on one processor, where that can be had.
void keep_thread_on(unsigned processor);

}  // namespace bandfs
