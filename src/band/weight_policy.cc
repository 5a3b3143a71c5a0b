// band/weight_policy.cc - tokens by weight, in epochs: the policy of dm-band, step for step.
//
// Problem. Units of many groups compete for a disk; a group of weight w among groups of total weight W is to get w/W of
// the units.
//
// Model. An epoch hands out about token_base tokens: each group token_init = token_base * w / W + 1, whole numbers. A
// unit costs a token (in `weight-iosize` one per sector). A group without tokens may refill once per epoch; when nobody
// has tokens and the disk runs short of units, restart() begins the next epoch. Tokens do not add up: who was idle for
// ten epochs has one refill, no more. Among groups that may submit the priority decides,
//
//     token * 100 / token_init + 1        (1 to 101)
//     + 100   when the group has not yet refilled in this epoch
//     + 200   when it is going down
//
// and among equals the one attached first. The chosen group goes on until it may not, has nothing left, or the disk is
// full.
//
// Worked numbers. token_base 64, weights 40:20:10 and a default group of 100 (W = 170): token_init is 64*40/170+1 = 16,
// 8, 4 and 38. With all busy an epoch is 66 units, of which the three get 16:8:4. Rounding up by one is dm-band's, so
// small token bases bend the shares: at token_base 8 the same groups get 2:1:1.
//
// Refilling happens where dm-band does it: when a group is asked whether it may submit and will submit at once
// (charge()), for all groups that hold units whenever the conductor chooses (pick()), and for the chosen group after
// each of its units.
//
// Order. Groups with queued units stand in a tree (rank_tree.h), by a rank of one number and of one of three kinds:
//     fresh_    have tokens and refilled in this epoch      } by priority without the 100, then by attachment
//     stale_    have tokens of an earlier epoch             }
//     kEmpty    have none, by the epoch from which they may refill
// The next group is the better of two heads; only a group's own units move it, in O(log n). A new epoch makes the fresh
// stale: each group at most once per refill. Weight changes are noticed by number (shares_): a group computes its
// tokens when it is next looked at, and the tree is put in order by the next pick().
//
// Debt. In `weight-iosize`, and when units are expedited, a group may end up below zero. A refill adds token_init to
// what is there, so a group in debt waits ceil-wise as many epochs as the debt is worth; epochs in which nobody can
// submit are skipped in one step. In `weight` without expedited units a group refills at exactly zero, which is
// dm-band's rule.
#include "band/weight_policy.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "band/rank_tree.h"

namespace bandfs {

namespace {

constexpr std::uint32_t kPriorityBase = 100;  ///< dm-band's scale: a full group has 101
constexpr std::uint32_t kPriorityTop = 4 * kPriorityBase + 1;
constexpr int kSequenceBits = 48;  ///< a group attached every microsecond for nine years
using Tree = RankTree<3>;
constexpr Tree::Kind kEmpty = 2;
constexpr Tree::Rank rank_of(std::uint32_t priority, std::uint64_t sequence) {
    return (Tree::Rank{kPriorityTop - priority} << kSequenceBits) | sequence;
}
constexpr Tree::Rank kStaleBonus = Tree::Rank{kPriorityBase} << kSequenceBits;
/// Groups that go down are ahead of all others of their kind, so with the plug in the two heads are enough to know.
constexpr Tree::Rank kWorstGoingDown = rank_of(2 * kPriorityBase, 0) - 1;

/// Where a group stands.
enum class Place : std::uint8_t {
    none,    ///< nothing queued
    ready,   ///< fresh or stale, as its epoch says
    empty,   ///< in the tree as kEmpty
    chosen,  ///< not in the tree: its units are being released
};

/// A group as this policy sees it: 32 bytes, which lie in the cache line of the group's counts.
struct WeightState {
    std::int64_t tokens = 0;
    std::uint64_t epoch = 0;  ///< in which it last refilled
    std::uint32_t token_init = 1;
    std::uint32_t shares = 0;  ///< the division of token_base that tokens and token_init follow
    std::uint32_t slot = 0;    ///< its number in the tree
    Place place = Place::none;
};
static_assert(sizeof(WeightState) == 32);

class WeightPolicy final : public Policy {
public:
    WeightPolicy(const PolicyContext& context, bool by_sector) : context_(context), by_sector_(by_sector) {}

    PolicyTraits traits() const override { return {.drains_when_full = true}; }

    void group_added(Group& group, TimeNs now) override;
    void group_removed(Group& group, TimeNs now) override;
    void reweighted(Group& group, std::uint32_t old_weight, TimeNs now) override;
    void token_base_changed() override { ++shares_; }
    void going_down_changed(Group& group, TimeNs now) override;

