// gate/gate_report.h - a moment of the gate, for status.
#pragma once

#include <cstddef>
#include <cstdint>

#include "bandfs/unit.h"

namespace bandfs {

struct GateReport {
    std::uint64_t passed_over_age = 0;  ///< jobs that waited longer than the bound, and passed
    std::uint64_t cancelled = 0;        ///< jobs of callers that died while they waited
    std::size_t waiting = 0;            ///< jobs held or parked now
    TimeNs oldest_wait_ns = 0;          ///< how long the oldest of them has waited
    TimeNs longest_hold_ns = 0;         ///< the longest that one may wait
    unsigned workers = 0;
    unsigned busy_workers = 0;
};

}  // namespace bandfs
