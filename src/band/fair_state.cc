// band/fair_state.cc - ceilings that a group of the policy `fair` has in common with its kin.
#include "band/fair_state.h"

#include <algorithm>

namespace bandfs {
namespace {

FairRarities& limits_of(Group& group) noexcept {
    return *static_cast<FairState*>(group.policy_state())->rarities;
}

}  // namespace

TimeNs free_at(const FairState& state) noexcept {
    TimeNs free = 0;
    for (Group* group = state.group; group != nullptr; group = group->parent())
        free = std::max(free, FairLimits::free_at(*state.rarities, limits_of(*group)));
    return free;
}

void charge_above(FairState& state, std::uint32_t bytes, TimeNs now) noexcept {
    FairRarities& own = *state.rarities;
    for (Group* group = state.group; group != nullptr; group = group->parent())
        own.had = std::max(own.had, limits_of(*group).turn - FairLimits::kFloorSlack);
    for (Group* group = state.group; group != nullptr; group = group->parent()) {
        FairRarities& above = limits_of(*group);
        above.turn = std::max(above.turn, own.had);
        if (&above != &own) FairLimits::charge_ceiling(above, bytes, now);
    }
    own.had += static_cast<TimeNs>(bytes * 1e9 / own.kin->own_ceiling());
}

}  // namespace bandfs
