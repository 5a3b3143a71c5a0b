// band/fair_state.h - what the policy `fair` keeps of each group, inside the group.
#pragma once

#include <memory>

#include <boost/intrusive/list_hook.hpp>

#include "band/fair_kin.h"
#include "band/fair_limits.h"
#include "band/fair_order.h"
#include "band/fair_think.h"
#include "bandfs/group.h"

namespace bandfs {

struct FairState;

/// What few groups have.
struct FairRarities : FairLimit {
    explicit FairRarities(FairState& s) : state(&s) {}

    FairState* const state;
    std::shared_ptr<FairKin> kin;  ///< it has a parent or children
};

/// What `fair` keeps of each group.
struct FairState : FairNode {
    explicit FairState(Group& g) : group(&g) {}

    Group* const group;
    std::unique_ptr<FairRarities> rarities;  ///< it has a floor, a ceiling, a parent or children
    FairThink think;
    boost::intrusive::list_member_hook<> down_hook;  ///< linked: it goes down and has units
};

/// When the ceilings of a group with rarities, and of those above it, let it go on.
TimeNs free_at(const FairState& state) noexcept;
/// What the group has had of ceilings in common counts no more: it was priced by other weights or ceilings.
void forget_parts(FairState& state) noexcept;
/// Charges a unit of a group with kin to the ceilings above it, which kin share in the order of start tags (SFQ).
void charge_above(FairState& state, std::uint32_t bytes, TimeNs now) noexcept;

}  // namespace bandfs
