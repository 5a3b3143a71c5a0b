// band/fair_groups.cc - policy `fair`: groups come, go and change, and where each stands.
#include <algorithm>
#include <memory>

#include "band/fair_scheduler.h"

namespace bandfs {

void FairPolicy::group_added(Group& group, TimeNs now) {
    FairState& state = place_state<FairState>(group, group);
    state.weight = group.weight();
    order_.add(state);
    if (group.parent() != nullptr) kin_of(state);
    if (group.floor() != 0 || group.ceiling() != 0) take_limits(state, now);
    place(state, now);
}

void FairPolicy::group_removed(Group& group, TimeNs) {
    FairState& state = of(group);
    order_.remove(state);
    if (state.rarities) {
        limits_.move(*state.rarities, FairLimitPlace::none);
        ceilings_.remove(state);
        guarantee(state, 0);
    }
    if (state.down_hook.is_linked()) down_.erase(down_.iterator_to(state));
    if (last_served_ == &group) last_served_ = nullptr;
    drop_state<FairState>(group);
}

void FairPolicy::reweighted(Group& group, std::uint32_t, TimeNs now) {
    FairState& state = of(group);
    if (state.rarities && state.rarities->kin) {
        state.rarities->kin->set_weight(group.weight());
        follow_kin(state);
        kin_changed(now);
    } else {
        order_.set_weight(state, group.weight());
    }
}

/// Its node in the tree of groups; made, with those above it, when it is first asked for.
std::shared_ptr<FairKin> FairPolicy::kin_of(FairState& state) {
    if (!state.rarities) state.rarities = std::make_unique<FairRarities>(state);
    std::shared_ptr<FairKin>& kin = state.rarities->kin;
    if (!kin) {
        Group* const parent = state.group->parent();
        kin = std::make_shared<FairKin>(state.group->weight(), parent != nullptr ? kin_of(of(*parent)) : nullptr);
        (void)kin->set_floor(state.rarities->floor);  // which is counted already
        kin->set_ceiling(state.rarities->ceiling);
        set_busy(state, state.FairNode::place != FairPlace::idle);
    }
    return kin;
}

/// Who has something to do changes what its kin's weights are worth. The others follow when they are next served.
void FairPolicy::set_busy(FairState& state, bool busy) noexcept {
    if (!state.rarities || !state.rarities->kin) return;
    state.rarities->kin->set_busy(busy);
    if (busy) follow_kin(state);
}

void FairPolicy::follow_kin(FairState& state) noexcept {
    const double weight = state.rarities->kin->effective();
    if (weight != state.weight) order_.set_weight(state, weight);
}

void FairPolicy::going_down_changed(Group& group, TimeNs now) {
    place(of(group), now);
}

Error FairPolicy::may_limit(const Group& group, std::uint64_t floor, std::uint64_t ceiling) const {
    if (ceiling != 0 && floor > ceiling) return Error::invalid;
    if (floor <= group.floor() || depth_.bytes_per_second() <= 0) return Error::none;
    const FairState& state = state_of<FairState>(group);
    const double before = static_cast<double>(group.floor()), after = static_cast<double>(floor);
    double change = after - before;
    if (state.rarities && state.rarities->kin) {
        change = state.rarities->kin->set_floor(after);
        (void)state.rarities->kin->set_floor(before);
    }
    return limits_.floors() + change > depth_.bytes_per_second() ? Error::invalid : Error::none;
}

/// Its floor, among its kin's when it has some.
void FairPolicy::guarantee(FairState& state, double floor) noexcept {
    FairRarities& limits = *state.rarities;
    limits_.add_to_floors(limits.kin ? limits.kin->set_floor(floor) : floor - limits.floor);
}

void FairPolicy::limits_changed(Group& group, TimeNs now) {
    FairState& state = of(group);
    take_limits(state, now);
    place(state, now);
    if (state.rarities->kin) kin_changed(now);
}

void FairPolicy::take_limits(FairState& state, TimeNs now) {
    if (!state.rarities) state.rarities = std::make_unique<FairRarities>(state);
    FairRarities& limits = *state.rarities;
    const auto floor = static_cast<double>(state.group->floor());
    guarantee(state, floor);
    limits_.set(limits, floor, static_cast<double>(state.group->ceiling()), now);
    if (limits.kin) limits.kin->set_ceiling(limits.ceiling);
}

/// Others have limits from it that wait, perhaps for long, by the old ones.
void FairPolicy::kin_changed(TimeNs now) {
    for (Group& group : context_.groups) {
        FairState& state = of(group);
        if (!state.rarities || !state.rarities->kin) continue;
        ceilings_.forget_parts(state);
        place(state, now);
    }
}

Error FairPolicy::set_parameter(std::string_view name, std::string_view value) {
    const auto kind = FairCost::kind_of(value);
    if (name != "cost" || !kind) return Error::invalid;
    if (*kind == cost_.kind()) return Error::none;
    cost_.set_kind(*kind);
    // Bytes and nanoseconds do not add up: nobody is ahead or behind any more.
    for (Group& group : context_.groups) order_.forget(of(group));
    for (Group& group : context_.groups) place(of(group), now_);
    return Error::none;
}

std::string_view FairPolicy::parameter(std::string_view name) const {
    return name == "cost" ? FairCost::name_of(cost_.kind()) : std::string_view();
}

/// Puts the group where it belongs by what it has: units, units in flight, a good name.
void FairPolicy::place(FairState& state, TimeNs now) noexcept {
    const bool plain = !state.group->going_down() && !state.down_hook.is_linked() && state.rarities == nullptr;
    if (plain) {
        stand(state, now);
    } else {
        place_special(state, now);
    }
}

/// In the order. Returns where it would stand if it had a floor.
FairLimitPlace FairPolicy::stand(FairState& state, TimeNs now) noexcept {
    Group& group = *state.group;
    if (const Unit* const next = group.front()) {
        order_.set_ready(state, cost_of(state, *next));
        return FairLimitPlace::ready;
    }
    if (on_its_way(group) || state.think.deadline() > now) {
        order_.set_expected(state, state.cost);
        return FairLimitPlace::expected;
    }
    order_.set_idle(state);
    return FairLimitPlace::none;
}

/// A group that goes down or did, or has limits or kin.
void FairPolicy::place_special(FairState& state, TimeNs now) noexcept {
    Group& group = *state.group;
    const bool passes = group.going_down() && group.has_queued();
    if (passes != state.down_hook.is_linked()) {
        if (passes) {
            down_.push_back(state);
        } else {
            down_.erase(down_.iterator_to(state));
        }
    }
    FairLimitPlace limited = FairLimitPlace::none;
    if (group.going_down()) {
        order_.set_idle(state);
    } else if (is_capped(state, now)) {
        order_.set_idle(state);
        if (group.has_queued()) limited = FairLimitPlace::capped;
    } else {
        if (group.has_queued()) set_busy(state, true);
        limited = stand(state, now);
    }
    if (has_nothing_to_do(state.FairNode::place)) {
        // What one has no use for is its kin's; but one that waits for a ceiling they have in common has its part of
        // that.
        const bool by_itself = state.rarities && group.children() == 0 && state.rarities->ceiling > 0 &&
                               state.rarities->ceiling_free > now;
        set_busy(state, limited == FairLimitPlace::capped && !by_itself);
    }
    if (!state.rarities) return;
    FairRarities& limits = *state.rarities;
    if (limits.kin) limits_.set_floor(limits, limits.kin->own_floor(), now);
    limits_.move(limits, limited);
    if (limited == FairLimitPlace::capped) {
        limits.was_capped = true;
        ceilings_.wait(state, now);
    } else {
        ceilings_.stop(state);
    }
}

}  // namespace bandfs
