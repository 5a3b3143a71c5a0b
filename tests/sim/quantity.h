// sim/quantity.h - quantities as scenario files write them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "bandfs/unit.h"

namespace bandfs::sim {

/// "250us", "3.2ms", "10s", "5min", "2h" in nanoseconds.
std::optional<TimeNs> parse_duration(std::string_view text);

/// "4KiB", "128K" (both times 1024), "40MB" (times 1,000,000), "512" in bytes; a "/s" at the end is allowed.
std::optional<double> parse_bytes(std::string_view text);

}  // namespace bandfs::sim
