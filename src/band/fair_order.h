// band/fair_order.h - policy `fair`, the order: who is next, in virtual time.
#pragma once

#include <cstdint>
#include <vector>

#include "band/rank_tree.h"

namespace bandfs {

/// Virtual time: cost per weight, in 2^-20 of a byte (or nanosecond) per weight, since the era began.
using VirtualTime = std::int64_t;

/// Where a group stands in the order.
///   idle           it has nothing to do and is not counted
///   lingering      the same, but it has had more than its share: it counts until the virtual time has caught up
///   ready          it has a unit to be issued, and its turn has begun (start <= now)
///   woken          the same, and it was idle before: it may go first, within the credit
///   ready_ahead    it has a unit, but its turn has not begun
///   expected       nothing to issue, but a unit in flight or soon back; its turn has begun
///   expected_ahead the same, its turn has not begun
///   served         it was charged, and what it has now is to be told next: set_ready(), set_expected() or set_idle()
enum class FairPlace : std::uint8_t { idle, lingering, ready, woken, ready_ahead, expected, expected_ahead, served };

constexpr bool is_ready(FairPlace place) noexcept {
    return place == FairPlace::ready || place == FairPlace::woken || place == FairPlace::ready_ahead;
}
constexpr bool has_nothing_to_do(FairPlace place) noexcept {
    return place == FairPlace::idle || place == FairPlace::lingering;
}

/// A group's place in the order. Lives where its owner puts it, between FairOrder::add() and remove(). What is touched
/// when others are served comes first, so that it lies in one cache line with the group's counts.
struct FairNode {
    VirtualTime start = 0;  ///< when its next unit's turn begins; means nothing while it is idle
    VirtualTime span = 1;   ///< of its next unit: cost over weight
    double weight = 1;
    std::uint32_t slot = 0;  ///< its number in the tree, while it is not idle
    FairPlace place = FairPlace::idle;
    bool credited = false;  ///< its last unit went first although it was not its turn, and that is not made good yet
    double cost = 1;        ///< of its next unit, or what that will probably cost

    /// When the ideal disk would be done with its next unit.
    VirtualTime finish() const noexcept { return start + span; }
};

/// The order of the policy `fair`: worst-case fair weighted queueing over groups. fair_policy.h says why and what
/// follows.
///
/// Virtual time is the mean of the counted groups' starts, weighted, but never runs backwards. So it moves by cost /
/// total weight with each unit; and when a group leaves that has had less than its share, what the others are ahead of
/// it is no debt any more: virtual time moves up to them.
///
/// All times are counted from the beginning of an era, which is moved when they become large: 2^58 ticks is 76 hours of
/// 1 GB/s for a weight of 1000 in all, and 4 minutes for one of 1.
///
/// No clock. Not thread-safe. Only add() allocates. O(log n) per call, amortised: a group moves
/// from ahead to its turn once for each unit it was served, and an era is long.
///
/// Invariants
/// 1. now() never runs backwards, but for a new era, and is not less than the mean.
/// 2. Groups that are not idle are counted in active_weight(), idle ones not.
/// 3. A group stands in the tree as its place says, by its finish when its start is <= now() (`ready`, `woken`,
///    `expected`), by its start when that is > now() (the ahead ones and `lingering`). One that is served may
///    still stand where it stood: it is about to be moved.
/// 4. At most kCredits groups are credited.
class FairOrder {
public:
    /// Units in all that may go before their turn because their group was asleep. Part of the starvation bound.
    static constexpr unsigned kCredits = 16;
    /// A group that had nothing to issue but was not idle keeps a claim to what it did not take meanwhile: at most its
    /// share of so many of the largest units. Part of the starvation bound.
    static constexpr double kLagUnits = 8;

    /// A group comes, idle and with its weight set.
    void add(FairNode& node);
    /// Out of the order at once, whatever it owes; it is another's then to add it again.
    void remove(FairNode& node) noexcept;

