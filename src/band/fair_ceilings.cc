#include "band/fair_ceilings.h"

#include <algorithm>
#include <utility>

#include "band/fair_state.h"

namespace bandfs {
namespace {

FairRarities& limits_of(Group& group) noexcept {
    return *static_cast<FairState*>(group.policy_state())->rarities;
}

/// The nearest ceiling from this group on upwards; nullptr: there is none.
FairRarities* ceiling_from(Group* group) noexcept {
    for (; group != nullptr; group = group->parent())
        if (FairRarities& limits = limits_of(*group); limits.ceiling > 0) return &limits;
    return nullptr;
}

FairRarities* ceiling_above(const FairRarities& at) noexcept {
    return ceiling_from(at.state->group->parent());
}

/// The nearest ceiling that a group shares: with its children, if it is its own.
FairRarities* shared_by(const FairState& state) noexcept {
    return ceiling_from(state.group->children() != 0 ? state.group : state.group->parent());
}

/// When the first of those who wait there may go on, as far as that ceiling is concerned.
TimeNs opens_at(const FairRarities& at) noexcept {
    return FairLimits::free_at(at.queue.begin()->had, at);
}

/// Calls visit(waiter, above, part) for each ceiling that the group shares, from the nearest on: who is tagged there,
/// and a function for what is its own of it.
template <typename Visit>
void for_each_shared(const FairState& state, Visit&& visit) {
    FairRarities& own = *state.rarities;
    FairRarities* below = nullptr;  // the ceiling before
    for (FairRarities* above = shared_by(state); above != nullptr; above = ceiling_above(*above)) {
        visit(below != nullptr ? below->together : own.alone, *above,
              [&own, below] { return below != nullptr ? below->kin->ceiling_above() : own.kin->own_ceiling(); });
        below = above;
    }
}

}  // namespace

TimeNs FairCeilings::free_at(const FairState& state) noexcept {
    TimeNs free = state.rarities->ceiling > 0 ? state.rarities->ceiling_free : 0;
    for_each_shared(state, [&](const FairWaiter& waiter, const FairLimit& above, auto&&) {
        free = std::max(free, FairLimits::free_at(waiter.had, above));
    });
    return free;
}

void FairCeilings::wait(FairState& state, TimeNs now) noexcept {
    FairRarities& limits = *state.rarities;
    stop(limits.alone);
    FairRarities* const shared = shared_by(state);
    const TimeNs own_free = limits.ceiling > 0 && shared != &limits ? limits.ceiling_free : 0;
    if (own_free > now || shared == nullptr) {
        wait_until(limits.alone, own_free);
    } else {
        enqueue(limits.alone, *shared, now);
    }
}

void FairCeilings::stop(FairState& state) noexcept {
    stop(state.rarities->alone);
}

void FairCeilings::remove(FairState& state) noexcept {
    FairRarities& limits = *state.rarities;
    stop(limits.alone);
    while (!limits.queue.empty()) stop(*limits.queue.begin());
}

FairState* FairCeilings::first_free(TimeNs now) noexcept {
    while (!timed_.empty() && timed_.begin()->until <= now) {
        FairWaiter& waiter = *timed_.begin();
        if (waiter.is_group) return waiter.of.state;
        if (ceiling_above(waiter.of) != nullptr) {
            advance(waiter.of, now);
        } else if (FairState* const group = first_of(waiter.of, now)) {
            return group;
        }
    }
    return nullptr;
}

/// The group that comes first in a queue. Where it is not free yet the queue waits for the time when it is: nullptr.
FairState* FairCeilings::first_of(FairRarities& at, TimeNs now) noexcept {
    if (const TimeNs opens = opens_at(at); opens > now) {
        wait_until(at.together, opens);
        return nullptr;
    }
    FairWaiter& first = *at.queue.begin();
    return first.is_group ? first.of.state : first_of(first.of, now);
}

void FairCeilings::stop(FairWaiter& waiter) noexcept {
    if (!waiter.waits) return;
    waiter.waits = false;
    FairRarities* const at = std::exchange(waiter.queue, nullptr);
    if (at == nullptr) {
        timed_.erase(timed_.iterator_to(waiter));
        return;
    }
    at->queue.erase(at->queue.iterator_to(waiter));
    if (at->queue.empty()) stop(at->together);
}

void FairCeilings::wait_until(FairWaiter& waiter, TimeNs until) noexcept {
    stop(waiter);
    waiter.until = until;
    waiter.waits = true;
    timed_.insert(waiter);
}

void FairCeilings::enqueue(FairWaiter& waiter, FairRarities& at, TimeNs now) noexcept {
    waiter.queue = &at;
    waiter.waits = true;
    at.queue.insert(waiter);
    advance(at, now);
}

/// Has a queue wait for what it has to wait for: its ceiling, or else the one above. Where all are free it stands at
/// the topmost for a time that has come.
void FairCeilings::advance(FairRarities& at, TimeNs now) noexcept {
    FairRarities* const above = ceiling_above(at);
    if (const TimeNs opens = opens_at(at); opens > now || above == nullptr) {
        wait_until(at.together, opens);
    } else if (at.together.queue != above) {
        stop(at.together);
        enqueue(at.together, *above, now);
    } else {
        advance(*above, now);
    }
}

template <typename Change>
void FairCeilings::retag(FairWaiter& waiter, Change&& change) noexcept {
    FairRarities* const at = waiter.queue;
    if (at != nullptr) at->queue.erase(at->queue.iterator_to(waiter));
    change(waiter.had);
    if (at != nullptr) at->queue.insert(waiter);
}

void FairCeilings::charge_above(FairState& state, std::uint32_t bytes, TimeNs now) noexcept {
    for_each_shared(state, [&](FairWaiter& waiter, FairRarities& above, auto&& part) {
        retag(waiter, [&](TimeNs& had) { FairLimits::charge_part(had, above, bytes, part()); });
        if (&above != state.rarities.get()) FairLimits::charge_ceiling(above, bytes, now);
    });
}

void FairCeilings::forget_parts(FairState& state) noexcept {
    for_each_shared(state, [](FairWaiter& waiter, const FairLimit& above, auto&&) {
        retag(waiter, [&above](TimeNs& had) { had = std::min(had, above.turn); });
    });
}

}  // namespace bandfs
