// gate/job.h - a read, a write, a piece of write-back or an errand, as the gate holds and runs it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <span>

#include <boost/intrusive/list.hpp>

#include "bandfs/group.h"
#include "bandfs/unit.h"

namespace bandfs {

class Job;
struct MountAccount;

/// How a job ended: performed (to its end, to where perform() said false, or to where it was stopped short), or taken
/// back while nothing of it was being performed.
enum class JobOutcome : std::uint8_t { performed, cancelled };

/// Where a job is.
///   idle    -> waiting   submitted, and its first unit is held; or parked
///   idle    -> ready     submitted, and its first unit may go; or an errand
///   idle    -> waiting   the submitter performs it itself
///   waiting -> ready     there is a piece for a worker: units were released, it was unparked or taken back
///   ready   -> waiting   a worker took a piece
///   waiting -> finished  its last byte is done, or it was taken back: finish() is next
/// So a job that waits may have pieces at work, and one that has is ready when there may be another.
enum class JobState : std::uint8_t { idle, waiting, ready, finished };

/// A unit that knows its job.
struct JobUnit : Unit {
    Job* job = nullptr;
};

template <typename Tag>
using JobHook = boost::intrusive::list_base_hook<boost::intrusive::tag<Tag>,
                                                 boost::intrusive::link_mode<boost::intrusive::safe_link>>;
using JobReadyHook = JobHook<struct JobReadyTag>;
using JobHeldHook = JobHook<struct JobHeldTag>;
using JobReadyQueue = boost::intrusive::list<Job, boost::intrusive::base_hook<JobReadyHook>>;
using JobHeldQueue = boost::intrusive::list<Job, boost::intrusive::base_hook<JobHeldHook>>;

/// `bytes` of one direction of one group, cut into units of the mount's unit_size. The units are admitted, held and
/// released one by one and in order; adjacent ones that are released together are a piece, performed as one call to the
/// disk. They are allocated with the job, before any lock is taken. A job without bytes is an errand: nothing of it
/// is scheduled or charged, a worker performs it (an fsync, a write into the page cache whose turn has come); unless it
/// waits for its group's turn, which costs nothing either.
///
/// Whoever makes a job hands it to the gate, which owns it from then on and destroys it after finish(). What is private
/// is guarded by the gate's lock.
class Job : public JobReadyHook, public JobHeldHook {
public:
    /// An errand. `caller_tid` is the thread that waits for it, 0 when nobody does.
    explicit Job(pid_t caller_tid) : caller_tid_(caller_tid) {}
    Job(Direction direction, std::uint64_t bytes, std::uint32_t unit_size, pid_t caller_tid);
    virtual ~Job();
    Job(const Job&) = delete;
    Job& operator=(const Job&) = delete;

    /// Does bytes [begin, end) of the job, a piece. Called on a worker (or by the submitter) with no lock held, in
    /// order without gaps; a piece begins before the last has ended only if the job overlaps(). Once with (0, 0) when
    /// it has no bytes. Failures are kept by the job for finish(). False: the job failed or came to its end early (end
    /// of file); what has not begun is not performed but counts as completed.
    virtual bool perform(std::uint64_t begin, std::uint64_t end) = 0;

    /// Whether start() is worth trying.
    virtual bool starts() const { return false; }
    /// Begins the whole of it in place of perform(), if that can go on without this thread: somebody calls
    /// Gate::performed() then. Called by the submitter with no lock held, in place of kept(), when all units have been
    /// released at once. False: nothing has begun.
    virtual bool start() { return false; }

    /// Whether some of what was performed failed, which is counted for the group that the job's units are of. Asked
    /// under the gate's lock when the last piece is done.
    virtual bool failed() const { return false; }

    /// Whether it may end at byte `at`, where no piece has begun yet, though some before that has: its caller is dying.
    /// If so it must not be answered as if it had come to an end there. Called under the gate's lock, while pieces may
    /// be at work; finish() follows when they are done.
    virtual bool stop_short([[maybe_unused]] std::uint64_t at) { return false; }

    /// Whether the next piece may begin while one is performed. Without it the disk idles between the pieces.
    virtual bool overlaps() const { return false; }

    /// Called exactly once, with no lock held, after the last perform() or instead of it: answers the request. The gate
    /// then destroys the job, and touches nothing else of its mount but the count that drain() waits for. Never called
    /// from within cancel(), so it may wait until a running interrupt callback has returned.
    virtual void finish(JobOutcome outcome) = 0;

    /// What this is a part of, with others that are wanted in the order of their place(): a file that is read ahead,
    /// whose requests may be handed in by several threads. nullptr: nothing.
    virtual const void* stream() const { return nullptr; }
    virtual std::uint64_t place() const { return 0; }

    pid_t caller_tid() const { return caller_tid_; }
    std::uint64_t bytes() const { return bytes_; }

    /// Has kept() called, once. By who hands it in and cannot wait for submit() to do so, before that.
    void keep();

    /// Cuts an errand into units: it is one no more. Before it is handed to the gate.
    void cut(Direction direction, std::uint64_t bytes, std::uint32_t unit_size);
    /// Has an errand wait for its group's turn: it becomes a unit of no bytes. Before it is handed to the gate.
    void wait_for_turn(Direction direction);

protected:
    /// The job outlives the call that handed it in, and other threads will see it: the last moment to copy what is
    /// borrowed, and to register an interrupt callback (which may call Gate::cancel(*this)). Called once, inside that
    /// call, in its thread, and not at all when it is performed there and then. When it throws, the job is withdrawn
    /// and destroyed without finish().
    virtual void kept() {}
    /// In kept(): the job is not held, for it takes too much to keep. It is charged all the same.
    void pass_at_once() { passed_ = true; }

private:
    friend class Gate;

    std::span<JobUnit> units() { return {unit_count_ == 1 ? &only_ : more_.get(), unit_count_}; }
    /// Byte of the job at which unit `index` begins; `bytes_` behind the last.
    std::uint64_t begin_of(std::uint32_t index) const;
    bool errand() const { return unit_count_ == 0; }
    bool urgent() const { return errand() || passed_ || taken_back_; }
    bool held() const { return JobHeldHook::is_linked(); }
    std::uint64_t first_turn() const { return more_[0].sequence; }
    bool should_overtake(const Job& other) const;
    void swap_turns(Job& other);

    const pid_t caller_tid_;
    JobState state_ = JobState::idle;
    bool kept_ = false;        ///< kept() was called
    bool entering_ = false;    ///< kept() is about to be called: nothing of it is begun or taken back meanwhile
    bool parked_ = false;      ///< waits for unpark()
    bool taken_back_ = false;  ///< nothing of it will be performed
    bool passed_ = false;      ///< has been let pass: it is urgent
    std::uint32_t unit_count_ = 0;
    std::uint32_t unit_size_ = 0;
    std::uint32_t taken_ = 0;     ///< units before it are in pieces that have begun; taken_ <= released_ <= unit_count_
    std::uint32_t released_ = 0;  ///< units before it have been issued
    unsigned pieces_ = 0;         ///< that are being performed
    std::uint64_t bytes_ = 0;
    TimeNs arrived_ = 0;
    MountAccount* account_ = nullptr;
    JobUnit only_;                     ///< the unit of a job that has one, as most have
    std::unique_ptr<JobUnit[]> more_;  ///< those of a job that has several
};

}  // namespace bandfs
