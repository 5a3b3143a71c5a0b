// cmd/mount_places.h - SOURCE and MOUNTPOINT, looked at before anything is mounted.
#pragma once

#include <string>

#include "cmd/outcome.h"
#include "sys/unique_fd.h"

namespace bandfs {

struct MountPlaces {
    std::string source;         ///< absolute, without symbolic links
    std::string mountpoint;     ///< the same
    UniqueFd source_directory;  ///< opened now: the mount may cover it
};

/// Whether an absolute path lies below a directory, by their names.
bool lies_below(const std::string& path, const std::string& directory);

/// What to say when the control directory hides something of SOURCE; "" when it does not.
std::string what_is_hidden(int source_directory, const std::string& source, const std::string& control_name);

/// Both must be directories. MOUNTPOINT may be SOURCE itself, or lie above it, but not below it: the mount would
/// contain itself, and who walks it would wait for himself.
Outcome<MountPlaces> look_at_places(const std::string& source, const std::string& mountpoint);

}  // namespace bandfs
