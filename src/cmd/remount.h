// cmd/remount.h - `-o remount`, as mount(8) asks for it: other flags of mount(2) for a mount that is there.
#pragma once

#include "cmd/command_line.h"
#include "cmd/outcome.h"

namespace bandfs {

/// Whether the option is among those given.
bool is_remount(const MountLine& line);

/// Gives the mount at MOUNTPOINT the flags among the options: those not given are as for a new mount. All other options
/// are checked and change nothing, since mount(8) repeats what stands in the mount table and in fstab. SOURCE is not
/// looked at. The server follows by itself (noatime, nodiratime).
Outcome<Done> remount(const MountLine& line);

}  // namespace bandfs
