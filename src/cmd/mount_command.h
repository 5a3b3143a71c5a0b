// cmd/mount_command.h - `bandfs SOURCE MOUNTPOINT`: everything that happens in the process of the command.
#pragma once

#include <string>
#include <vector>

#include "cmd/exit_codes.h"
#include "cmd/option_string.h"

namespace bandfs {

/// The command line of a mount, as written.
struct MountLine {
    std::string source;
    std::string mountpoint;
    std::vector<WrittenOption> options;
    bool foreground = false;
    bool fake = false;  ///< only look whether it could be mounted
};

/// Mounts and returns when the mount answers; in the foreground, when it is gone. Complaints go to standard error.
ExitCode run_mount(const MountLine& line);

}  // namespace bandfs
