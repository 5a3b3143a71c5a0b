// band/fair_policy.cc - joins the pieces of the policy `fair`; fair_policy.h says what it is for and why it holds.
#include "band/fair_policy.h"

#include <algorithm>
#include <memory>
#include <utility>

#include <boost/intrusive/list.hpp>

#include "band/fair_batch.h"
#include "band/fair_cost.h"
#include "band/fair_depth.h"
#include "band/fair_order.h"
#include "band/fair_runs.h"
#include "band/fair_state.h"

namespace bandfs {
namespace {

constexpr TimeNs kSharedFor = 1'000'000'000;  ///< a disk that two groups used within that time is shared
constexpr double kDebt = 16;                  ///< units: nobody gets so far ahead in turn

/// Joins order, cost, depth and anticipation.
///
/// A group is in the order when it has a unit to issue (ready), one in flight or is awaited (expected). Groups that go
/// down are in a list of their own and pass before all others.
class FairPolicy final : public Policy {
public:
    explicit FairPolicy(const PolicyContext& context) : context_(context) {}

    PolicyTraits traits() const override {
        return {.drains_when_full = false, .picks_at_any_time = true, .has_limits = true, .has_hierarchy = true};
    }
    void group_added(Group& group, TimeNs now) override;
    void group_removed(Group& group, TimeNs now) override;
    void reweighted(Group& group, std::uint32_t old_weight, TimeNs now) override;
    void going_down_changed(Group& group, TimeNs now) override;
    Error may_limit(const Group& group, std::uint64_t floor, std::uint64_t ceiling) const override;
    void limits_changed(Group& group, TimeNs now) override;
    Error set_parameter(std::string_view name, std::string_view value) override;
    std::string_view parameter(std::string_view name) const override;

    void arrived(Group& group, const Unit& unit, TimeNs now) noexcept override;
    bool may_submit(const Group& group, const Unit& unit, TimeNs now) const noexcept override;
    void held(Group& group, Unit& unit, TimeNs now) noexcept override;
    Unit* pick(TimeNs now) noexcept override;
    void charge(Group& group, Unit& unit, TimeNs now) noexcept override;
    void withdrawn(Group& group, Unit& unit, TimeNs now) noexcept override;
    void discharge(Group& group, const Unit& unit, TimeNs now) noexcept override;
    bool restart(Group*, TimeNs) noexcept override { return false; }
    bool in_debt(const Group& group) const noexcept override {
        const FairState& state = state_of<FairState>(group);
        return order_.ahead(state) > kDebt * state.cost;
    }
    TimeNs wakes_at() const noexcept override { return wakes_at_; }
    void figures(const std::function<void(std::string_view, double)>& visit) const override;

private:
    enum class Reason : std::uint8_t {
        turn,   ///< the order says so
        floor,  ///< its floor is due
        run,    ///< its request goes on
    };
    /// Who is next when the disk has room, and why; or nobody, since `awaited` is to come first.
    struct Choice {
        FairState* next = nullptr;
        FairState* awaited = nullptr;
        Reason reason = Reason::turn;
    };
    using DownList =
        boost::intrusive::list<FairState, boost::intrusive::member_hook<FairState, boost::intrusive::list_member_hook<>,
                                                                        &FairState::down_hook>>;

    static FairState& of(Group& group) { return state_of<FairState>(group); }
    /// It has units in flight, or that will be at once because they were expedited.
    static bool on_its_way(const Group& group) { return group.issued() > 0 || group.held() > 0; }
    /// A turn weighs as much as what the group will probably do in it.
    double cost_of(const FairState& state, const Unit& unit) const {
        return unit.is_turn ? state.cost : cost_.of(unit);
    }
    static bool is_capped(const FairState& state, TimeNs now) noexcept {
        return state.rarities != nullptr && free_at(state) > now;
    }
    static FairState* of(FairNode* node) { return static_cast<FairState*>(node); }
    static FairState* of(FairLimit* limit) { return static_cast<FairRarities*>(limit)->state; }

