// band/device_group.cc - the conductor: queues, counts, the plug, and when the policy is asked.
//
// What is dm-band's here: `map` is admit(), `issue` issue(), `end` complete(), and `conductor` release_next(), which
// gives out one unit per call where dm-band makes a list. Between the first call and the nullptr that ends it lies a
// pass.
#include "bandfs/device_group.h"

#include <cassert>
#include <utility>

#include "band/group_pool.h"
#include "band/policy.h"
#include "band/policy_table.h"

namespace bandfs {

std::unique_ptr<DeviceGroup> DeviceGroup::create(const DeviceGroupSettings& settings, std::string_view policy) {
    const PolicyEntry* const entry = find_policy(policy);
    if (entry == nullptr || settings.io_throttle == 0 ||
        std::max(settings.io_throttle, settings.io_limit) > kMaxInFlight || settings.token_base == 0 ||
        settings.token_base > kMaxTokenBase || settings.held_bytes_limit == 0 ||
        settings.held_bytes_limit > kMaxHeldBytes) {
        return nullptr;
    }
    return std::unique_ptr<DeviceGroup>(new DeviceGroup(settings, *entry));
}

DeviceGroup::DeviceGroup(const DeviceGroupSettings& settings, const PolicyEntry& policy)
    : pool_(std::make_unique<GroupPool>()),
      token_base_(settings.token_base),
      held_bytes_limit_(settings.held_bytes_limit) {
    load_.io_throttle = settings.io_throttle;
    load_.io_limit = std::max(settings.io_limit, settings.io_throttle);
    policy_ = policy.make(PolicyContext{load_, token_base_, groups_});
    policy_name_ = policy.name;
    traits_ = policy_->traits();
}

DeviceGroup::~DeviceGroup() {
    assert(groups_.empty());
}

// The way of a unit.

Admission DeviceGroup::admit(Unit& unit, TimeNs now) noexcept {
    assert(unit.state == UnitState::idle && unit.group != nullptr && !unit.group->detached());
    Group& group = *unit.group;
    now = seen(now);
    unit.arrived = now;
    unit.sequence = ++arrivals_;
    for (Statistics* statistics : {&group.statistics_, &statistics_}) {
        DirectionStatistics& counts = statistics->of(unit.direction);
        counts.requests += unit.is_turn ? 0 : 1;
        counts.sectors += sectors_of(unit.bytes);
    }
    policy_->arrived(group, unit, now);
    if (!group.has_queued() && has_room(group)) {
        bool may = policy_->may_submit(group, unit, now);
        if (!may && load_.issued < load_.io_throttle) {
            may = policy_->restart(&group, now) && policy_->may_submit(group, unit, now);
        }
        if (may) {
            issue(unit, now);
            return Admission::immediate;
        }
    }
    hold(unit, now);
    return Admission::held;
}

void DeviceGroup::issue(Unit& unit, TimeNs now) noexcept {
    Group& group = *unit.group;
    unit.state = UnitState::issued;
    unit.issued_at = now;
    unit.sequence = ++issues_;
    ++load_.issued;
    ++group.issued_;
    if (load_.issued >= load_.io_limit) load_.plugged = true;
    policy_->charge(group, unit, now);
}

void DeviceGroup::hold(Unit& unit, TimeNs now) noexcept {
    Group& group = *unit.group;
    unit.state = UnitState::held;
    ++load_.blocked;
    ++group.held_;
    if (!unit.is_turn) {
        ++group.statistics_.of(unit.direction).deferred;
        ++statistics_.of(unit.direction).deferred;
    }
    if (group.queued_ == 0 || (group.waiting_.empty() && group.held_bytes_ + unit.bytes <= held_bytes_limit_)) {
        join_queue(unit);
    } else {
        unit.held_in = HeldIn::waiting;
        group.waiting_.push_back(unit);
    }
    policy_->held(group, unit, now);
}

void DeviceGroup::join_queue(Unit& unit) noexcept {
    Group& group = *unit.group;
    unit.held_in = HeldIn::queue;
    group.queue(unit.direction).push_back(unit);
    ++group.queued_;
    group.held_bytes_ += unit.bytes;
}

void DeviceGroup::queue_waiting(Group& group) noexcept {
    while (!group.waiting_.empty()) {
        Unit& next = group.waiting_.front();
        if (group.queued_ != 0 && group.held_bytes_ + next.bytes > held_bytes_limit_) break;
        group.waiting_.pop_front();
        join_queue(next);
    }
}

void DeviceGroup::take_out(Unit& unit) noexcept {
    Group& group = *unit.group;
    switch (unit.held_in) {
        case HeldIn::expedited:
            expedited_.erase(expedited_.iterator_to(unit));
            break;
        case HeldIn::waiting:
            group.waiting_.erase(group.waiting_.iterator_to(unit));
            break;
        case HeldIn::queue:
            group.queue(unit.direction).erase(Group::UnitQueue::s_iterator_to(unit));
            --group.queued_;
            group.held_bytes_ -= unit.bytes;
            queue_waiting(group);
            break;
    }
}

Unit* DeviceGroup::release_next(TimeNs now) noexcept {
    now = seen(now);
    Unit* unit = nullptr;
    if (!expedited_.empty()) {
        unit = &expedited_.front();
    } else if (pass_ || (traits_.picks_at_any_time && load_.blocked != 0)) {
        // A policy that drains looks at the group it served last even when nothing is held any more, as dm-band does.
        while ((unit = policy_->pick(now)) == nullptr) {
            if (load_.blocked == 0 || load_.plugged || load_.issued >= load_.io_throttle) break;
            if (!policy_->restart(nullptr, now)) break;
        }
        if (unit == nullptr) end_pass();
    }
    if (unit == nullptr) return nullptr;
    Group& group = *unit->group;
    const bool picked = unit->held_in == HeldIn::queue;
    take_out(*unit);
    --load_.blocked;
    --group.held_;
    group.waits_.add(now - unit->arrived);
    issue(*unit, now);
    if (picked) policy_->released(group, *unit, now);
    return unit;
}

void DeviceGroup::end_pass() noexcept {
    pass_ = false;
    if (!std::exchange(retiring_, false)) return;
    for (auto it = groups_.begin(); it != groups_.end();) {
        Group& group = *it++;
        if (group.detached_ && group.issued_ == 0 && group.held_ == 0) remove_group(group);
    }
}

void DeviceGroup::complete(Unit& unit, TimeNs now, UnitEnd end) noexcept {
    assert(unit.state == UnitState::issued);
    if (end == UnitEnd::undone) {  // it was but a turn
        unit.is_turn = true;
        unit.bytes = 0;
    }
    Group& group = *unit.group;
    now = seen(now);
    if (load_.issued <= load_.io_throttle) load_.plugged = false;
    --load_.issued;
    --group.issued_;
    if (!traits_.drains_when_full) replug();
    group.statistics_.of(unit.direction).bytes_done += unit.bytes;
    if (!group.detached_) statistics_.of(unit.direction).bytes_done += unit.bytes;
    if (unit.sequence > switched_at_) policy_->discharge(group, unit, now);
    unit.state = UnitState::idle;
    if (load_.blocked != 0 && !load_.plugged) pass_ = true;
    if (group.detached_ && group.issued_ == 0 && group.held_ == 0) remove_group(group);
}

void DeviceGroup::cancel(Unit& unit, TimeNs now) noexcept {
    assert(unit.state == UnitState::held);
    Group& group = *unit.group;
    now = seen(now);
    const bool queued = unit.held_in != HeldIn::expedited;
    take_out(unit);
    --load_.blocked;
    --group.held_;
    unit.state = UnitState::idle;
    if (queued) policy_->withdrawn(group, unit, now);
    if (group.detached_ && group.issued_ == 0 && group.held_ == 0) remove_group(group);
}

void DeviceGroup::expedite(Unit& unit, TimeNs now) noexcept {
    assert(unit.state == UnitState::held);
    if (unit.held_in == HeldIn::expedited) return;
    take_out(unit);
    unit.held_in = HeldIn::expedited;
    expedited_.push_back(unit);
    policy_->withdrawn(*unit.group, unit, seen(now));
}

bool DeviceGroup::in_debt(const Group& group) const noexcept {
    return !group.going_down() && policy_->in_debt(group);
}

TimeNs DeviceGroup::wakes_at() const noexcept {
    if (!expedited_.empty() || pass_) return now_;
    return load_.blocked == 0 ? kNever : policy_->wakes_at();
}

void DeviceGroup::replug() noexcept {
    load_.plugged = load_.issued >= load_.io_limit;
}

}  // namespace bandfs
