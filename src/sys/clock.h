// sys/clock.h - the one clock of the daemon.
#pragma once

#include <ctime>

#include "bandfs/unit.h"

namespace bandfs {

/// CLOCK_MONOTONIC in nanoseconds: the `now` that the scheduler is given.
inline TimeNs now_ns() {
    timespec t{};
    ::clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<TimeNs>(t.tv_sec) * 1'000'000'000 + t.tv_nsec;
}

inline constexpr TimeNs kMillisecond = 1'000'000;
inline constexpr TimeNs kSecond = 1'000'000'000;

}  // namespace bandfs