    Choice choose(TimeNs now) const noexcept;
    unsigned limit() const noexcept {
        const bool lone = now_ >= shared_until_;
        unsigned least = 1;
        if (!depth_.probing() && (lone || !depth_.shallow(now_))) {
            least = depth_.backlog_limit();
            least = lone ? std::max(context_.load.io_throttle, least) : std::min(least, fair_mix());
        }
        return std::min(context_.load.io_limit, std::max(least, depth_.limit()));
    }
    /// So many in flight that the group which should be next and has nothing here has its share.
    unsigned fair_mix() const noexcept {
        FairNode* const expected = order_.first_expected();
        if (expected == nullptr) return kMaxInFlight;
        return static_cast<unsigned>(of(expected)->group->issued() * order_.active_weight() / expected->weight);
    }
    void place(FairState& state, TimeNs now) noexcept;
    FairLimitPlace stand(FairState& state, TimeNs now) noexcept;
    void place_special(FairState& state, TimeNs now) noexcept;
    void guarantee(FairState& state, double floor) noexcept;
    Choice choose_uncapped(TimeNs now) noexcept;
    bool is_full() const noexcept { return context_.load.issued >= limit(); }
    void give_up(TimeNs now) noexcept;
    std::shared_ptr<FairKin> kin_of(FairState& state);
    void set_busy(FairState& state, bool busy) noexcept;
    void follow_kin(FairState& state) noexcept;
    void note_sharing(Group& group, TimeNs now) noexcept;

