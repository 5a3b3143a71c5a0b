// gate/gate_workers.cc - the threads that do the I/O: they come for the next job when they are free, so that the order
// is decided as late as can be, and sleep in the order of their warmth.
#include <algorithm>
#include <cassert>
#include <system_error>

#include "gate/gate.h"
#include "gate/gate_worker.h"
#include "gate/mount_account.h"
#include "sys/thread_setup.h"

namespace bandfs {

namespace {

// A worker that watches the time sleeps at least this long, so that a policy that asks for a time that has passed
// cannot make it spin.
constexpr TimeNs kShortestSleepNs = 5'000;

}  // namespace

void Gate::work(Worker& self) {
    set_up_thread("bandfs-io");
    std::unique_lock lock(mutex_);
    --coming_;
    for (;;) {
        const Turn turn = next_turn();
        if (turn.job != nullptr) {
            lock.unlock();
            Job* const done = take_turn(turn, true);
            MountAccount* const account = done != nullptr ? end(done) : nullptr;
            lock.lock();
            if (account != nullptr) settle(account);
        } else if (stopping_) {
            return;
        } else {
            sleep(self, lock);
        }
    }
}

Gate::Turn Gate::next_turn() {
    const bool urgent = !urgent_.empty() && on_urgent_ < kMostOnUrgent;
    if (!urgent && (ready_.empty() || on_ready_ == kMostOnReady)) return {};
    JobReadyQueue& queue = urgent ? urgent_ : ready_;
    Job& job = queue.front();
    queue.pop_front();
    ++(urgent ? on_urgent_ : on_ready_);
    job.state_ = JobState::running;
    return {&job, job.performed_, job.released_, urgent};
}

// Performs what the turn says and completes its units; returns the job when that was its end.
Job* Gate::take_turn(Turn turn, bool looks_next) {
    Job& job = *turn.job;
    const bool went_on = job.taken_back_ || job.perform(job.begin_of(turn.from), job.begin_of(turn.to));
    const Locked locked(*this, looks_next);
    if (looks_next) --(turn.urgent ? on_urgent_ : on_ready_);
    end_units(job, turn.from, turn.to);
    job.performed_ = turn.to;
    if (!went_on || job.taken_back_) {
        end_units(job, turn.to, job.unit_count_);
        if (job.held()) held_.erase(held_.iterator_to(job));
        job.performed_ = job.released_ = job.unit_count_;
    }
    if (job.performed_ == job.unit_count_) {
        job.state_ = JobState::finished;
        return &job;
    }
    job.state_ = JobState::waiting;
    if (job.released_ != job.performed_) make_ready(job);
    return nullptr;
}

MountAccount* Gate::end(Job* job) {
    MountAccount* const account = job->account_;
    job->finish(job->taken_back_ ? JobOutcome::cancelled : JobOutcome::performed);
    delete job;
    return account;
}

void Gate::settle(MountAccount* account) {
    if (--account->jobs == 0 && drains_ != 0) drained_.notify_all();
}

// Chooses whom to wake: as many workers as there are jobs that may run, and the timer when a time comes up that nobody
// watches. They are counted as coming until they are here.
void Gate::choose_wakes(Wakes& wakes, bool looks_next) {
    const auto wake_one = [&] {
        Worker* const worker = idle_;
        idle_ = worker->next;
        if (worker == watcher_) unwatch();
        worker->woken = true;
        wakes.workers[wakes.count++] = worker;
        ++coming_;
    };
    if (stopping_) {
        while (idle_ != nullptr) wake_one();
        wakes.timer = true;
        return;
    }
    const std::size_t ready = std::min<std::size_t>(ready_.size(), kMostOnReady - on_ready_);
    const std::size_t urgent = std::min<std::size_t>(urgent_.size(), kMostOnUrgent - on_urgent_);
    const std::size_t runnable = ready + urgent;
    for (std::size_t coming = coming_ + (looks_next ? 1 : 0); coming < runnable; ++coming) {
        if (idle_ != nullptr) {
            wake_one();
        } else if (started_ < kMostWorkers) {
            ++started_;
            ++coming_;
            ++wakes.start;
        } else {
            break;
        }
    }
    // A worker that will find nothing to do watches the time itself.
    TimeNs due = looks_next && runnable == 0 ? kNever : watch_due();
    if (!held_.empty()) due = std::min(due, check_due_);
    if (due < timer_due_) {
        timer_due_ = due;
        wakes.timer = true;
    }
}

void Gate::wake(const Wakes& wakes) {
    for (unsigned i = 0; i != wakes.count; ++i) wakes.workers[i]->wakes.notify_one();
    if (wakes.timer) timer_wakes_.notify_one();
    for (unsigned i = 0; i != wakes.start; ++i) start_worker();
}

// Sleeps until woken, or until wakes_at() when nobody else watches that.
void Gate::sleep(Worker& self, std::unique_lock<std::mutex>& lock) {
    self.woken = false;
    self.next = idle_;
    idle_ = &self;
    const auto woken = [&] { return self.woken; };
    const TimeNs due = watch_due();
    if (due == kNever) {
        self.wakes.wait(lock, woken);
    } else {
        watcher_ = &self;
        watcher_due_ = std::max(due, now_ns() + kShortestSleepNs);
        self.wakes.wait_until(lock, steady_time(watcher_due_), woken);
        if (watcher_ == &self) unwatch();
    }
    if (self.woken) {
        --coming_;
        return;
    }
    Worker** link = &idle_;
    while (*link != &self) link = &(*link)->next;
    *link = self.next;
    lock.unlock();
    { const Locked at_due(*this, true); }
    lock.lock();
}

// When somebody has to ask the scheduler again, if no idle worker will; kNever otherwise.
TimeNs Gate::watch_due() const {
    const TimeNs due = device_group_->wakes_at();
    return due < watcher_due_ ? due : kNever;
}

void Gate::unwatch() {
    watcher_ = nullptr;
    watcher_due_ = kNever;
}

// Starts a worker that was counted as started and coming. When the system has no thread for it, the others have to do.
void Gate::start_worker() {
    auto made = std::make_unique<Worker>();
    Worker& worker = *made;
    {
        const std::lock_guard lock(mutex_);
        workers_.push_back(std::move(made));
    }
    try {
        worker.thread = std::thread([this, &worker] { work(worker); });
    } catch (const std::system_error&) {
        const std::lock_guard lock(mutex_);
        --started_;
        --coming_;
    }
}

}  // namespace bandfs