    bool may_submit(const Group& group, const Unit& unit, TimeNs now) const noexcept override;
    void held(Group& group, Unit& unit, TimeNs now) noexcept override;
    Unit* pick(TimeNs now) noexcept override;
    void charge(Group& group, Unit& unit, TimeNs now) noexcept override;
    void withdrawn(Group& group, Unit& unit, TimeNs now) noexcept override;
    void discharge(Group&, const Unit&, TimeNs) noexcept override {}
    bool restart(Group* starved, TimeNs now) noexcept override;
    bool in_debt(const Group& group) const noexcept override {
        const WeightState& state = state_of<WeightState>(group);
        return state.shares == shares_ && state.tokens < -std::int64_t{state.token_init} && !may_refill(group, state);
    }

    std::uint64_t epoch() const override { return epoch_; }
    std::int64_t tokens(const Group& group) const override;
    std::int64_t token_init(const Group& group) const override { return share_of(group); }
    void figures(const std::function<void(std::string_view, double)>& visit) const override;

private:
    static WeightState& of(Group& group) { return state_of<WeightState>(group); }

    std::uint32_t share_of(const Group& group) const {
        return static_cast<std::uint32_t>(context_.token_base * group.weight() / total_weight_ + 1);
    }
    void follow_shares(const Group& group, WeightState& state) const noexcept;
    static std::uint64_t refills_from(const WeightState& state) noexcept;
    bool may_refill(const Group& group, const WeightState& state) const noexcept {
        return group.going_down() || refills_from(state) <= epoch_;
    }
    void refill(const Group& group, WeightState& state) const noexcept;
    void enter(Group& group) noexcept;
    void leave(Group& group) noexcept;
    void sort_again() noexcept;
    void begin_epoch(std::uint64_t epoch) noexcept;
    bool may_go_on(Group& group) noexcept;
    Group* best() const noexcept;

