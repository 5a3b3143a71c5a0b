// gate/gate_worker.h - what the gate's parts share: its threads and their times.
#pragma once

#include <chrono>
#include <condition_variable>
#include <thread>

#include "gate/gate.h"

namespace bandfs {

/// A thread of the gate. Guarded by the gate's lock but for `thread`.
struct Gate::Worker {
    std::thread thread;
    std::condition_variable wakes;
    bool woken = false;
    Worker* next = nullptr;  ///< in the chain of idle workers
};

/// How often the timer looks after those who wait.
inline constexpr TimeNs kCheckEveryNs = 100 * kMillisecond;

/// A time of now_ns() as a condition variable takes it: both are CLOCK_MONOTONIC.
inline std::chrono::steady_clock::time_point steady_time(TimeNs at) {
    return std::chrono::steady_clock::time_point(std::chrono::nanoseconds(at));
}

}  // namespace bandfs
