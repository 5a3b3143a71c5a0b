// gate/gate.h - the one lock of a device group, and everything that waits behind it.
//
// Duties: who wakes whom, and why nobody waits for ever.
//   - a unit held by the scheduler: released after every completion, every control change and at wakes_at(); at the latest
//     after the longest hold, by the timer;
//   - a job that is ready: whoever made it ready wakes an idle worker, or starts one, before it goes on; a worker that has
//     finished looks for the next before it sleeps;
//   - a parked job: whoever parked it unparks it; at the latest the timer after the longest hold, or drain();
//   - a caller that dies while its job waits: the timer asks for it every 100 ms;
//   - wakes_at(): the last worker to go idle sleeps no longer than that; where none does, the timer is told;
//   - drain(): woken when the last job of its mount is destroyed.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

#include "bandfs/device_group.h"
#include "gate/held_jobs.h"
#include "gate/job.h"
#include "sys/clock.h"

namespace bandfs {

/// What the gate counts beside the scheduler's statistics.
struct GateCounters {
    std::uint64_t passed_over_age = 0;   ///< jobs held longer than the bound, passed
    std::uint64_t cancelled = 0;         ///< jobs of callers that died while they waited
};

/// A moment of the gate, for status.
struct GateReport {
    GateCounters counters;
    std::size_t waiting = 0;        ///< jobs held or parked
    TimeNs oldest_wait_ns = 0;      ///< how long the oldest of them has waited
    unsigned workers = 0;
    unsigned busy = 0;
};

/// A device group with its lock, workers and timer. Thread-safe. Lives until every mount of it is gone (each drained).
/// Starts threads, so it is made after the daemon has forked. Lock order: no other lock is taken under the gate's, and
/// within it there is no system call, allocation, log line or call of a job.
class Gate {
public:
    explicit Gate(std::unique_ptr<DeviceGroup> device_group);
    ~Gate();
    Gate(const Gate&) = delete;
    Gate& operator=(const Gate&) = delete;

    /// Runs `change` under the lock, then releases what the change lets pass, and returns what it returned. This is how
    /// control reads and sets everything: no other way to the device group exists. `change` must not block, log or call
    /// libfuse.
    template <typename Change>
    auto with(Change&& change);   // change(DeviceGroup&)

    /// The id of the group that takes a caller: the first of `lineage` that is attached; nullopt for the default group.
    std::optional<GroupId> owner(MountGroups& groups, std::span<const GroupId> lineage);

    /// Takes a job, admits its units to the group that owner() would name, and either queues it for the workers, performs
    /// it here and now (`may_inline`, and only when all of it is admitted at once and nothing else waits), or holds it.
    void submit(std::unique_ptr<Job> job, MountGroups& groups, std::span<const GroupId> lineage, bool may_inline);
    /// Takes an errand that waits for something the gate does not know; a worker performs it after unpark().
    void park(std::unique_ptr<Job> job, MountGroups& groups);
    /// Lets a parked job run; nothing when it was let run already. The job must not have begun finish().
    void unpark(Job& job);
    /// Lets everything of this job pass next. The job must not have begun finish().
    void expedite(Job& job);

    /// The caller of this job is dying: if no byte was performed it is taken back and finish(cancelled) follows on a worker,
    /// else what is left passes at once. False when nothing of it waits. The job must not have begun to be destroyed: an
    /// interrupt callback is safe, since finish() first unregisters it, which waits for one that runs.
    bool cancel(Job& job);
    /// Every job whose caller dying() says is dying is cancelled within 250 ms of its death. Called with no lock held.
    void set_dying(std::function<bool(pid_t)> dying);
    /// The longest a job may wait (default 30 s); then it passes, counted.
    void set_longest_hold(TimeNs longest);

    /// Lets everything of this mount pass and waits until nothing of it waits, runs or is being answered. False when
    /// `deadline` (of now_ns()) passed.
    bool drain(MountGroups& groups, TimeNs deadline);

    GateReport report();

private:
    struct Worker;
    /// What is to be done after unlocking: whom to wake, how many workers to start.
    struct Wakes {
        Worker* workers = nullptr;
        unsigned start = 0;
        bool timer = false;
    };
    class Locked;

    std::unique_ptr<MountAccount> make_account(MountGroups& groups);
    MountAccount* account_of(MountGroups& groups);

    // Each requires the lock.
    void release(TimeNs now);
    void take_released(JobUnit& unit);
    void make_ready(Job& job);
    void pass(Job& job, TimeNs now);
    bool take_back(Job& job, TimeNs now);
    void settle(Job& job, std::uint32_t to, bool went_well, TimeNs now);
    Job* next_job();
    bool job_available() const;
    Wakes wakes(TimeNs now);
    TimeNs next_alarm(TimeNs now) const;
    unsigned worker_cap() const;

    void wake(const Wakes& wakes);
    void start_worker();
    void work(Worker& self);
    void run(Job& job);
    void keep_time();
    void reap_dying();

    std::mutex mutex_;
    std::unique_ptr<DeviceGroup> device_group_;
    std::vector<std::unique_ptr<MountAccount>> accounts_;
    HeldJobs held_;
    JobQueue ready_;
    JobQueue errands_;
    std::vector<std::unique_ptr<Worker>> workers_;
    bool stopping_ = false;
};

template <typename Change>
auto Gate::with(Change&& change) {
    return change(*device_group_);
}

}  // namespace bandfs
