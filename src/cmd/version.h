// cmd/version.h - what -V prints.
#pragma once

#include <string>

namespace bandfs {

/// bandfs' version and that of the libfuse it runs with.
std::string version_text();

}  // namespace bandfs