    /// The group has a unit of that cost to be issued next; also when its first unit has become another.
    void set_ready(FairNode& node, double cost) noexcept;
    /// The group has nothing to issue but will have: its units are in flight or it is known to come back.
    void set_expected(FairNode& node, double cost) noexcept;
    /// The group has nothing to do.
    void set_idle(FairNode& node) noexcept;
    void set_weight(FairNode& node, double weight) noexcept;
    /// Idle at once, whatever it owes.
    void forget(FairNode& node) noexcept;

    /// Who of the groups whose turn has begun is next: one that is late (finish <= now) before all, then one that just
    /// woke while there is credit, then the earliest finish. nullptr: none of them has a unit.
    FairNode* first_ready() const noexcept;
    /// Of the groups that have a unit and are ahead of their turn, the one whose turn comes first.
    FairNode* first_ahead() const noexcept { return first(kReadyAhead); }
    /// Of the groups whose turn has begun and that have nothing to issue now, the one with the earliest finish.
    FairNode* first_expected() const noexcept { return first(kExpected); }

    /// Whether `node`, expected, would go before `other`, ready, if it had a unit.
    static bool goes_before(const FairNode& node, const FairNode& other) noexcept {
        return other.place != FairPlace::woken && node.finish() < other.finish();
    }

    /// Charges the unit that was chosen to its group, which is `served` afterwards, and moves virtual time on.
    ///
    /// When the group is ahead, virtual time jumps to its start: what all that are ready are ahead is forgotten. A unit
    /// of no cost says nothing about the next one's.
    void serve(FairNode& node, double cost) noexcept;
    /// The same for a unit that nobody has chosen: it passes whatever the order says, and is owed.
    void serve_aside(FairNode& node, double cost) noexcept;
    /// The same for a unit that the group has a right to beside its weight: what it is ahead is forgotten.
    void serve_by_right(FairNode& node, double cost) noexcept;

    VirtualTime now() const noexcept { return now_; }
    /// What a group has had beyond its share, as cost; less than 0 when it is behind.
    double ahead(const FairNode& node) const noexcept;
    double active_weight() const noexcept { return active_weight_; }
    unsigned credits_used() const noexcept { return credits_used_; }

private:
    /// How the tree sorts.
    enum : unsigned { kReady, kWoken, kExpected, kReadyAhead, kExpectedAhead, kKinds };
    using Tree = RankTree<kKinds>;

    FairNode* first(Tree::Kind kind) const noexcept { return tree_.empty(kind) ? nullptr : nodes_[tree_.least(kind)]; }
    /// Whether there is one of that kind whose rank is reached.
    bool reached(Tree::Kind kind) const noexcept { return tree_.least_rank(kind) <= static_cast<Tree::Rank>(now_); }

    void enter(FairNode& node, FairPlace place) noexcept;
    void leave_count(FairNode& node) noexcept;
    void join_count(FairNode& node) noexcept;
    /// Virtual time has caught up with what the group was given before its turn.
    void settle(FairNode& node) noexcept {
        if (!node.credited) return;
        node.credited = false;
        --credits_used_;
    }
    void move_start(FairNode& node, VirtualTime to) noexcept;
    void charge(FairNode& node, double cost) noexcept;
    void advance(VirtualTime to) noexcept;
    void follow_mean() noexcept {
        while (ahead_ >= active_weight_ && active_ > 0)
            advance(now_ + static_cast<VirtualTime>(ahead_ / active_weight_));
    }
    void begin_turns() noexcept;
    void begin_era() noexcept;

    Tree tree_;
    std::size_t groups_ = 0;
    std::vector<FairNode*> nodes_;           ///< of each slot, nullptr: free
    std::vector<std::uint32_t> free_slots_;  ///< that were used
    std::uint32_t used_slots_ = 0;           ///< so many: few are busy at a time, and these lie close together
    VirtualTime now_ = 0;
    double ahead_ = 0;  ///< sum over the counted groups of weight * (start - now)
    double active_weight_ = 0;
    double largest_ = 0;  ///< cost of a unit, lately
    std::uint32_t active_ = 0;
    unsigned credits_used_ = 0;
};

}  // namespace bandfs
