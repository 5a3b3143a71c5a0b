// gate/gate_timer.cc - what happens because time passes: the scheduler is asked again, those who waited too long pass,
// and the jobs of dying callers are taken back.
#include <algorithm>
#include <vector>

#include "gate/gate.h"
#include "gate/steady_time.h"
#include "sys/thread_setup.h"

namespace bandfs {

namespace {

// A job that waits less than this is not asked about: most are gone by then.
constexpr TimeNs kWorthAskingNs = 50 * kMillisecond;

}  // namespace

void Gate::keep_time() {
    set_up_thread("bandfs-timer");
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        timer_due_ = watch_due();
        if (!held_.empty()) timer_due_ = std::min(timer_due_, check_due_);
        if (timer_due_ == kNever) {
            timer_wakes_.wait(lock);
        } else {
            timer_wakes_.wait_until(lock, steady_time(timer_due_));
        }
        lock.unlock();
        bool checks = false;
        {
            const Locked at_due(*this);
            const TimeNs now = now_ns();
            checks = !held_.empty() && check_due_ <= now;
            if (checks) {
                pass_overdue(now);
                check_due_ = now + std::min(kCheckEveryNs, longest_hold_);
            }
        }
        if (checks) cancel_dying();
        lock.lock();
    }
}

void Gate::pass_overdue(TimeNs now) {
    for (auto it = held_.begin(); it != held_.end() && it->arrived_ <= now - longest_hold_;) {
        Job& job = *it++;
        if (job.passed_) continue;
        ++passed_over_age_;
        pass(job);
    }
}

void Gate::cancel_dying() {
    std::unique_lock lock(mutex_);
    const auto dying = dying_;
    const std::size_t waiting = held_.size();
    lock.unlock();
    if (!dying) return;
    std::vector<pid_t> callers;
    callers.reserve(waiting);
    lock.lock();
    const TimeNs newest = now_ns() - kWorthAskingNs;
    for (auto it = held_.begin(); it != held_.end() && it->arrived_ <= newest && callers.size() < waiting; ++it) {
        if (it->caller_tid() != 0) callers.push_back(it->caller_tid());
    }
    lock.unlock();
    std::ranges::sort(callers);
    callers.erase(std::unique(callers.begin(), callers.end()), callers.end());
    std::erase_if(callers, [&](pid_t tid) { return !(*dying)(tid); });
    if (callers.empty()) return;
    const Locked locked(*this);
    for (auto it = held_.begin(); it != held_.end();) {
        Job& job = *it++;
        if (std::ranges::binary_search(callers, job.caller_tid())) take_back(job);
    }
}

}  // namespace bandfs
