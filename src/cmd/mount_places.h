// cmd/mount_places.h - SOURCE and MOUNTPOINT, looked at before anything is mounted.
#pragma once

#include <string>

#include "cmd/outcome.h"
#include "sys/unique_fd.h"

namespace bandfs {

struct MountPlaces {
    std::string source;      ///< absolute, without symbolic links
    std::string mountpoint;  ///< the same
    UniqueFd source_directory;  ///< opened now: the mount may cover it
};

/// Both must be directories. MOUNTPOINT may be SOURCE itself, or lie above it, but not below it: the mount would contain
/// itself, and who walks it would wait for himself.
Outcome<MountPlaces> look_at_places(const std::string& source, const std::string& mountpoint);

}  // namespace bandfs
