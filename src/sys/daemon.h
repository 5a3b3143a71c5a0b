// sys/daemon.h - what a process does to itself when it becomes a server.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <vector>

#include "sys/result.h"
#include "sys/unique_fd.h"

namespace bandfs {

/// Leaves the terminal: a session of its own, / as working directory, /dev/null as standard input, output and error.
Status leave_terminal();

/// Closes every descriptor above standard error but these: what a shell or script left open would be kept from ending.
void close_all_but(std::vector<int> kept);

/// The soft limit of open files up to the hard one, the hard one up to fs.nr_open where that is permitted. The limit
/// now in force.
std::uint64_t raise_descriptor_limit();

/// How many files this process may have open.
std::uint64_t descriptor_limit();

/// Files of any size, whatever the shell allows that started it (ulimit -f): each caller's own limit is the kernel's
/// business. Where the limit cannot be raised, what is beyond it is EFBIG and not the end of the process.
void lift_file_size_limit();

/// Keeps these capabilities (numbers of linux/capability.h) of those the process has and gives up every other one for
/// good: permitted, effective, inheritable and ambient sets, and the bounding set where permitted. Call with one
/// thread.
Status keep_only_capabilities(std::initializer_list<int> kept);

/// Blocks these signals in this thread and those it starts, and gives a descriptor (not blocking) that they are read
/// from.
UniqueFd signal_descriptor(std::initializer_list<int> signals);

}  // namespace bandfs
