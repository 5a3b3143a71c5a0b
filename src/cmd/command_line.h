// cmd/command_line.h - the command line of a mount, and what --help says.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "cmd/mount_command.h"
#include "cmd/outcome.h"

namespace bandfs {

/// What is to be done: a mount, or to print a text and leave.
struct CommandLine {
    std::optional<MountLine> mount;
    std::string text;
};

/// Understands `bandfs SOURCE MOUNTPOINT [-o ...] [-f] [-d] [-V] [-h]`, and what mount(8) adds when it calls a helper
/// (-s, -n, -v, -t TYPE). As mount.bandfs, -f is mount(8)'s: look whether it could be mounted.
Outcome<CommandLine> parse_command_line(std::span<char*> arguments);

}  // namespace bandfs
