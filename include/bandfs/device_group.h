// bandfs/device_group.h - the scheduler that all mounts of one disk share.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>

#include <boost/intrusive/list.hpp>

#include "bandfs/error.h"
#include "bandfs/group.h"
#include "bandfs/load.h"
#include "bandfs/mount_groups.h"
#include "bandfs/settings.h"
#include "bandfs/statistics.h"
#include "bandfs/unit.h"

namespace bandfs {

class GroupPool;
class Policy;
struct PolicyEntry;

/// Device group (`struct banddevice` of dm-band): the conductor. It keeps the queues, the counts and the plug and asks
/// its policy whose turn it is.
///
/// Not thread-safe, its owner holds one lock around every call. No call allocates on the way of a unit (admit,
/// release_next, complete, cancel, expedite); these are noexcept.
///
/// Invariant: when a unit is held, one is in flight, or release_next() would return one, or wakes_at() is not kNever;
/// so who calls release_next() as it asks for leaves nothing held for ever.
class DeviceGroup {
public:
    using GroupList = boost::intrusive::list<
        Group, boost::intrusive::member_hook<Group, boost::intrusive::list_member_hook<>, &Group::device_hook_>>;

    /// nullptr when there is no policy of that name, or a setting is 0 or beyond its bound. io_limit below io_throttle
    /// is raised to it.
    static std::unique_ptr<DeviceGroup> create(const DeviceGroupSettings& settings, std::string_view policy);
    /// The names `create` and `set_policy` take, for help texts and error messages.
    static std::span<const std::string_view> policy_names();
    /// Whether two of these names mean the same rules.
    static bool is_same_policy(std::string_view one, std::string_view other);
    ~DeviceGroup();
    DeviceGroup(const DeviceGroup&) = delete;
    DeviceGroup& operator=(const DeviceGroup&) = delete;

    // The way of a unit.

    /// Takes in an idle unit: issues it at once, or holds it.
    Admission admit(Unit& unit, TimeNs now) noexcept;
    /// The next held unit that is to be issued now, nullptr when there is none. Call until nullptr after admit(), after
    /// complete(), after a control call, after cancel() and expedite(), and at wakes_at(). Costs a comparison when
    /// nothing has to be done.
    Unit* release_next(TimeNs now) noexcept;
    /// Ends an issued unit; frees its group when that was detached and this was its last unit.
    void complete(Unit& unit, TimeNs now, UnitEnd end = UnitEnd::done) noexcept;
    /// Takes a held unit back: it will never be issued.
    void cancel(Unit& unit, TimeNs now) noexcept;
    /// Lets a held unit pass next, whatever its group's tokens and the plug say; it is charged all the same.
    void expedite(Unit& unit, TimeNs now) noexcept;
    /// Whether a unit of this group would have to wait for others to catch up with what the group has had.
    bool in_debt(const Group& group) const noexcept;
    /// Counts what is no unit. Changes nothing else.
    void count(Group& group, const SideStatistics& more) noexcept { group.side_statistics_ += more; }
    /// When release_next() may have something although nothing completes; kNever when only a completion can help.
    TimeNs wakes_at() const noexcept;

    // Control. Each changes all or nothing.

    Error set_io_throttle(std::uint64_t n);                ///< 1 to io_limit
    Error set_io_limit(std::uint64_t n);                   ///< above io_throttle
    Error set_weight(Group& group, std::uint64_t weight);  ///< 1 to kMaxWeight
    Error set_token_base(std::uint64_t tokens);            ///< 1 to kMaxTokenBase
    Error set_held_bytes_limit(std::uint64_t bytes);       ///< 1 to kMaxHeldBytes; what is queued beyond it stays so
    /// Bytes per second guaranteed to a group, and its maximum; 0 for none. invalid when the policy has no such thing
    /// or cannot promise it.
    Error set_floor(Group& group, std::uint64_t bytes_per_second);
    Error set_ceiling(Group& group, std::uint64_t bytes_per_second);
    /// A setting of the policy's own. invalid: it has none of that name, or not with that value.
    Error set_policy_parameter(std::string_view name, std::string_view value);
    /// Its value in force; empty when the policy has none of that name.
    std::string_view policy_parameter(std::string_view name) const;
    /// Units that are held stay held, those in flight stay in flight. invalid: no such policy. busy: groups have
    /// children, a floor or a ceiling, which that policy does not know.
    Error set_policy(std::string_view name, TimeNs now);
    void suspend();  ///< every group goes down: everything held passes
    void resume();
    void reset_statistics();  ///< of all groups and its own

    std::string_view policy_name() const { return policy_name_; }
    std::uint32_t io_throttle() const { return load_.io_throttle; }
    std::uint32_t io_limit() const { return load_.io_limit; }
    std::uint64_t token_base() const { return token_base_; }
    std::uint64_t held_bytes_limit() const { return held_bytes_limit_; }
    std::uint32_t issued() const { return load_.issued; }
    std::uint32_t blocked() const { return load_.blocked; }
    bool plugged() const { return load_.plugged; }
    std::uint64_t epoch() const;  ///< policy `weight`
    /// The sum over all its groups, counted on its own; a detached group takes what it had counted with it.
    const Statistics& statistics() const { return statistics_; }
    /// The weights of all mounts' groups that have no parent, added up; detached groups do not count.
    std::uint64_t total_weight() const;
    /// The policy's own figures by name (for example the epoch, or the depth it has found), for status and metrics.
    void policy_figures(const std::function<void(std::string_view name, double value)>& visit) const;

private:
    friend class MountGroups;
    friend class Group;

    DeviceGroup(const DeviceGroupSettings& settings, const PolicyEntry& policy);

    // How MountGroups brings its groups in and out. All groups are owned here.
    Group& add_group(MountGroups& mount, GroupId id, bool is_default, std::uint32_t weight, Group* parent);
    void remove_group(Group& group);
    /// Detach: removes it as soon as it has no unit.
    void retire_group(Group& group, TimeNs now, std::function<void()> gone);
    void send_down(Group& group, bool Group::*reason);

    bool has_room(const Group& group) const { return !load_.plugged || group.going_down(); }
    void issue(Unit& unit, TimeNs now) noexcept;
    void hold(Unit& unit, TimeNs now) noexcept;
    void take_out(Unit& unit) noexcept;
    void join_queue(Unit& unit) noexcept;
    void queue_waiting(Group& group) noexcept;  ///< as far as the bound on held bytes lets them
    void replug() noexcept;
    void end_pass() noexcept;
    Error set_limits(Group& group, std::uint64_t floor, std::uint64_t ceiling);
    TimeNs seen(TimeNs now) noexcept { return now_ = now > now_ ? now : now_; }

    Load load_;
    bool pass_ = false;      ///< the conductor has been called and has not said "none" yet
    bool retiring_ = false;  ///< a detached group without units is to be removed when the pass ends
    PolicyTraits traits_{};
    std::unique_ptr<GroupPool> pool_;
    std::unique_ptr<Policy> policy_;
    std::string_view policy_name_;
    Statistics statistics_;
    std::uint64_t arrivals_ = 0;     ///< units admitted, numbers them
    std::uint64_t issues_ = 0;       ///< units issued, numbers them
    std::uint64_t switched_at_ = 0;  ///< issues_ when the policy last changed: up to here others charged
    TimeNs now_ = 0;                 ///< the latest `now` it was told
    Group::UnitQueue expedited_;
    GroupList groups_;  ///< in order of attachment, detached ones included until they are freed
    std::uint64_t attachments_ = 0;
    std::uint64_t token_base_;
    std::uint64_t held_bytes_limit_;
};

}  // namespace bandfs
