#include "gate/gate.h"

#include <algorithm>
#include <cassert>
#include <system_error>

#include "gate/mount_account.h"
#include "gate/steady_time.h"

namespace bandfs {

namespace {

constexpr TimeNs kLongestHold = 30 * kSecond;
Group& group_for(MountGroups& groups, std::span<const GroupId> lineage) {
    for (const GroupId id : lineage) {
        if (Group* const group = groups.find(id)) return *group;
    }
    return groups.default_group();
}

}  // namespace

Gate::Gate(std::unique_ptr<DeviceGroup> device_group)
    : device_group_(std::move(device_group)),
      crew_(mutex_, [this](Crew::Worker& self) { work(self); }),
      longest_hold_(kLongestHold),
      timer_([this] { keep_time(); }) {
    // One worker is there from the beginning, so that whatever the system refuses later, jobs are done.
    Crew::Wakes first;
    std::unique_lock lock(mutex_);
    crew_.call_for(1, 0, first);
    lock.unlock();
    crew_.wake(first);
    lock.lock();
    const bool alone = crew_.size() == 0;
    lock.unlock();
    if (!alone) return;
    end_threads();
    throw std::system_error(std::make_error_code(std::errc::resource_unavailable_try_again));
}

Gate::~Gate() {
    assert(std::ranges::all_of(accounts_, [](const auto& account) { return account->jobs == 0; }));
    end_threads();
}

void Gate::end_threads() {
    {
        const Locked locked(*this);
        stopping_ = true;
    }
    timer_.join();
    crew_.join();
}

Payer Gate::payer(MountGroups& groups, std::span<const GroupId> lineage) {
    const std::lock_guard lock(mutex_);
    const Group& group = group_for(groups, lineage);
    return {group.is_default() ? std::nullopt : std::optional(group.id()), device_group_->in_debt(group)};
}

void Gate::count(MountGroups& groups, std::span<const GroupId> lineage, const SideStatistics& more) {
    const std::lock_guard lock(mutex_);
    device_group_->count(group_for(groups, lineage), more);
}

void Gate::enter(MountGroups& groups) {
    auto account = std::make_unique<MountAccount>(MountAccount{&groups});
    const std::lock_guard lock(mutex_);
    accounts_.push_back(std::move(account));
}

void Gate::leave(MountGroups& groups) {
    const std::lock_guard lock(mutex_);
    assert(account_of(groups).jobs == 0);
    std::erase_if(accounts_, [&](const auto& account) { return account->mount == &groups; });
}

// A device group has few mounts.
MountAccount& Gate::account_of(const MountGroups& groups) {
    const auto found = std::ranges::find_if(accounts_, [&](const auto& account) { return account->mount == &groups; });
    assert(found != accounts_.end());
    return **found;
}

Job& Gate::adopt(std::unique_ptr<Job> job, const MountGroups& groups) {
    Job& taken = *job.release();
    assert(taken.state_ == JobState::idle);
    taken.arrived_ = now_ns();
    taken.account_ = &account_of(groups);
    ++taken.account_->jobs;
    return taken;
}

bool Gate::submit(std::unique_ptr<Job> job, MountGroups& groups, std::span<const GroupId> lineage, bool may_inline) {
    const bool starts = job->starts();
    if ((!may_inline && !starts) || job->errand()) job->keep();
    Turn mine;
    Job* entering = nullptr;
    bool left = false;
    {
        const Locked locked(*this);
        Job& taken = adopt(std::move(job), groups);
        if (taken.errand()) {
            make_ready(taken);
            return false;
        }
        admit(taken, group_for(groups, lineage));
        left = !may_inline && !starts && taken.released_ == taken.unit_count_;
        // A turn that comes at once keeps nobody from the disk.
        const bool alone = (may_inline || starts) && ((held_.empty() && ready_.empty()) || taken.bytes() == 0);
        if (alone && taken.released_ == taken.unit_count_) {
            mine = take_piece(taken, false, false);
        } else if (taken.kept_) {
            begin_waiting(taken);
        } else {
            taken.entering_ = true;
            entering = &taken;
        }
    }
    if (entering != nullptr) keep(*entering);
    if (mine.job == nullptr) return left;
    if (!starts || !mine.job->start()) end_and_settle(take_turn(mine, false));
    return false;
}

// The units are admitted already, for the scheduler alone knows whether the job waits. What it releases meanwhile is
// seen afterwards.
void Gate::keep(Job& job) {
    try {
        job.keep();
    } catch (...) {
        MountAccount* const account = job.account_;
        {
            const Locked locked(*this);
            drop_rest(job);
            job.state_ = JobState::finished;
        }
        delete &job;
        const std::lock_guard lock(mutex_);
        settle(account);
        throw;
    }
    const Locked locked(*this);
    job.entering_ = false;
    begin_waiting(job);
}

void Gate::park(std::unique_ptr<Job> job, MountGroups& groups) {
    const Locked locked(*this);
    Job& taken = adopt(std::move(job), groups);
    assert(taken.errand());
    taken.parked_ = true;
    taken.state_ = JobState::waiting;
    hold(taken);
    if (taken.account_->draining) unpark_locked(taken);
}

void Gate::admit(Job& job, Group& group) {
    for (JobUnit& unit : job.units()) {
        unit.group = &group;
        device_group_->admit(unit, job.arrived_);
    }
    job.state_ = JobState::waiting;
    note_released(job);
}

void Gate::begin_waiting(Job& job) {
    if (job.passed_) pass(job);
    if (job.released_ != job.unit_count_) {
        put_in_order(job);
        hold(job);
    }
    offer(job);
}

// What was handed in a moment too soon has its turns after this. Those it can have overtaken are among the last.
void Gate::put_in_order(Job& job) {
    constexpr int kLookedAt = 8;
    for (Job* other = &job; other != nullptr;) {
        other = nullptr;
        int looked_at = 0;
        for (auto it = held_.rbegin(); it != held_.rend() && looked_at != kLookedAt; ++it, ++looked_at) {
            if (job.should_overtake(*it) && (other == nullptr || other->first_turn() < it->first_turn())) other = &*it;
        }
        if (other != nullptr) job.swap_turns(*other);
    }
}

void Gate::hold(Job& job) {
    if (held_.empty()) check_due_ = job.arrived_ + std::min(kCheckEveryNs, longest_hold_);
    held_.push_back(job);
}

void Gate::release(TimeNs now) {
    while (Unit* const unit = device_group_->release_next(now)) {
        Job& job = *static_cast<JobUnit*>(unit)->job;
        note_released(job);
        offer(job);
    }
}

// Counts the units at the front that have been issued, and takes the job off the waiting ones after the last.
void Gate::note_released(Job& job) {
    const std::span<JobUnit> units = job.units();
    while (job.released_ != job.unit_count_ && units[job.released_].state == UnitState::issued) ++job.released_;
    if (job.released_ == job.unit_count_ && job.held()) held_.erase(held_.iterator_to(job));
}

// Makes it ready when there is a piece to begin. One more than is at work is enough for the disk to go on at once; what
// is released until that one has begun is done in one with it.
void Gate::offer(Job& job) {
    const unsigned at_once = job.overlaps() ? 2 : 1;
    if (job.entering_) return;
    if (job.state_ == JobState::waiting && job.taken_ != job.released_ && job.pieces_ < at_once) make_ready(job);
}

void Gate::make_ready(Job& job) {
    job.state_ = JobState::ready;
    (job.urgent() ? urgent_ : ready_).push_back(job);
}

void Gate::unpark(Job& job) {
    const Locked locked(*this);
    unpark_locked(job);
}

void Gate::unpark_locked(Job& job) {
    if (!job.parked_) return;
    job.parked_ = false;
    held_.erase(held_.iterator_to(job));
    make_ready(job);
}

void Gate::expedite(Job& job) {
    const Locked locked(*this);
    pass(job);
}

// Lets the rest of a job go next.
void Gate::pass(Job& job) {
    unpark_locked(job);
    if (job.state_ == JobState::ready && !job.urgent()) {
        ready_.erase(ready_.iterator_to(job));
        urgent_.push_back(job);
    }
    job.passed_ = true;
    const TimeNs now = now_ns();
    for (JobUnit& unit : job.units()) {
        if (unit.state == UnitState::held) device_group_->expedite(unit, now);
    }
}

bool Gate::cancel(Job& job) {
    const Locked locked(*this);
    if (job.taken_back_) return true;
    if (!job.held()) return false;
    take_back(job);
    return true;
}

// Requires that the job waits: parked, or with held units.
void Gate::take_back(Job& job) {
    const bool begun = job.taken_ != 0;
    if (begun && !job.stop_short(job.begin_of(job.taken_))) {
        pass(job);
        return;
    }
    ++cancelled_;
    drop_rest(job);
    job.parked_ = false;
    if (job.pieces_ != 0) return;  // whoever performs the last one ends it
    job.taken_back_ = true;
    make_ready(job);
}

// Completes units that were issued and takes back those that are held.
void Gate::end_units(Job& job, std::uint32_t from, std::uint32_t to, UnitEnd end) {
    const TimeNs now = now_ns();
    for (JobUnit& unit : job.units().subspan(from, to - from)) {
        if (unit.state == UnitState::issued) device_group_->complete(unit, now, end);
        if (unit.state == UnitState::held) device_group_->cancel(unit, now);
    }
}

// What has not begun will not be performed.
void Gate::drop_rest(Job& job) {
    end_units(job, job.taken_, job.unit_count_, UnitEnd::undone);
    if (job.held()) held_.erase(held_.iterator_to(job));
    if (job.state_ == JobState::ready) (job.urgent() ? urgent_ : ready_).erase(ready_.iterator_to(job));
    job.state_ = JobState::waiting;
    job.taken_ = job.released_ = job.unit_count_;
}

void Gate::settle(MountAccount* account) {
    if (--account->jobs == 0 && drains_ != 0) drained_.notify_all();
}

void Gate::set_dying(std::function<bool(pid_t)> dying) {
    auto shared = std::make_shared<const std::function<bool(pid_t)>>(std::move(dying));
    const std::lock_guard lock(mutex_);
    dying_.swap(shared);
}

void Gate::set_longest_hold(TimeNs longest) {
    const Locked locked(*this);
    longest_hold_ = longest;
    if (!held_.empty()) check_due_ = now_ns();
}

bool Gate::drain(MountGroups& groups, TimeNs deadline) {
    {
        const Locked locked(*this);
        account_of(groups).draining = true;
        groups.go_down();
        for (auto it = held_.begin(); it != held_.end();) {
            Job& job = *it++;
            if (job.account_->mount == &groups) unpark_locked(job);
        }
    }
    std::unique_lock lock(mutex_);
    ++drains_;
    const auto done = [&] { return account_of(groups).jobs == 0; };
    const bool drained =
        deadline == kNever ? (drained_.wait(lock, done), true) : drained_.wait_until(lock, steady_time(deadline), done);
    --drains_;
    return drained;
}

GateReport Gate::report() {
    const std::lock_guard lock(mutex_);
    GateReport report;
    report.passed_over_age = passed_over_age_;
    report.cancelled = cancelled_;
    report.waiting = held_.size();
    report.longest_hold_ns = longest_hold_;
    if (!held_.empty()) report.oldest_wait_ns = now_ns() - held_.front().arrived_;
    report.workers = crew_.size();
    report.busy_workers = on_ready_ + on_urgent_;
    return report;
}

}  // namespace bandfs
