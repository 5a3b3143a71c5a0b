// band/weight_policy.cc - tokens by weight, in epochs: the policy of dm-band, step for step.
//
// Problem. Units of many groups compete for a disk; a group of weight w among groups of total weight W is to get w/W of the
// units.
//
// Model. An epoch hands out about token_base tokens: each group token_init = token_base * w / W + 1, whole numbers. A unit
// costs a token (in `weight-iosize` one per sector). A group without tokens may refill once per epoch; when nobody has
// tokens and the disk runs short of units, restart() begins the next epoch. Tokens do not add up: who was idle for ten
// epochs has one refill, no more. Among groups that may submit the priority decides,
//
//     token * 100 / token_init + 1        (1 to 101)
//     + 100   when the group has not yet refilled in this epoch
//     + 200   when it is going down
//
// and among equals the one attached first. The chosen group goes on until it may not, has nothing left, or the disk is full.
//
// Worked numbers. token_base 64, weights 40:20:10 and a default group of 100 (W = 170): token_init is 64*40/170+1 = 16, 8, 4
// and 38. With all busy an epoch is 66 units, of which the three get 16:8:4. Rounding up by one is dm-band's, so small token
// bases bend the shares: at token_base 8 the same groups get 2:1:1.
//
// Refilling happens where dm-band does it: when a group is asked whether it may submit and will submit at once (charge()), for
// all groups that hold units whenever the conductor chooses (pick()), and for the chosen group after each of its units.
//
// Order. Groups with queued units stand in one of three trees:
//     fresh_    have tokens and refilled in this epoch      } by priority without the 100, then by attachment,
//     stale_    have tokens of an earlier epoch             } in one number, `rank`
//     empty_    have none, by the epoch from which they may refill
// The next group is the better of two heads; only a group's own units move it, in O(log n). A new epoch moves fresh_ into
// stale_: each group at most once per refill. Weight changes are noticed by number (shares_): a group computes its tokens
// when it is next looked at, and the trees are put in order by the next pick().
//
// Debt. In `weight-iosize`, and when units are expedited, a group may end up below zero. A refill adds token_init to what is
// there, so a group in debt waits ceil-wise as many epochs as the debt is worth; epochs in which nobody can submit are skipped
// in one step. In `weight` without expedited units a group refills at exactly zero, which is dm-band's rule.
#include "band/weight_policy.h"

#include <algorithm>
#include <boost/intrusive/set.hpp>
#include <cassert>

namespace bandfs {

namespace {

constexpr std::int64_t kPriorityBase = 100;  ///< dm-band's scale: a full group has 101
constexpr std::int64_t kPriorityTop = 4 * kPriorityBase + 1;
constexpr int kSequenceBits = 48;            ///< a group attached every microsecond for nine years
constexpr std::uint64_t kStaleBonus = std::uint64_t{kPriorityBase} << kSequenceBits;

/// Where a group stands.
enum class Place : std::uint8_t {
    none,    ///< nothing queued
    ready,   ///< in fresh_ or stale_, as its epoch says
    empty,   ///< in empty_
    chosen,  ///< in no tree: its units are being released
};

/// A group as this policy sees it. What a unit always touches comes first.
struct WeightState {
    explicit WeightState(Group& owner) : group(&owner) {}

    Group* group;
    std::int64_t tokens = 0;
    std::uint32_t token_init = 1;
    std::uint32_t shares = 0;   ///< the division of token_base that tokens and token_init follow
    std::uint64_t epoch = 0;    ///< in which it last refilled

    boost::intrusive::set_member_hook<boost::intrusive::optimize_size<true>> hook;
    std::uint64_t rank = 0;     ///< its order within its tree, smallest first
    Place place = Place::none;
};

struct RankOf {
    using type = std::uint64_t;
    std::uint64_t operator()(const WeightState& state) const { return state.rank; }
};

using WeightTree =
    boost::intrusive::multiset<WeightState,
                               boost::intrusive::member_hook<WeightState, decltype(WeightState::hook), &WeightState::hook>,
                               boost::intrusive::key_of_value<RankOf>, boost::intrusive::constant_time_size<false>>;

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

