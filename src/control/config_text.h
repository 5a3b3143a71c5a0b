// control/config_text.h - what is in force on a mount, as a configuration file.
#pragma once

#include <string>

#include "control/messages.h"
#include "control/mount_info.h"
#include "control/snapshot.h"
#include "fuse/filesystem.h"

namespace bandfs {

/// TOML that a configuration file may hold as it is: the device group, the mount, its groups and rules. Groups that
/// came into being by themselves are not in it, and a group whose cgroup is gone is a comment.
std::string config_text(const MountInfo& info, const MountSnapshot& snapshot, const MountOptions& options,
                        const GroupOwners& owners);

}  // namespace bandfs
