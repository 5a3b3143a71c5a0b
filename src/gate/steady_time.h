// gate/steady_time.h - times of now_ns() as a condition variable takes them.
#pragma once

#include <chrono>

#include "sys/clock.h"

namespace bandfs {

/// Both are CLOCK_MONOTONIC.
inline std::chrono::steady_clock::time_point steady_time(TimeNs at) {
    return std::chrono::steady_clock::time_point(std::chrono::nanoseconds(at));
}

}  // namespace bandfs
