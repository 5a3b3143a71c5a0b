// bandfs/statistics.h - what is counted per group and for a device group.
#pragma once

#include <array>
#include <cstdint>

#include "bandfs/unit.h"

namespace bandfs {

/// Counts of one direction. `requests`, `deferred` and `sectors` are dm-band's columns.
struct DirectionStatistics {
    std::uint64_t requests = 0;   ///< units that arrived
    std::uint64_t deferred = 0;   ///< of these, held first
    std::uint64_t sectors = 0;    ///< 512-byte sectors that arrived, rounded up per unit
    std::uint64_t bytes_done = 0; ///< bytes of completed units
};

struct Statistics {
    std::array<DirectionStatistics, kDirections> direction{};

    DirectionStatistics& of(Direction d) { return direction[static_cast<int>(d)]; }
    const DirectionStatistics& of(Direction d) const { return direction[static_cast<int>(d)]; }
};

}  // namespace bandfs
