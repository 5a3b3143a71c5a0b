// band/fair_scheduler.h - what the policy `fair` consists of; fair_policy.h says what it is for and why it holds.
#pragma once

#include <algorithm>
#include <memory>

#include <boost/intrusive/list.hpp>

#include "band/fair_batch.h"
#include "band/fair_cost.h"
#include "band/fair_depth.h"
#include "band/fair_runs.h"
#include "band/fair_state.h"
#include "band/policy.h"

namespace bandfs {

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
        return state.rarities != nullptr && FairCeilings::free_at(state) > now;
    }
    static FairState* of(FairNode* node) { return static_cast<FairState*>(node); }
    static FairState* of(FairLimit* limit) { return static_cast<FairRarities*>(limit)->state; }

    Choice choose(TimeNs now) const noexcept;
    unsigned limit() const noexcept {
        const unsigned least = depth_.probing() ? 1 : least_in_flight();
        return std::min(context_.load.io_limit, std::max(least, depth_.limit()));
    }
    unsigned least_in_flight() const noexcept {
        if (now_ >= shared_until_) return std::max(context_.load.io_throttle, depth_.backlog_limit());
        if (!depth_.shallow(now_)) return std::min(depth_.backlog_limit(), fair_mix());
        return depth_.rarely(now_) ? std::min(depth_.enough(), fair_mix()) : 1;
    }
    /// So many in flight that the group which should be next and has nothing here has its share.
    unsigned fair_mix() const noexcept {
        FairNode* const expected = order_.first_expected();
        if (expected == nullptr) return kMaxInFlight;
        const double in_all = of(expected)->group->issued() * order_.active_weight() / expected->weight;
        return static_cast<unsigned>(std::min<double>(in_all, kMaxInFlight));
    }
    void place(FairState& state, TimeNs now) noexcept;
    FairLimitPlace stand(FairState& state, TimeNs now) noexcept;
    void place_special(FairState& state, TimeNs now) noexcept;
    void guarantee(FairState& state, double floor) noexcept;
    void take_limits(FairState& state, TimeNs now);
    void kin_changed(TimeNs now);
    Choice choose_uncapped(TimeNs now) noexcept;
    bool is_full() const noexcept { return context_.load.issued >= limit(); }
    void give_up(TimeNs now) noexcept;
    std::shared_ptr<FairKin> kin_of(FairState& state);
    void set_busy(FairState& state, bool busy) noexcept;
    void follow_kin(FairState& state) noexcept;
    void note_sharing(Group& group, TimeNs now) noexcept;

    static constexpr double kDebt = 16;  ///< units: nobody gets so far ahead in turn

    const PolicyContext context_;
    FairOrder order_;
    FairCost cost_;
    FairDepth depth_;
    FairLimits limits_;
    FairCeilings ceilings_;
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

}  // namespace bandfs
