// band/policy.h - what a policy decides and what it is told.
//
// The device group (device_group.cc, the conductor) keeps queues, counts and the plug. The policy says whose turn
// it is:
//
//   admit        arrived() ; nothing of the group held, and room?
//                  yes: may_submit()?   yes: charge(), issued at once
//                                       no:  fewer than io_throttle in flight: restart(&group), and may_submit()
//                                            once more
//                  else the unit joins its group's queue: held()
//   release_next pick() until it says nullptr: each unit it names leaves its queue, then charge() and released()
//                  nullptr, some held, not plugged, fewer than io_throttle in flight: restart(nullptr), and
//                  pick() again
//   complete     discharge(), when this policy charged the unit
//   cancel       withdrawn(), after the unit left its queue (also what an expedited unit does before its charge())
//
// All calls between arrived() and discharge() are on the way of a unit: no allocation, no exception, O(log n).
// Counts (Load, Group::held() ...) are up to date before a hook is called.
#pragma once

#include <cstdint>
#include <functional>
#include <new>
#include <string_view>
#include <utility>

#include "bandfs/device_group.h"
#include "bandfs/error.h"
#include "bandfs/group.h"
#include "bandfs/unit.h"

namespace bandfs {

/// What a policy may look at beside the groups that it is told of. Lives as long as the device group.
struct PolicyContext {
    const Load& load;
    const std::uint64_t& token_base;
    DeviceGroup::GroupList& groups;  ///< all, in order of attachment
};

/// Decides whose unit is next. Guarded by the device group's lock; made by policy_table.h.
///
/// Its state of each group lives inside the group (place_state), so that a unit finds it beside the group's counts:
/// made in group_added(), destroyed in group_removed().
class Policy {
public:
    virtual ~Policy() = default;
    Policy(const Policy&) = delete;
    Policy& operator=(const Policy&) = delete;

    virtual PolicyTraits traits() const = 0;

    // Groups. A policy that takes over from another gets group_added() for each group, held units in its queues and
    // units in flight included, in order of attachment.

    virtual void group_added(Group& group, TimeNs now) = 0;
    virtual void group_removed(Group& group,
                               TimeNs now) = 0;  ///< nothing of it is held or in flight, or the policy changes
    virtual void reweighted(Group& group, std::uint32_t old_weight, TimeNs now) = 0;
    virtual void token_base_changed() {}
    virtual void depth_changed() {}                                 ///< io_throttle or io_limit
    virtual void going_down_changed(Group& group, TimeNs now) = 0;  ///< to or from Group::going_down()
    /// Asked before a floor or ceiling is changed; then, when it says none, they are set and limits_changed() follows.
    virtual Error may_limit(const Group&, std::uint64_t /*floor*/, std::uint64_t /*ceiling*/) const {
        return Error::invalid;
    }
    virtual void limits_changed(Group&, TimeNs) {}
    virtual Error set_parameter(std::string_view /*name*/, std::string_view /*value*/) { return Error::invalid; }
    /// Empty: it has none of that name.
    virtual std::string_view parameter(std::string_view /*name*/) const { return {}; }

    // The way of a unit.

    /// A unit came, before anything is decided about it. Its group may have been asleep.
    virtual void arrived(Group&, const Unit&, TimeNs) noexcept {}
    /// Whether this unit, of a group with nothing held, may be issued now. (The plug is the conductor's business.)
    virtual bool may_submit(const Group& group, const Unit& unit, TimeNs now) const noexcept = 0;
    /// The unit has joined its group's queue (or what waits behind its byte bound).
    virtual void held(Group& group, Unit& unit, TimeNs now) noexcept = 0;
    /// The unit to be released now: Group::front() of some group. nullptr: none now. Keeps to the plug: when it is in,
    /// only groups that go down have units to release.
    virtual Unit* pick(TimeNs now) noexcept = 0;
    /// The unit is being issued, whether chosen, immediate or expedited. Sets unit.charge.
    virtual void charge(Group& group, Unit& unit, TimeNs now) noexcept = 0;
    /// After charge(), for a unit that pick() named.
    virtual void released(Group&, Unit&, TimeNs) noexcept {}
    /// The unit has left its queue without being picked.
    virtual void withdrawn(Group& group, Unit& unit, TimeNs now) noexcept = 0;
    /// A unit that this policy charged is done: unit.issued_at to `now` is what it took. Group::issued() is already
    /// less.
    virtual void discharge(Group& group, const Unit& unit, TimeNs now) noexcept = 0;
    /// The disk runs short of units although some wait (`starved` nullptr), or this group's unit could be issued but
    /// for its tokens. True when it has changed something so that asking again makes sense.
    virtual bool restart(Group* starved, TimeNs now) noexcept = 0;
    /// When pick() may have something although nothing happens until then.
    virtual TimeNs wakes_at() const noexcept { return kNever; }

    /// Whether the group has had more than its share, by units that passed out of turn, and has not waited for it yet.
    virtual bool in_debt(const Group&) const noexcept { return false; }

    // For status.

    virtual std::uint64_t epoch() const { return 0; }
    virtual std::int64_t tokens(const Group&) const { return 0; }
    virtual std::int64_t token_init(const Group&) const { return 0; }
    virtual void figures(const std::function<void(std::string_view name, double value)>&) const {}

protected:
    Policy() = default;

    /// Makes the policy's state of a group, in the group.
    template <typename State, typename... Arguments>
    static State& place_state(Group& group, Arguments&&... arguments) {
        static_assert(sizeof(State) <= Group::kPolicyStateBytes && alignof(State) <= 16);
        return *::new (group.policy_state()) State(std::forward<Arguments>(arguments)...);
    }
    template <typename State>
    static State& state_of(Group& group) {
        return *std::launder(static_cast<State*>(group.policy_state()));
    }
    template <typename State>
    static const State& state_of(const Group& group) {
        return *std::launder(static_cast<const State*>(group.policy_state()));
    }
    template <typename State>
    static void drop_state(Group& group) {
        state_of<State>(group).~State();
    }
};

}  // namespace bandfs
