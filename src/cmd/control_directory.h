// cmd/control_directory.h - the control directory of a mount, as the subcommands use it: through the mount, so that the
// kernel says who may.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cmd/outcome.h"

namespace bandfs {

class ControlDirectory {
public:
    /// That of the mount on which `path` lies; `name` is the directory's. no_mount when there is none.
    static Outcome<ControlDirectory> of(const std::string& path, const std::string& name);

    const std::string& mountpoint() const { return mountpoint_; }
    /// A whole file.
    Outcome<std::string> read(const std::string& file) const;
    /// The value of user.bandfs.NAME.
    Result<std::string> get(const std::string& name) const;
    /// Sends a message.
    Status set(const std::string& name, const std::string& value) const;

private:
    ControlDirectory(std::string mountpoint, std::string path)
        : mountpoint_(std::move(mountpoint)), path_(std::move(path)) {}

    std::string mountpoint_;
    std::string path_;
};

/// Where this process sees bandfs mounted (type fuse.bandfs), in the order they were mounted.
std::vector<std::string> visible_mounts();

}  // namespace bandfs
