// cmd/list_report.h - what a server says about its mounts to `bandfs list`, and how the command reads it.
#pragma once

#include <string>
#include <vector>

#include "cmd/served_mount.h"

namespace bandfs {

/// One JSON object per line: the mount with its device group, then its groups, some in each line so that none is longer
/// than a message may be.
void append_report(std::vector<std::string>& lines, ServedMount& mount);

/// The last line.
std::string encode_end();

}  // namespace bandfs
