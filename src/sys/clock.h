// sys/clock.h - the clock of the daemon, and that of files.
#pragma once

#include <algorithm>
#include <cstdint>
#include <ctime>

#include "bandfs/unit.h"

namespace bandfs {

inline constexpr TimeNs kMillisecond = 1'000'000;
inline constexpr TimeNs kSecond = 1'000'000'000;

/// Files may be of any time: before 1684 and after 2255 it is the nearest of these.
inline TimeNs nanoseconds_of(const timespec& time) {
    constexpr std::int64_t kMost = 9'000'000'000;
    return std::clamp<std::int64_t>(time.tv_sec, -kMost, kMost) * kSecond + time.tv_nsec;
}

/// CLOCK_MONOTONIC in nanoseconds: the `now` that the scheduler is given.
inline TimeNs now_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return nanoseconds_of(now);
}

/// CLOCK_REALTIME in nanoseconds, which the times of files are of.
inline TimeNs time_of_day_ns() {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return nanoseconds_of(now);
}

}  // namespace bandfs
