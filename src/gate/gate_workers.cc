// gate/gate_workers.cc - what the workers do: they come for the next job when they are free, so that the order is
// decided as late as can be.
#include <algorithm>

#include "gate/gate.h"
#include "gate/mount_account.h"

namespace bandfs {

namespace {

// Workers on jobs that are ready, at most: more would not make a disk faster.
constexpr unsigned kMostOnReady = 64;
// Workers on urgent ones, at most, beside the others: an fsync never waits for a worker that waits for the disk.
constexpr unsigned kMostOnUrgent = 32;
constexpr std::uint64_t kLargeAnswer = 64u << 10;
static_assert(kMostOnReady + kMostOnUrgent == Crew::kMost);

}  // namespace

void Gate::work(Crew::Worker& self) {
    std::unique_lock lock(mutex_);
    crew_.arrived();
    for (;;) {
        const Turn turn = next_turn();
        if (turn.job != nullptr) {
            Wakes wakes;
            if (turn.more) choose_wakes(wakes, false);
            lock.unlock();
            wake(wakes);
            Job* const done = take_turn(turn, true);
            MountAccount* const account = done != nullptr ? end(done) : nullptr;
            lock.lock();
            if (account != nullptr) settle(account);
        } else if (stopping_) {
            return;
        } else if (!crew_.sleep(self, lock, watch_due())) {
            lock.unlock();
            { const Locked at_due(*this, true); }
            lock.lock();
        }
    }
}

Gate::Turn Gate::next_turn() {
    const bool urgent = !urgent_.empty() && on_urgent_ < kMostOnUrgent;
    if (!urgent && (ready_.empty() || on_ready_ >= most_on_ready())) return {};
    JobReadyQueue& queue = urgent ? urgent_ : ready_;
    Job& job = queue.front();
    queue.pop_front();
    ++(urgent ? on_urgent_ : on_ready_);
    job.state_ = JobState::waiting;
    return take_piece(job, urgent, !urgent && on_ready_ == 1);
}

// What has been released, or half of it for a disk that has nothing else: all that it is given would be done in the
// same moment, and then it would idle until the next comes.
Gate::Turn Gate::take_piece(Job& job, bool urgent, bool halve) {
    Turn turn{&job, job.taken_, job.released_, urgent, false};
    if (halve && job.overlaps()) turn.to -= (turn.to - turn.from) / 2;
    job.taken_ = turn.to;
    ++job.pieces_;
    offer(job);
    turn.more = job.state_ == JobState::ready;
    return turn;
}

// No more than io_limit, also when everything passes because a mount goes away: what the disk has been given cannot be
// taken back, and a daemon that is told to leave at once would have to wait for it.
unsigned Gate::most_on_ready() const {
    return std::clamp(device_group_->io_limit(), 2U, kMostOnReady);
}

// Performs what the turn says and completes its units; returns the job when that was its end.
Job* Gate::take_turn(Turn turn, bool looks_next) {
    Job& job = *turn.job;
    const bool went_on = job.taken_back_ || job.perform(job.begin_of(turn.from), job.begin_of(turn.to));
    return end_turn(turn, went_on, looks_next);
}

Job* Gate::end_turn(Turn turn, bool went_on, bool looks_next) {
    Job& job = *turn.job;
    // A large answer takes as long as the next piece would: another worker begins that meanwhile.
    const bool answers_first = job.bytes() > kLargeAnswer && turn.to == job.unit_count_;
    const Locked locked(*this, looks_next && !answers_first);
    if (looks_next) --(turn.urgent ? on_urgent_ : on_ready_);
    --job.pieces_;
    const bool whole = went_on && !job.taken_back_;
    const bool last = job.pieces_ == 0 && (!whole || job.taken_ == job.unit_count_);
    if (last && !job.errand() && job.failed()) device_group_->count(*job.units()[turn.from].group, {.failures = 1});
    end_units(job, turn.from, turn.to, whole ? UnitEnd::done : UnitEnd::undone);
    if (!whole) drop_rest(job);
    if (job.pieces_ == 0 && job.taken_ == job.unit_count_) {
        job.state_ = JobState::finished;
        return &job;
    }
    offer(job);
    return nullptr;
}

void Gate::performed(Job& job, bool went_on) {
    end_and_settle(end_turn({&job, 0, job.unit_count_}, went_on, false));
}

void Gate::end_and_settle(Job* job) {
    MountAccount* const account = end(job);
    const std::lock_guard lock(mutex_);
    settle(account);
}

MountAccount* Gate::end(Job* job) {
    MountAccount* const account = job->account_;
    job->finish(job->taken_back_ ? JobOutcome::cancelled : JobOutcome::performed);
    delete job;
    return account;
}

// Chooses whom to wake: a worker for each job that may run, and the timer when a time comes up that nobody watches.
void Gate::choose_wakes(Wakes& wakes, bool looks_next) {
    if (stopping_) {
        crew_.call_all(wakes.crew);
        wakes.timer = true;
        return;
    }
    const std::size_t ready =
        std::min<std::size_t>(ready_.size(), most_on_ready() - std::min(on_ready_, most_on_ready()));
    const std::size_t urgent = std::min<std::size_t>(urgent_.size(), kMostOnUrgent - on_urgent_);
    crew_.call_for(ready + urgent, looks_next ? 1 : 0, wakes.crew);
    // A worker that will find nothing to do watches the time itself.
    TimeNs due = looks_next && ready + urgent == 0 ? kNever : watch_due();
    if (!held_.empty()) due = std::min(due, check_due_);
    if (due < timer_due_) {
        timer_due_ = due;
        wakes.timer = true;
    }
}

void Gate::wake(const Wakes& wakes) {
    crew_.wake(wakes.crew);
    if (wakes.timer) timer_wakes_.notify_one();
}

// When somebody has to ask the scheduler again, if no worker that sleeps will; kNever otherwise.
TimeNs Gate::watch_due() const {
    const TimeNs due = device_group_->wakes_at();
    return due < crew_.watched_until() ? due : kNever;
}

}  // namespace bandfs