    const PolicyContext context_;
    FairOrder order_;
    FairCost cost_;
    FairDepth depth_;
    FairLimits limits_;
    FairRuns runs_;
    FairBatch batch_;
    DownList down_;
    const Unit* chosen_ = nullptr;  ///< the unit that the next charge() is for, when it goes by the order
    Reason reason_ = Reason::turn;  ///< why it was chosen
    const Unit* alone_ = nullptr;   ///< the unit that is in flight and has had the disk for itself
    Group* last_served_ = nullptr;
    TimeNs last_served_at_ = 0;
    TimeNs shared_until_ = 0;  ///< more than one group uses the disk
    TimeNs now_ = 0;
    TimeNs wakes_at_ = kNever;
    TimeNs waiting_since_ = kNever;  ///< the disk idles for a group that is awaited
    TimeNs waited_ = 0;
};

// Groups.

void FairPolicy::group_added(Group& group, TimeNs now) {
    FairState& state = place_state<FairState>(group, group);
    state.weight = group.weight();
    order_.add(state);
    if (group.parent() != nullptr) kin_of(state);
    if (group.floor() != 0 || group.ceiling() != 0) limits_changed(group, now);
    place(state, now);
}

void FairPolicy::group_removed(Group& group, TimeNs) {
    FairState& state = of(group);
    order_.remove(state);
    if (state.rarities) {
        limits_.move(*state.rarities, FairLimitPlace::none);
        guarantee(state, 0);
    }
    if (state.down_hook.is_linked()) down_.erase(down_.iterator_to(state));
    if (last_served_ == &group) last_served_ = nullptr;
    drop_state<FairState>(group);
}

void FairPolicy::reweighted(Group& group, std::uint32_t, TimeNs) {
    FairState& state = of(group);
    if (state.rarities && state.rarities->kin) {
        state.rarities->kin->set_weight(group.weight());
        follow_kin(state);
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
    if (!state.rarities) state.rarities = std::make_unique<FairRarities>(state);
    const auto floor = static_cast<double>(group.floor());
    guarantee(state, floor);
    limits_.set(*state.rarities, floor, static_cast<double>(group.ceiling()), now);
    if (state.rarities->kin) state.rarities->kin->set_ceiling(state.rarities->ceiling);
    place(state, now);
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
        const bool by_kin =
            limited == FairLimitPlace::capped && FairLimits::free_at(*state.rarities, *state.rarities) <= now;
        set_busy(state, by_kin);
    }
    if (!state.rarities) return;
    FairRarities& limits = *state.rarities;
    if (limits.kin) limits_.set_floor(limits, limits.kin->own_floor());
    if (limited == FairLimitPlace::capped) {
        limits_.cap(limits, free_at(state));
    } else {
        limits_.move(limits, limited);
    }
}

// The way of a unit.

void FairPolicy::arrived(Group& group, const Unit& unit, TimeNs now) noexcept {
    now_ = now;
    depth_.passed(now, context_.load.issued, context_.load.blocked > 0);
    if (group.has_queued()) return;
    FairState& state = of(group);
    if (group.issued() == 0 && !unit.is_turn) state.think.came(now);
    if (group.going_down() || is_capped(state, now)) return;
    set_busy(state, true);
    order_.set_ready(state, cost_of(state, unit));
    give_up(now);
    chosen_ = &unit;
    reason_ = state.rarities && limits_.first_due(now) == state.rarities.get() ? Reason::floor : Reason::turn;
}

bool FairPolicy::may_submit(const Group& group, const Unit&, TimeNs now) const noexcept {
    const FairState& state = state_of<FairState>(group);
    if (group.going_down()) return true;
    return !is_full() && !is_capped(state, now) && choose(now).next == &state;
}

void FairPolicy::held(Group& group, Unit& unit, TimeNs now) noexcept {
    chosen_ = nullptr;
    if (group.front() == &unit) place(of(group), now);
}

Unit* FairPolicy::pick(TimeNs now) noexcept {
    now_ = now;
    wakes_at_ = kNever;
    chosen_ = nullptr;
    if (!down_.empty()) return down_.front().group->front();
    give_up(now);
    Choice choice;
    if (limits_.any()) {
        limits_.set_capacity(depth_.bytes_per_second());
        while (FairLimit* const free = limits_.first_free(now)) place(*of(free), now);
    }
    if (!is_full()) choice = choose_uncapped(now);
    if (const TimeNs limit = limits_.wakes_at(); limit > now) wakes_at_ = limit;
    if (choice.next != nullptr) {
        Unit* const unit = choice.next->group->front();
        chosen_ = unit;
        reason_ = choice.reason;
        return unit;
    }
    if (choice.awaited != nullptr && choice.awaited->group->issued() == 0) {
        wakes_at_ = std::min(wakes_at_, choice.awaited->think.deadline());
        if (context_.load.issued == 0 && waiting_since_ == kNever) waiting_since_ = now;
    }
    return nullptr;
}

/// What its kin was charged since a group was placed may have brought a group above to its ceiling.
FairPolicy::Choice FairPolicy::choose_uncapped(TimeNs now) noexcept {
    for (;;) {
        const Choice choice = choose(now);
        FairState* const first = choice.next != nullptr ? choice.next : choice.awaited;
        if (first == nullptr || !is_capped(*first, now)) return choice;
        place(*first, now);
    }
}

FairPolicy::Choice FairPolicy::choose(TimeNs now) const noexcept {
    const unsigned in_flight = context_.load.issued;
    const bool floors = limits_.any();
    if (FairLimit* const due = floors ? limits_.first_due(now) : nullptr)
        return {.next = of(due), .reason = Reason::floor};
    if (Unit* const unit = last_served_ != nullptr && runs_.may_go_on() ? last_served_->front() : nullptr;
        unit != nullptr && runs_.go_on(*unit) && is_ready(of(*last_served_).FairNode::place)) {
        return {.next = &of(*last_served_), .reason = Reason::run};
    }
    const unsigned spare = runs_.one_arm() ? 1 : depth_.spare();  // however much it gains by sorting
    const auto in_the_way_of = [&](const FairState& other) {
        return in_flight + (other.group->issued() == 0 ? 1 : 0) >= spare;
    };
    if (FairLimit* const due = floors ? limits_.first_due_expected(now) : nullptr;
        due != nullptr && in_the_way_of(*of(due))) {
        return {.awaited = of(due)};
    }
    FairNode* const ready = order_.first_ready();
    FairNode* const candidate = ready != nullptr ? ready : order_.first_ahead();
    FairNode* const expected = order_.first_expected();
    if (candidate == nullptr) return {};
    if (expected == nullptr || (ready != nullptr && !FairOrder::goes_before(*expected, *ready)))
        return {.next = of(candidate)};
    // Somebody should have gone before but has nothing here. A unit would be in the way of what it sends next, unless
    // the disk has room for both.
    if (!in_the_way_of(*of(expected))) return {.next = of(candidate)};
    return {.awaited = of(expected)};
}

/// Those who should come next but have let their time pass are not waited for any longer.
void FairPolicy::give_up(TimeNs now) noexcept {
    const auto is_late = [now](const FairState& state) {
        return !on_its_way(*state.group) && state.think.deadline() <= now;
    };
    while (FairNode* const node = order_.first_expected()) {
        if (!is_late(*of(node))) break;
        place(*of(node), now);
    }
    while (FairLimit* const limit = limits_.first_due_expected(now)) {
        if (!is_late(*of(limit))) break;
        place(*of(limit), now);
    }
}

void FairPolicy::charge(Group& group, Unit& unit, TimeNs now) noexcept {
    FairState& state = of(group);
    const unsigned in_flight = context_.load.issued;
    depth_.passed(now, in_flight - 1, context_.load.blocked > 0);
    if (waiting_since_ != kNever) waited_ += now - std::exchange(waiting_since_, kNever);
    const double cost = unit.is_turn ? 0 : cost_.of(unit);
    unit.charge = static_cast<std::uint64_t>(cost);
    if (std::exchange(chosen_, nullptr) != &unit || reason_ == Reason::run) {
        order_.serve_aside(state, cost);
    } else if (reason_ == Reason::floor) {
        order_.serve_by_right(state, cost);
    } else {
        if (state.FairNode::place == FairPlace::woken && context_.load.blocked > 0) depth_.keep_shallow(now);
        order_.serve(state, cost);
    }
    if (state.rarities) {
        limits_.charge(*state.rarities, unit.bytes, now);
        if (state.rarities->kin) charge_above(state, unit.bytes, now);
    }
    if (!unit.is_turn) {
        const double disk_time = cost_.disk_time(unit.direction, unit.bytes);
        depth_.issued(disk_time);
        state.think.served(disk_time * depth_.slowdown());
        runs_.issued(unit);
    }
    alone_ = in_flight == 1 ? &unit : nullptr;
    note_sharing(group, now);
    place(state, now);
}

void FairPolicy::note_sharing(Group& group, TimeNs now) noexcept {
    if (last_served_ != nullptr && last_served_ != &group && now - last_served_at_ < kSharedFor)
        shared_until_ = now + kSharedFor;
    last_served_ = &group;
    last_served_at_ = now;
}

void FairPolicy::withdrawn(Group& group, Unit&, TimeNs now) noexcept {
    place(of(group), now);
}

void FairPolicy::discharge(Group& group, const Unit& unit, TimeNs now) noexcept {
    now_ = now;
    depth_.passed(now, context_.load.issued + 1, context_.load.blocked > 0);
    if (!unit.is_turn) {
        const double disk_time = cost_.disk_time(unit.direction, unit.bytes);
        if (batch_.ended(now)) {
            runs_.learn(batch_);
            cost_.learn(batch_);
            batch_.begin(unit, now);
        }
        batch_.add(unit, disk_time);
        runs_.completed(unit);
        const bool alone = alone_ == &unit;
        cost_.learn(unit.direction, unit.bytes, now - unit.issued_at, alone);
        depth_.completed(disk_time, unit.bytes, alone, now);
    }
    if (group.issued() > 0 || group.has_queued()) return;
    FairState& state = of(group);
    state.think.went(now);
    place(state, now);
}

void FairPolicy::figures(const std::function<void(std::string_view, double)>& visit) const {
    visit("depth", limit());
    visit("parallelism", depth_.parallelism());
    if (depth_.bytes_per_second() > 0) visit("bytes_per_second", depth_.bytes_per_second());
    if (limits_.floors() > 0) {
        visit("floors", limits_.floors());
        visit("floor_scale", limits_.scale());
    }
    visit("runs", runs_.pay());
    visit("waited_s", static_cast<double>(waited_) / 1e9);
    for (const Direction direction : {Direction::read, Direction::write}) {
        const LinearTime& model = cost_.charged(direction);
        if (!model.known()) continue;
        const bool read = direction == Direction::read;
        visit(read ? "read_us_per_request" : "write_us_per_request", model.fixed_ns() / 1e3);
        visit(read ? "read_us_per_mib" : "write_us_per_mib", model.ns_per_byte() * 1048.576);
    }
}

}  // namespace

std::unique_ptr<Policy> make_fair_policy(const PolicyContext& context) {
    return std::make_unique<FairPolicy>(context);
}

}  // namespace bandfs
