// band/fair_state.h - what the policy `fair` keeps of each group, inside the group.
#pragma once

#include <memory>

#include <boost/intrusive/list_hook.hpp>

#include "band/fair_ceilings.h"
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
    FairRarities(const FairRarities&) = delete;
    FairRarities& operator=(const FairRarities&) = delete;

    FairState* const state;
    FairWaiter alone{*this, true};
    TimeTree<FairWaiter, &FairWaiter::had> queue;  ///< for its ceiling
    FairWaiter together{*this, false};             ///< that queue; waits while somebody is in it
    std::shared_ptr<FairKin> kin;                  ///< it has a parent or children
};

/// What `fair` keeps of each group.
struct FairState : FairNode {
    explicit FairState(Group& g) : group(&g) {}

    Group* const group;
    std::unique_ptr<FairRarities> rarities;  ///< it has a floor, a ceiling, a parent or children
    FairThink think;
    boost::intrusive::list_member_hook<> down_hook;  ///< linked: it goes down and has units
};

}  // namespace bandfs