    const PolicyContext context_;
    const bool by_sector_;
    std::uint64_t total_weight_ = 0;
    std::uint64_t epoch_ = 0;
    std::uint32_t shares_ = 0;         ///< numbers the divisions of token_base among the groups
    std::uint32_t sorted_shares_ = 0;  ///< the one the tree is in order by
    Tree tree_;
    Tree::Kind fresh_ = 0;  ///< the two change places with each epoch
    Tree::Kind stale_ = 1;
    std::vector<Group*> slots_;  ///< the group of each slot, nullptr: free
    std::vector<std::uint32_t> free_slots_;
    Group* chosen_ = nullptr;
};

// Shares.

void WeightPolicy::group_added(Group& group, TimeNs) {
    if (free_slots_.empty()) {
        slots_.push_back(nullptr);
        free_slots_.reserve(slots_.capacity());  // so that group_removed() cannot fail
        free_slots_.push_back(static_cast<std::uint32_t>(slots_.size() - 1));
        tree_.reserve(slots_.size());
    }
    WeightState& state = place_state<WeightState>(group);
    state.slot = free_slots_.back();
    free_slots_.pop_back();
    slots_[state.slot] = &group;
    state.epoch = epoch_;
    total_weight_ += group.weight();
    ++shares_;
    follow_shares(group, state);
    if (group.has_queued()) enter(group);
}

void WeightPolicy::group_removed(Group& group, TimeNs) {
    leave(group);
    total_weight_ -= group.weight();
    ++shares_;
    const std::uint32_t slot = of(group).slot;
    slots_[slot] = nullptr;
    free_slots_.push_back(slot);
    drop_state<WeightState>(group);
}

void WeightPolicy::reweighted(Group& group, std::uint32_t old_weight, TimeNs) {
    total_weight_ += group.weight();
    total_weight_ -= old_weight;
    ++shares_;
}

void WeightPolicy::going_down_changed(Group& group, TimeNs) {
    const Place place = of(group).place;
    if (place == Place::none || place == Place::chosen) return;
    leave(group);
    enter(group);
}

void WeightPolicy::follow_shares(const Group& group, WeightState& state) const noexcept {
    if (state.shares == shares_) return;
    state.shares = shares_;
    state.token_init = share_of(group);
    state.tokens = state.token_init;
}

std::int64_t WeightPolicy::tokens(const Group& group) const {
    const WeightState& state = state_of<WeightState>(group);
    return state.shares == shares_ ? state.tokens : share_of(group);
}

// Tokens.

std::uint64_t WeightPolicy::refills_from(const WeightState& state) noexcept {
    const auto debt = static_cast<std::uint64_t>(-state.tokens);
    return state.epoch + 1 + (debt == 0 ? 0 : debt / state.token_init);
}

void WeightPolicy::refill(const Group& group, WeightState& state) const noexcept {
    if (group.going_down()) {
        state.tokens = state.token_init;
    } else {
        const std::uint64_t refills = refills_from(state) - state.epoch;
        state.tokens += static_cast<std::int64_t>(refills * state.token_init);
    }
    state.epoch = epoch_;
}

bool WeightPolicy::may_submit(const Group& group, const Unit&, TimeNs) const noexcept {
    const WeightState& state = state_of<WeightState>(group);
    return state.tokens > 0 || state.shares != shares_ || may_refill(group, state);
}

void WeightPolicy::charge(Group& group, Unit& unit, TimeNs) noexcept {
    WeightState& state = of(group);
    follow_shares(group, state);
    if (state.tokens <= 0 && may_refill(group, state)) refill(group, state);
    unit.charge = by_sector_ ? sectors_of(unit.bytes) : unit.is_turn ? 0 : 1;
    state.tokens -= static_cast<std::int64_t>(unit.charge);
    if (state.place == Place::ready || state.place == Place::empty) {  // expedited past others of its group
        leave(group);
        enter(group);
    }
}

bool WeightPolicy::restart(Group* starved, TimeNs) noexcept {
    if (starved == nullptr && tree_.empty(kEmpty)) return false;
    begin_epoch(starved != nullptr ? refills_from(of(*starved)) : tree_.least_rank(kEmpty));
    return true;
}

void WeightPolicy::begin_epoch(std::uint64_t epoch) noexcept {
    if (tree_.empty(stale_)) {
        std::swap(stale_, fresh_);
    } else {
        while (!tree_.empty(fresh_)) tree_.set(tree_.least(fresh_), stale_, tree_.least_rank(fresh_));
    }
    epoch_ = std::max(epoch, epoch_ + 1);
}

// Order.

void WeightPolicy::enter(Group& group) noexcept {
    WeightState& state = of(group);
    follow_shares(group, state);
    const bool going_down = group.going_down();
    if (state.tokens <= 0 && going_down) refill(group, state);
    if (state.tokens > 0) {
        const std::uint32_t level = static_cast<std::uint32_t>(state.tokens) * kPriorityBase / state.token_init;
        const std::uint32_t priority = level + 1 + (going_down ? 2 * kPriorityBase : 0);
        tree_.set(state.slot, state.epoch == epoch_ ? fresh_ : stale_, rank_of(priority, group.sequence()));
        state.place = Place::ready;
    } else {
        tree_.set(state.slot, kEmpty, refills_from(state));
        state.place = Place::empty;
    }
}

void WeightPolicy::leave(Group& group) noexcept {
    WeightState& state = of(group);
    switch (std::exchange(state.place, Place::none)) {
        case Place::none:
            return;
        case Place::chosen:
            chosen_ = nullptr;
            return;
        case Place::empty:
        case Place::ready:
            return tree_.clear(state.slot);
    }
}

void WeightPolicy::sort_again() noexcept {
    sorted_shares_ = shares_;
    for (std::uint32_t slot = 0; slot < slots_.size(); ++slot) {
        if (!tree_.has(slot)) continue;
        leave(*slots_[slot]);
        enter(*slots_[slot]);
    }
}

void WeightPolicy::held(Group& group, Unit&, TimeNs) noexcept {
    if (of(group).place == Place::none) enter(group);
}

void WeightPolicy::withdrawn(Group& group, Unit&, TimeNs) noexcept {
    if (!group.has_queued() && of(group).place != Place::chosen) leave(group);
}

bool WeightPolicy::may_go_on(Group& group) noexcept {
    WeightState& state = of(group);
    follow_shares(group, state);
    if (state.tokens <= 0 && may_refill(group, state)) refill(group, state);
    const bool room = !context_.load.plugged || group.going_down();
    return state.tokens > 0 && group.has_queued() && room;
}

Unit* WeightPolicy::pick(TimeNs) noexcept {
    if (chosen_ != nullptr) {
        Group& group = *chosen_;
        if (may_go_on(group)) return group.front();
        leave(group);
        if (group.has_queued()) enter(group);
    }
    if (context_.load.blocked == 0) return nullptr;
    if (sorted_shares_ != shares_) sort_again();
    while (!context_.load.plugged && tree_.least_rank(kEmpty) <= epoch_) {
        Group& group = *slots_[tree_.least(kEmpty)];
        leave(group);
        refill(group, of(group));
        enter(group);
    }
    Group* const next = best();
    if (next == nullptr) return nullptr;
    leave(*next);
    of(*next).place = Place::chosen;
    chosen_ = next;
    return next->front();
}

Group* WeightPolicy::best() const noexcept {
    const Tree::Rank worst = context_.load.plugged ? kWorstGoingDown : Tree::kNone - 1;
    const Tree::Rank fresh = tree_.least_rank(fresh_), stale = tree_.least_rank(stale_);
    if (fresh > worst && stale > worst) return nullptr;
    const bool take_fresh = fresh <= worst && (stale > worst || fresh < stale - kStaleBonus);
    return slots_[tree_.least(take_fresh ? fresh_ : stale_)];
}

void WeightPolicy::figures(const std::function<void(std::string_view, double)>& visit) const {
    visit("epoch", static_cast<double>(epoch_));
    visit("token_base", static_cast<double>(context_.token_base));
}

}  // namespace

std::unique_ptr<Policy> make_weight_policy(const PolicyContext& context) {
    return std::make_unique<WeightPolicy>(context, false);
}

std::unique_ptr<Policy> make_weight_iosize_policy(const PolicyContext& context) {
    return std::make_unique<WeightPolicy>(context, true);
}

}  // namespace bandfs
