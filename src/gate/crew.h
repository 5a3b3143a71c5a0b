// gate/crew.h - the threads that do a gate's I/O: who sleeps, who is on the way, and who is woken.
#pragma once

#include <array>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "sys/clock.h"

namespace bandfs {

/// Workers, started as they are needed and never ended before the gate is; the one that went to sleep last is woken
/// first, for its cache is warm. A worker that goes to sleep may watch the time for the others. Guarded by the gate's
/// lock, but for wake() and join().
class Crew {
public:
    struct Worker {
        std::thread thread;
        std::condition_variable wakes;
        bool woken = false;
        Worker* next = nullptr;  ///< in the chain of those asleep
    };
    static constexpr unsigned kMost = 96;

    /// Whom to wake after unlocking. Not a chain through them: a worker may wake by itself meanwhile and be asleep
    /// again.
    struct Wakes {
        std::array<Worker*, kMost> workers;
        unsigned count = 0;
        unsigned start = 0;
    };

    /// `work` is what each thread does: first it takes `mutex` and says arrived(), and it returns when the gate ends.
    Crew(std::mutex& mutex, std::function<void(Worker&)> work);

    void arrived() { --coming_; }
    /// Chooses whom to wake for so many jobs. Those on their way are counted, and `looking` that look for one anyhow.
    void call_for(std::size_t jobs, unsigned looking, Wakes& wakes);
    void call_all(Wakes& wakes);
    /// Wakes them, starting those that do not exist yet. Without the lock. When the system has no thread, the others
    /// have to do.
    void wake(const Wakes& wakes);

    /// Sleeps until woken, or, when `due` is not kNever, until then at most, which it watches for all. False: it is
    /// time.
    bool sleep(Worker& self, std::unique_lock<std::mutex>& lock, TimeNs due);
    /// Until when a sleeping worker sleeps at most; kNever when none watches the time.
    TimeNs watched_until() const { return watcher_due_; }

    unsigned size() const { return started_; }
    /// Waits until all have returned. Nobody calls wake() any more but they themselves.
    void join();

private:
    void wake_one(Wakes& wakes);
    void unwatch();
    void start();

    std::mutex& mutex_;
    const std::function<void(Worker&)> work_;
    std::vector<std::unique_ptr<Worker>> workers_;
    Worker* asleep_ = nullptr;   ///< a chain
    Worker* watcher_ = nullptr;  ///< one of them that watches the time
    TimeNs watcher_due_ = kNever;
    unsigned started_ = 0;  ///< that run or are being started
    unsigned coming_ = 0;   ///< of these, woken or started and not yet here
};

}  // namespace bandfs
