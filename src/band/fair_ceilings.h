// band/fair_ceilings.h - policy `fair`: who waits for a ceiling, its own or one that it has in common with its kin.
#pragma once

#include <cstdint>

#include <boost/intrusive/set.hpp>

#include "band/time_tree.h"
#include "bandfs/unit.h"

namespace bandfs {

struct FairState;
struct FairRarities;

/// What can wait for a ceiling: the units of one group; or all that wait for the ceiling of a group, which then wait
/// for the next one above together. Lives where its owner puts it.
struct FairWaiter : boost::intrusive::set_base_hook<boost::intrusive::link_mode<boost::intrusive::normal_link>> {
    FairWaiter(FairRarities& limits, bool a_group) : of(limits), is_group(a_group) {}

    FairRarities& of;
    const bool is_group;
    bool waits = false;
    FairRarities* queue = nullptr;  ///< it waits for that one's ceiling; nullptr: for a time
    TimeNs until = 0;               ///< which is this one; nothing while it stands in a queue
    TimeNs had = 0;                 ///< its tag at the ceiling above (FairLimits::charge_part)
};

/// Keeps those who wait. A ceiling is *shared* when groups below have to keep it, too.
///
/// Who waits for a shared ceiling stands in a queue there, in the order of tags: who has had least of it comes first,
/// and is the first whom it lets go on. So only the first has to be looked at when the ceiling lets somebody pass; it
/// is found at the time for which the queue itself waits. That is when its ceiling is free, or when the ceiling above
/// lets the queue go on, where it stands in a queue as one of those who share that.
///   Example: R of at most 100 MB/s, in it A of at most 10 with a thousand children. The children are in A's queue, A
///   waits for its own ceiling, and after that for R's, if that is not free.
///
/// No clock. Not thread-safe. O(depth log n) per call, n being the groups that wait; first_free() makes up for what was
/// charged since it was last called.
class FairCeilings {
public:
    /// When the ceilings of a group with rarities, and of those above it, let it go on.
    static TimeNs free_at(const FairState& state) noexcept;

    /// The group has units and may not go on now: it waits, anew if it does already.
    void wait(FairState& state, TimeNs now) noexcept;
    void stop(FairState& state) noexcept;
    /// The group goes, and with it the queue for its ceiling.
    void remove(FairState& state) noexcept;
    /// A group that waits and may perhaps go on. nullptr: none.
    FairState* first_free(TimeNs now) noexcept;
    TimeNs wakes_at() const noexcept { return timed_.empty() ? kNever : timed_.begin()->until; }

    /// Charges a unit to the ceilings above, which kin share in the order of start tags (SFQ).
    void charge_above(FairState& state, std::uint32_t bytes, TimeNs now) noexcept;
    /// What the group has had of shared ceilings counts no more: it was priced by other weights or ceilings.
    void forget_parts(FairState& state) noexcept;

private:
    void stop(FairWaiter& waiter) noexcept;
    void wait_until(FairWaiter& waiter, TimeNs until) noexcept;
    void enqueue(FairWaiter& waiter, FairRarities& at, TimeNs now) noexcept;
    void advance(FairRarities& at, TimeNs now) noexcept;
    FairState* first_of(FairRarities& at, TimeNs now) noexcept;
    template <typename Change>
    static void retag(FairWaiter& waiter, Change&& change) noexcept;

    TimeTree<FairWaiter, &FairWaiter::until> timed_;
};

}  // namespace bandfs
