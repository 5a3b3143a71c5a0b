// cmd/reload.h - the configuration files of a server's mounts, read again and applied to them.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cmd/device_service.h"
#include "cmd/mount_config.h"
#include "cmd/outcome.h"
#include "cmd/served_mount.h"

namespace bandfs {

/// A mount with what is wanted of it from now on; nothing new when it is not reloaded.
struct ReloadedMount {
    ServedMount* mount = nullptr;
    std::optional<MountRequest> request;
    std::string note;  ///< for people; empty when there is nothing to say
};

/// Reads the configuration of a mount, which is not touched and may have gone. A failure names the file and the place.
Outcome<ReloadedMount> read_again(ServedMount* mount, const AskedMount& asked, const std::string& device_group);

/// Applies all of it to the mounts, which are all that the device group has, or nothing (`config`, with the reason).
/// Without `apply` it only finds out. Returns what changes, a line each, the notes among them. `who`: for the log,
/// "uid 0, process 17".
Outcome<std::vector<std::string>> apply_reload(DeviceService& service, std::span<ReloadedMount> mounts, bool apply,
                                               const std::string& who);

}  // namespace bandfs