    std::uint64_t epoch() const override { return epoch_; }
    std::int64_t tokens(const Group& group) const override;
    std::int64_t token_init(const Group& group) const override { return share_of(group); }
    void figures(const std::function<void(std::string_view, double)>& visit) const override;

private:
    static WeightState& of(Group& group) { return state_of<WeightState>(group); }

    std::uint32_t share_of(const Group& group) const {
        return static_cast<std::uint32_t>(context_.token_base * group.weight() / total_weight_ + 1);
    }
    void follow_shares(WeightState& state) const noexcept;
    static std::uint64_t refills_from(const WeightState& state) noexcept;
    bool may_refill(const WeightState& state) const noexcept {
        return state.group->going_down() || refills_from(state) <= epoch_;
    }
    void refill(WeightState& state) const noexcept;
    void enter(WeightState& state) noexcept;
    void leave(WeightState& state) noexcept;
    void enter_again(WeightTree& tree) noexcept;
    void begin_epoch(std::uint64_t epoch) noexcept;
    bool may_go_on(WeightState& state) noexcept;
    WeightState* best() noexcept;

    const PolicyContext context_;
    const bool by_sector_;
    std::uint64_t total_weight_ = 0;
    std::uint64_t epoch_ = 0;
    std::uint32_t shares_ = 0;        ///< numbers the divisions of token_base among the groups
    std::uint32_t sorted_shares_ = 0; ///< the one the trees are in order by
    WeightTree fresh_;
    WeightTree stale_;
    WeightTree empty_;
    WeightState* chosen_ = nullptr;
};

// Shares.

void WeightPolicy::group_added(Group& group, TimeNs) {
    total_weight_ += group.weight();
    ++shares_;
    WeightState& state = place_state<WeightState>(group, group);
    state.epoch = epoch_;
    follow_shares(state);
    if (group.has_queued()) enter(state);
}

void WeightPolicy::group_removed(Group& group, TimeNs) {
    WeightState& state = of(group);
    leave(state);
    total_weight_ -= group.weight();
    ++shares_;
    drop_state<WeightState>(group);
}

void WeightPolicy::reweighted(Group& group, std::uint32_t old_weight, TimeNs) {
    total_weight_ += group.weight();
    total_weight_ -= old_weight;
    ++shares_;
}

void WeightPolicy::going_down_changed(Group& group, TimeNs) {
    WeightState& state = of(group);
    if (state.place == Place::none || state.place == Place::chosen) return;
    leave(state);
    enter(state);
}

void WeightPolicy::follow_shares(WeightState& state) const noexcept {
    if (state.shares == shares_) return;
    state.shares = shares_;
    state.token_init = share_of(*state.group);
    state.tokens = state.token_init;
}

std::int64_t WeightPolicy::tokens(const Group& group) const {
    const WeightState& state = state_of<WeightState>(group);
    return state.shares == shares_ ? state.tokens : share_of(group);
}

// Tokens.

std::uint64_t WeightPolicy::refills_from(const WeightState& state) noexcept {
    const auto debt = static_cast<std::uint64_t>(-state.tokens);
    return state.epoch + 1 + debt / state.token_init;
}

void WeightPolicy::refill(WeightState& state) const noexcept {
    const std::uint64_t refills = refills_from(state) - state.epoch;
    const auto refilled = state.tokens + static_cast<std::int64_t>(refills * state.token_init);
    state.tokens = state.group->going_down() ? state.token_init : refilled;
    state.epoch = epoch_;
}

bool WeightPolicy::may_submit(const Group& group, const Unit&, TimeNs) const noexcept {
    const WeightState& state = state_of<WeightState>(group);
    return state.tokens > 0 || state.shares != shares_ || may_refill(state);
}

void WeightPolicy::charge(Group& group, Unit& unit, TimeNs) noexcept {
    WeightState& state = of(group);
    follow_shares(state);
    if (state.tokens <= 0 && may_refill(state)) refill(state);
    unit.charge = by_sector_ ? sectors_of(unit.bytes) : 1;
    state.tokens -= static_cast<std::int64_t>(unit.charge);
    if (state.place == Place::ready || state.place == Place::empty) {  // expedited past others of its group
        leave(state);
        enter(state);
    }
}

bool WeightPolicy::restart(Group* starved, TimeNs) noexcept {
    if (starved == nullptr && empty_.empty()) return false;
    begin_epoch(starved != nullptr ? refills_from(of(*starved)) : empty_.begin()->rank);
    return true;
}

void WeightPolicy::begin_epoch(std::uint64_t epoch) noexcept {
    while (!fresh_.empty()) {
        WeightState& state = *fresh_.begin();
        fresh_.erase(fresh_.begin());
        stale_.insert(stale_.end(), state);
    }
    epoch_ = std::max(epoch, epoch_ + 1);
}

// Order.

void WeightPolicy::enter(WeightState& state) noexcept {
    follow_shares(state);
    const bool going_down = state.group->going_down();
    if (state.tokens <= 0 && going_down) refill(state);
    if (state.tokens > 0) {
        const std::int64_t priority =
            state.tokens * kPriorityBase / state.token_init + 1 + (going_down ? 2 * kPriorityBase : 0);
        state.rank = (static_cast<std::uint64_t>(kPriorityTop - priority) << kSequenceBits) | state.group->sequence();
        state.place = Place::ready;
        WeightTree& tree = state.epoch == epoch_ ? fresh_ : stale_;
        tree.insert(tree.end(), state);
    } else {
        state.rank = refills_from(state);
        state.place = Place::empty;
        empty_.insert(empty_.end(), state);
    }
}

void WeightPolicy::leave(WeightState& state) noexcept {
    switch (state.place) {
        case Place::none:
            return;
        case Place::chosen:
            chosen_ = nullptr;
            break;
        case Place::empty:
            empty_.erase(empty_.iterator_to(state));
            break;
        case Place::ready: {
            WeightTree& tree = state.epoch == epoch_ ? fresh_ : stale_;
            tree.erase(tree.iterator_to(state));
            break;
        }
    }
    state.place = Place::none;
}

void WeightPolicy::enter_again(WeightTree& tree) noexcept {
    WeightTree all;
    all.swap(tree);
    while (!all.empty()) {
        WeightState& state = *all.begin();
        all.erase(all.begin());
        enter(state);
    }
}

void WeightPolicy::held(Group& group, Unit&, TimeNs) noexcept {
    WeightState& state = of(group);
    if (state.place == Place::none) enter(state);
}

void WeightPolicy::withdrawn(Group& group, Unit&, TimeNs) noexcept {
    WeightState& state = of(group);
    if (!group.has_queued() && state.place != Place::chosen) leave(state);
}

bool WeightPolicy::may_go_on(WeightState& state) noexcept {
    follow_shares(state);
    if (state.tokens <= 0 && may_refill(state)) refill(state);
    const bool room = !context_.load.plugged || state.group->going_down();
    return state.tokens > 0 && state.group->has_queued() && room;
}

Unit* WeightPolicy::pick(TimeNs) noexcept {
    if (chosen_ != nullptr) {
        WeightState& state = *chosen_;
        if (may_go_on(state)) return state.group->front();
        leave(state);
        if (state.group->has_queued()) enter(state);
    }
    if (context_.load.blocked == 0) return nullptr;
    if (sorted_shares_ != shares_) {
        sorted_shares_ = shares_;
        enter_again(fresh_);
        enter_again(stale_);
        enter_again(empty_);
    }
    if (!context_.load.plugged) {
        while (!empty_.empty() && empty_.begin()->rank <= epoch_) {
            WeightState& state = *empty_.begin();
            leave(state);
            refill(state);
            enter(state);
        }
    }
    WeightState* const next = best();
    if (next == nullptr) return nullptr;
    leave(*next);
    next->place = Place::chosen;
    chosen_ = next;
    return next->group->front();
}

WeightState* WeightPolicy::best() noexcept {
    // A group that goes down is ahead of all others of its tree, so looking at the two heads is enough with the plug in.
    const auto head = [&](WeightTree& tree) -> WeightState* {
        if (tree.empty()) return nullptr;
        WeightState& first = *tree.begin();
        return !context_.load.plugged || first.group->going_down() ? &first : nullptr;
    };
    WeightState* const fresh = head(fresh_);
    WeightState* const stale = head(stale_);
    if (fresh == nullptr || stale == nullptr) return fresh != nullptr ? fresh : stale;
    return fresh->rank < stale->rank - kStaleBonus ? fresh : stale;
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
