// gate/gate.h - the one lock of a device group, and everything that waits behind it.
//
// Duties: who wakes whom, and why nobody waits for ever.
//   a unit held by the scheduler: is released after every completion, every control change and at wakes_at(); the
//     timer lets it pass after the longest hold;
//   wakes_at(): the last worker to go idle sleeps no longer than that; where none does, the timer is told;
//   a job that is ready: whoever made it so wakes an idle worker or starts one, before it does anything else; a
//     worker looks for the next job before it sleeps;
//   a parked job: whoever parked it unparks it; at the latest the timer, or drain();
//   a caller that dies while its job waits: the timer asks every 100 ms;
//   drain(): is woken when the last job of its mount has been destroyed.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "bandfs/device_group.h"
#include "gate/crew.h"
#include "gate/gate_report.h"
#include "gate/job.h"
#include "gate/payer.h"
#include "sys/clock.h"

namespace bandfs {

/// A device group with its lock, workers and timer, made after the daemon has forked. Thread-safe. Outlives its mounts.
///
/// No other lock is taken under the gate's; within it there is no system call, allocation, log line or call of a job
/// but failed() and stop_short().
class Gate {
public:
    /// Throws std::system_error when the system gives it no thread.
    explicit Gate(std::unique_ptr<DeviceGroup> device_group);
    ~Gate();
    Gate(const Gate&) = delete;
    Gate& operator=(const Gate&) = delete;

    /// Runs `change(DeviceGroup&)` under the lock, releases what the change lets pass, and returns what it returned.
    /// This is how control reads and sets everything: no other way to the device group exists. `change` must not block,
    /// log or call libfuse.
    template <typename Change>
    auto with(Change&& change) {
        const Locked locked(*this);
        return std::forward<Change>(change)(*device_group_);
    }

    /// A mount begins, before its first job, and ends, when it was drained and hands in no jobs any more.
    void enter(MountGroups& groups);
    void leave(MountGroups& groups);

    /// The group that takes a caller: the first of `lineage` that is attached, else the default group.
    Payer payer(MountGroups& groups, std::span<const GroupId> lineage);
    /// Counts for that group what the gate does not see.
    void count(MountGroups& groups, std::span<const GroupId> lineage, const SideStatistics& more);

    /// Takes a job, admits its units to the group that payer() would name, and queues it for the workers, or holds it,
    /// or performs it here and now (`may_inline`, and only when all of it is admitted at once and nothing else waits).
    /// What its kept() throws it throws, and has done nothing. True: it could go, but this thread was not to do it.
    /// A job that starts() may go on without a thread in place of being performed.
    bool submit(std::unique_ptr<Job> job, MountGroups& groups, std::span<const GroupId> lineage, bool may_inline);
    /// Takes an errand that waits for something the gate does not know; a worker performs it after unpark().
    void park(std::unique_ptr<Job> job, MountGroups& groups);

    // About a job that was handed in and lives: its finish() makes sure that nobody calls these any more.

    /// What its start() has begun is done; `went_on` as perform() answers it.
    void performed(Job& job, bool went_on);
    /// Lets a parked job run. Nothing when it has been let run, or taken back, already.
    void unpark(Job& job);
    /// Lets everything of this job pass next.
    void expedite(Job& job);
    /// The caller of this job is dying: what has not begun is taken back (finish(cancelled) follows, on a worker,
    /// unless a piece is being performed), or if a job that has begun cannot stop_short(), passes at once. False when
    /// nothing of it waits.
    bool cancel(Job& job);

    /// Every waiting job whose caller `dying(tid)` says is dying is cancelled within 250 ms of its death. Called on the
    /// timer with no lock held.
    void set_dying(std::function<bool(pid_t)> dying);
    /// The longest a job may wait (30 s at first); then it passes, counted.
    void set_longest_hold(TimeNs longest);

    /// Lets everything of this mount pass, from now on, and waits until nothing of it waits, runs or is being answered.
    /// False when `deadline` (of now_ns()) passed.
    bool drain(MountGroups& groups, TimeNs deadline);

