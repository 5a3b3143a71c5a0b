// gate/gate_worker.h - what the gate's parts share: its threads and their times.
#pragma once

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdint>
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

/// Workers on jobs that are ready, at most: more would not make a disk faster.
inline constexpr unsigned kMostOnReady = 64;
/// Workers on urgent ones, at most, beside the others: an fsync never waits for a worker that waits for the disk.
inline constexpr unsigned kMostOnUrgent = 32;
inline constexpr unsigned kMostWorkers = kMostOnReady + kMostOnUrgent;

/// What a worker has to do: perform units [from, to) of a job, or its errand, or only finish it.
struct Gate::Turn {
    Job* job = nullptr;
    std::uint32_t from = 0;
    std::uint32_t to = 0;
    bool urgent = false;  ///< it came from the urgent ones
};

/// Whom to wake after unlocking. Not a chain: a worker may be here, gone and idle again before its turn.
struct Gate::Wakes {
    std::array<Worker*, kMostWorkers> workers;
    unsigned count = 0;
    unsigned start = 0;
    bool timer = false;
};

/// How often the timer looks after those who wait.
inline constexpr TimeNs kCheckEveryNs = 100 * kMillisecond;

/// A time of now_ns() as a condition variable takes it: both are CLOCK_MONOTONIC.
inline std::chrono::steady_clock::time_point steady_time(TimeNs at) {
    return std::chrono::steady_clock::time_point(std::chrono::nanoseconds(at));
}

}  // namespace bandfs
