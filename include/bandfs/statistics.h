// bandfs/statistics.h - what is counted per group and for a device group.
#pragma once

#include <array>
#include <cstdint>

#include "bandfs/unit.h"

namespace bandfs {

/// Counts of one direction. `requests`, `deferred` and `sectors` are dm-band's columns.
struct DirectionStatistics {
    std::uint64_t requests = 0;    ///< units that arrived
    std::uint64_t deferred = 0;    ///< of these, held first
    std::uint64_t sectors = 0;     ///< 512-byte sectors that arrived, rounded up per unit
    std::uint64_t bytes_done = 0;  ///< bytes of completed units

    friend bool operator==(const DirectionStatistics&, const DirectionStatistics&) = default;
};

struct Statistics {
    std::array<DirectionStatistics, kDirections> direction{};

    DirectionStatistics& of(Direction d) { return direction[static_cast<std::size_t>(d)]; }
    const DirectionStatistics& of(Direction d) const { return direction[static_cast<std::size_t>(d)]; }

    Statistics& operator+=(const Statistics& other);
    friend bool operator==(const Statistics&, const Statistics&) = default;
};

/// Counts of a group beside its units.
struct SideStatistics {
    std::uint64_t cached_reads = 0;  ///< reads that a cache answered: no unit came of them
    std::uint64_t cached_bytes = 0;  ///< bytes that a cache gave, those of reads that took units for the rest included
    std::uint64_t failures = 0;      ///< reads, writes and write-backs that failed

    SideStatistics& operator+=(const SideStatistics& other) {
        cached_reads += other.cached_reads;
        cached_bytes += other.cached_bytes;
        failures += other.failures;
        return *this;
    }
    friend bool operator==(const SideStatistics&, const SideStatistics&) = default;
};

inline Statistics& Statistics::operator+=(const Statistics& other) {
    for (std::size_t d = 0; d < direction.size(); ++d) {
        direction[d].requests += other.direction[d].requests;
        direction[d].deferred += other.direction[d].deferred;
        direction[d].sectors += other.direction[d].sectors;
        direction[d].bytes_done += other.direction[d].bytes_done;
    }
    return *this;
}

}  // namespace bandfs