    GateReport report();

private:
    /// What a worker has to do: perform units [from, to) of a job, or its errand, or only finish it.
    struct Turn {
        Job* job = nullptr;
        std::uint32_t from = 0;
        std::uint32_t to = 0;
        bool urgent = false;  ///< it came from the urgent ones
        bool more = false;    ///< the job is ready again
    };
    struct Wakes {
        Crew::Wakes crew;
        bool timer = false;
    };
    /// Holds the lock; when destroyed, releases what may go, unlocks and wakes. `looks_next`: this thread is a worker
    /// and will look for a job before it sleeps.
    class Locked {
    public:
        explicit Locked(Gate& gate, bool looks_next = false)
            : gate_(gate), lock_(gate.mutex_), looks_next_(looks_next) {}
        ~Locked() {
            gate_.release(now_ns());
            Wakes wakes;
            gate_.choose_wakes(wakes, looks_next_);
            lock_.unlock();
            gate_.wake(wakes);
        }
        Locked(const Locked&) = delete;
        Locked& operator=(const Locked&) = delete;

    private:
        Gate& gate_;
        std::unique_lock<std::mutex> lock_;
        const bool looks_next_;
    };
    friend class Locked;

    /// How often the timer looks after those who wait.
    static constexpr TimeNs kCheckEveryNs = 100 * kMillisecond;

    // gate.cc
    void end_threads();
    void keep(Job& job);
    // Each requires the lock.
    MountAccount& account_of(const MountGroups& groups);
    Job& adopt(std::unique_ptr<Job> job, const MountGroups& groups);
    void admit(Job& job, Group& group);
    void begin_waiting(Job& job);
    void put_in_order(Job& job);
    void release(TimeNs now);
    void note_released(Job& job);
    void offer(Job& job);
    void make_ready(Job& job);
    void hold(Job& job);
    void pass(Job& job);
    void unpark_locked(Job& job);
    void take_back(Job& job);
    void end_units(Job& job, std::uint32_t from, std::uint32_t to, UnitEnd end);
    void drop_rest(Job& job);
    void settle(MountAccount* account);

    // gate_workers.cc
    void work(Crew::Worker& self);
    Job* take_turn(Turn turn, bool looks_next);
    Job* end_turn(Turn turn, bool went_on, bool looks_next);
    MountAccount* end(Job* job);
    void end_and_settle(Job* job);
    void wake(const Wakes& wakes);
    // Each requires the lock.
    Turn next_turn();
    Turn take_piece(Job& job, bool urgent, bool halve);
    void choose_wakes(Wakes& wakes, bool looks_next);
    TimeNs watch_due() const;
    unsigned most_on_ready() const;

    // gate_timer.cc
    void keep_time();
    void pass_overdue(TimeNs now);  // requires the lock
    void cancel_dying();

    std::mutex mutex_;
    // Guarded by it:
    std::unique_ptr<DeviceGroup> device_group_;
    std::vector<std::unique_ptr<MountAccount>> accounts_;
    JobHeldQueue held_;     ///< jobs that wait, in order of arrival
    JobReadyQueue ready_;   ///< jobs with released units, in order of release
    JobReadyQueue urgent_;  ///< of these, what was let pass; errands; what was taken back
    Crew crew_;
    TimeNs timer_due_ = 0;       ///< until when the timer sleeps at most
    TimeNs check_due_ = kNever;  ///< when the timer looks after those who wait
    TimeNs longest_hold_;
    std::shared_ptr<const std::function<bool(pid_t)>> dying_;
    std::uint64_t passed_over_age_ = 0;
    std::uint64_t cancelled_ = 0;
    unsigned on_ready_ = 0;   ///< workers with a job that came from ready_
    unsigned on_urgent_ = 0;  ///< and from urgent_
    unsigned drains_ = 0;
    bool stopping_ = false;

    std::condition_variable drained_;
    std::condition_variable timer_wakes_;
    std::thread timer_;
};

}  // namespace bandfs
