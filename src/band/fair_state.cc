// band/fair_state.cc - ceilings that a group of the policy `fair` has in common with its kin.
#include "band/fair_state.h"

#include <algorithm>

namespace bandfs {
namespace {

FairRarities& limits_of(Group& group) noexcept {
    return *static_cast<FairState*>(group.policy_state())->rarities;
}

/// Calls visit(had, above, part) for each ceiling that the group shares, from the nearest on: the tag there of what
/// shares it, and a function for what is its own of it.
template <typename Visit>
void for_each_shared(const FairState& state, Visit&& visit) {
    FairRarities& own = *state.rarities;
    FairRarities* below = nullptr;  // the ceiling before
    for (Group* group = state.group; group != nullptr; group = group->parent()) {
        FairRarities& above = limits_of(*group);
        const bool shared = group != state.group || group->children() != 0;
        if (above.ceiling == 0 || !shared) continue;
        visit(below != nullptr ? below->had_together : own.had, above,
              [&own, below] { return below != nullptr ? below->kin->ceiling_above() : own.kin->own_ceiling(); });
        below = &above;
    }
}

}  // namespace

TimeNs free_at(const FairState& state) noexcept {
    TimeNs free = state.rarities->ceiling > 0 ? state.rarities->ceiling_free : 0;
    for_each_shared(state, [&](TimeNs had, const FairLimit& above, auto&&) {
        free = std::max(free, FairLimits::free_at(had, above));
    });
    return free;
}

void forget_parts(FairState& state) noexcept {
    for_each_shared(state, [](TimeNs& had, const FairLimit& above, auto&&) { had = std::min(had, above.turn); });
}

void charge_above(FairState& state, std::uint32_t bytes, TimeNs now) noexcept {
    for_each_shared(state, [&](TimeNs& had, FairLimit& above, auto&& part) {
        FairLimits::charge_part(had, above, bytes, part());
        if (&above != state.rarities.get()) FairLimits::charge_ceiling(above, bytes, now);
    });
}

}  // namespace bandfs
