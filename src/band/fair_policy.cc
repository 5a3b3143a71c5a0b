// band/fair_policy.cc - policy `fair`: the way of a unit.
#include "band/fair_policy.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "band/fair_scheduler.h"

namespace bandfs {
namespace {

constexpr TimeNs kSharedFor = 1'000'000'000;  ///< a disk that two groups used within that time is shared

}  // namespace

void FairPolicy::arrived(Group& group, const Unit& unit, TimeNs now) noexcept {
    now_ = now;
    depth_.passed(now, context_.load.issued, context_.load.blocked > 0);
    if (group.has_queued()) return;
    FairState& state = of(group);
    if (group.issued() == 0 && !unit.is_turn) state.think.came(now);
    if (group.going_down() || is_capped(state, now)) return;
    set_busy(state, true);
    order_.set_ready(state, cost_of(state, unit));
    give_up(now);
    chosen_ = &unit;
    reason_ = state.rarities && limits_.first_due(now) == state.rarities.get() ? Reason::floor : Reason::turn;
}

bool FairPolicy::may_submit(const Group& group, const Unit&, TimeNs now) const noexcept {
    const FairState& state = state_of<FairState>(group);
    if (group.going_down()) return true;
    return !is_full() && !is_capped(state, now) && choose(now).next == &state;
}

void FairPolicy::held(Group& group, Unit& unit, TimeNs now) noexcept {
    chosen_ = nullptr;
    if (group.front() == &unit) place(of(group), now);
}

Unit* FairPolicy::pick(TimeNs now) noexcept {
    now_ = now;
    wakes_at_ = kNever;
    chosen_ = nullptr;
    if (!down_.empty()) return down_.front().group->front();
    give_up(now);
    Choice choice;
    if (limits_.any()) {
        limits_.set_capacity(depth_.bytes_per_second());
        // One of those that are free at once: those behind it may be at their ceiling again when it is served.
        while (FairState* const free = ceilings_.first_free(now)) {
            place(*free, now);
            if (is_ready(free->FairNode::place)) break;
        }
        for (FairLimit* look = limits_.first_look(now); look != nullptr && look->floor_due > now;
             look = limits_.first_look(now))
            place(*of(look), now);
    }
    if (!is_full()) choice = choose_uncapped(now);
    if (const TimeNs limit = std::min(limits_.wakes_at(), ceilings_.wakes_at()); limit > now) wakes_at_ = limit;
    if (choice.next != nullptr) {
        Unit* const unit = choice.next->group->front();
        chosen_ = unit;
        reason_ = choice.reason;
        return unit;
    }
    if (choice.awaited != nullptr && choice.awaited->group->issued() == 0) {
        wakes_at_ = std::min(wakes_at_, choice.awaited->think.deadline());
        if (context_.load.issued == 0 && waiting_since_ == kNever) waiting_since_ = now;
    }
    return nullptr;
}

/// What its kin was charged since a group was placed may have brought a group above to its ceiling.
FairPolicy::Choice FairPolicy::choose_uncapped(TimeNs now) noexcept {
    for (;;) {
        const Choice choice = choose(now);
        FairState* const first = choice.next != nullptr ? choice.next : choice.awaited;
        if (first == nullptr || !is_capped(*first, now)) return choice;
        place(*first, now);
    }
}

FairPolicy::Choice FairPolicy::choose(TimeNs now) const noexcept {
    const unsigned in_flight = context_.load.issued;
    const bool floors = limits_.any();
    if (FairLimit* const due = floors ? limits_.first_due(now) : nullptr)
        return {.next = of(due), .reason = Reason::floor};
    FairNode* const ready = order_.first_ready();
    const bool gives_way = runs_.trying() && ready != nullptr && ready->place == FairPlace::woken;
    if (Unit* const unit = last_served_ != nullptr && runs_.may_go_on() ? last_served_->front() : nullptr;
        unit != nullptr && runs_.go_on(*unit) && is_ready(of(*last_served_).FairNode::place) && !gives_way) {
        return {.next = &of(*last_served_), .reason = Reason::run};
    }
    const unsigned spare = runs_.one_arm() ? 1 : depth_.spare();  // however much it gains by sorting
    const auto in_the_way_of = [&](const FairState& other) {
        return in_flight + (other.group->issued() == 0 ? 1 : 0) >= spare;
    };
    if (FairLimit* const due = floors ? limits_.first_due_expected(now) : nullptr;
        due != nullptr && in_the_way_of(*of(due))) {
        return {.awaited = of(due)};
    }
    FairNode* const candidate = ready != nullptr ? ready : order_.first_ahead();
    FairNode* const expected = order_.first_expected();
    if (candidate == nullptr) return {};
    if (expected == nullptr || (ready != nullptr && !FairOrder::goes_before(*expected, *ready)))
        return {.next = of(candidate)};
    // Somebody should have gone before but has nothing here. A unit would be in the way of what it sends next, unless
    // the disk has room for both.
    if (!in_the_way_of(*of(expected))) return {.next = of(candidate)};
    return {.awaited = of(expected)};
}

/// Those who should come next but have let their time pass are not waited for any longer.
void FairPolicy::give_up(TimeNs now) noexcept {
    const auto is_late = [now](const FairState& state) {
        return !on_its_way(*state.group) && state.think.deadline() <= now;
    };
    while (FairNode* const node = order_.first_expected()) {
        if (!is_late(*of(node))) break;
        place(*of(node), now);
    }
    while (FairLimit* const limit = limits_.first_due_expected(now)) {
        if (!is_late(*of(limit))) break;
        place(*of(limit), now);
    }
}

void FairPolicy::charge(Group& group, Unit& unit, TimeNs now) noexcept {
    FairState& state = of(group);
    const unsigned in_flight = context_.load.issued;
    depth_.passed(now, in_flight - 1, context_.load.blocked > 0);
    if (waiting_since_ != kNever) waited_ += now - std::exchange(waiting_since_, kNever);
    const double cost = unit.is_turn ? 0 : cost_.of(unit);
    unit.charge = static_cast<std::uint64_t>(cost);
    if (std::exchange(chosen_, nullptr) != &unit || reason_ == Reason::run) {
        order_.serve_aside(state, cost);
    } else if (reason_ == Reason::floor) {
        order_.serve_by_right(state, cost);
    } else {
        const bool capped = state.rarities && std::exchange(state.rarities->was_capped, false);
        if (state.FairNode::place == FairPlace::woken && !capped && context_.load.blocked > 0)
            depth_.keep_shallow(now, state.think.idle());
        order_.serve(state, cost);
    }
    if (state.rarities) {
        limits_.charge(*state.rarities, unit.bytes, now);
        if (state.rarities->kin) ceilings_.charge_above(state, unit.bytes, now);
    }
    if (!unit.is_turn) {
        const double disk_time = cost_.disk_time(unit.direction, unit.bytes);
        depth_.issued(disk_time);
        state.think.served(disk_time * depth_.slowdown());
        runs_.issued(unit);
    }
    alone_ = in_flight == 1 ? &unit : nullptr;
    note_sharing(group, now);
    place(state, now);
}

void FairPolicy::note_sharing(Group& group, TimeNs now) noexcept {
    if (last_served_ != nullptr && last_served_ != &group && now - last_served_at_ < kSharedFor)
        shared_until_ = now + kSharedFor;
    last_served_ = &group;
    last_served_at_ = now;
}

void FairPolicy::withdrawn(Group& group, Unit&, TimeNs now) noexcept {
    place(of(group), now);
}

void FairPolicy::discharge(Group& group, const Unit& unit, TimeNs now) noexcept {
    now_ = now;
    depth_.passed(now, context_.load.issued + 1, context_.load.blocked > 0);
    if (!unit.is_turn) {
        const double disk_time = cost_.disk_time(unit.direction, unit.bytes);
        if (batch_.ended(now)) {
            runs_.learn(batch_);
            cost_.learn(batch_);
            batch_.begin(unit, now);
        }
        batch_.add(unit, disk_time);
        runs_.completed(unit);
        const bool alone = alone_ == &unit;
        cost_.learn(unit.direction, unit.bytes, now - unit.issued_at, alone);
        depth_.completed(disk_time, unit.bytes, alone, now);
    }
    if (group.issued() > 0 || group.has_queued()) return;
    FairState& state = of(group);
    state.think.went(now);
    place(state, now);
}

void FairPolicy::figures(const std::function<void(std::string_view, double)>& visit) const {
    visit("depth", limit());
    visit("parallelism", depth_.parallelism());
    if (depth_.bytes_per_second() > 0) visit("bytes_per_second", depth_.bytes_per_second());
    if (limits_.floors() > 0) {
        visit("floors", limits_.floors());
        visit("floor_scale", limits_.scale());
    }
    visit("runs", runs_.pay());
    visit("waited_s", static_cast<double>(waited_) / 1e9);
    for (const Direction direction : {Direction::read, Direction::write}) {
        const LinearTime& model = cost_.charged(direction);
        if (!model.known()) continue;
        const bool read = direction == Direction::read;
        visit(read ? "read_us_per_request" : "write_us_per_request", model.fixed_ns() / 1e3);
        visit(read ? "read_us_per_mib" : "write_us_per_mib", model.ns_per_byte() * 1048.576);
    }
}

std::unique_ptr<Policy> make_fair_policy(const PolicyContext& context) {
    return std::make_unique<FairPolicy>(context);
}

}  // namespace bandfs
