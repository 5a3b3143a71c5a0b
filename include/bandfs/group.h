// bandfs/group.h - a band group: one consumer of a disk.
//
// CONTRACT SKETCH: src/band's author completes this header; what other rooms use is what is declared here.
#pragma once

#include <boost/intrusive/list.hpp>
#include <boost/intrusive/set.hpp>
#include <cstdint>

#include "bandfs/statistics.h"
#include "bandfs/unit.h"

namespace bandfs {

class DeviceGroup;
class MountGroups;

/// The id of a band group: a pid, a uid, a cgroup's inode number ... as its mount's type says. 64 bits, 0 included.
using GroupId = std::uint64_t;

class Group {
public:
    GroupId id() const;
    bool is_default() const;
    std::uint32_t weight() const;
    std::int64_t tokens() const;        ///< policy `weight`: tokens left
    std::int64_t token_init() const;    ///< policy `weight`: tokens after a refill
    const Statistics& statistics() const;
    std::uint32_t issued() const;       ///< units in flight
    std::uint32_t held() const;         ///< units held, those waiting for the byte bound included
    std::uint64_t held_bytes() const;
    bool going_down() const;
};

}  // namespace bandfs
