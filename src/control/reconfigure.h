// control/reconfigure.h - brings running mounts to what a configuration says: everything, or nothing.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bandfs/settings.h"
#include "caller/group_type.h"
#include "control/messages.h"
#include "fuse/filesystem.h"

namespace bandfs {

/// A group as a configuration describes it: what it does not say is at its default.
struct WantedGroup {
    GroupId id = 0;
    std::optional<GroupId> parent;
    std::uint64_t weight = kDefaultWeight;
    std::uint64_t min = 0;  ///< bytes per second
    std::uint64_t max = 0;  ///< bytes per second
    std::optional<uid_t> owner;
};

/// What a configuration says of a mount's groups. Absent: it says nothing.
struct WantedGroups {
    GroupType type = GroupType::none;
    std::optional<std::uint64_t> weight;  ///< of the default group, as the next two
    std::optional<std::uint64_t> min;
    std::optional<std::uint64_t> max;
    std::vector<WantedGroup> groups;           ///< a parent before its children
    std::optional<std::uint32_t> auto_weight;  ///< see AutoGroups, as the next
    std::optional<std::uint32_t> auto_max;
    std::shared_ptr<const RuleList> rules;  ///< nullptr: it says nothing
};

/// What a configuration says of a device group.
struct WantedScheduler {
    std::optional<std::string> policy;
    std::optional<std::string> cost;
    std::optional<std::uint32_t> io_throttle;
    std::optional<std::uint32_t> io_limit;
    std::optional<std::uint64_t> token;
    std::optional<std::uint64_t> held_max_mib;  ///< of one group

    /// `settings` with what it says in place of them; a high mark below the low one is raised to it.
    DeviceGroupSettings over(DeviceGroupSettings settings) const;
};

/// A mount of the device group, and what was and is to be configured. The same twice: it stays as it is.
struct MountChange {
    std::string name;  ///< for people
    Filesystem* filesystem = nullptr;
    GroupOwners* owners = nullptr;  ///< nullptr: nobody asks for them
    const WantedGroups* before = nullptr;
    const WantedGroups* after = nullptr;
    std::vector<std::string> changes;  ///< out: what was not yet so, "group 1000: weight 100 -> 300"
};

/// Compares `mounts`, which are all that the device group has, with what is to be. With `apply` it makes them so, and a
/// request that is held or in flight meanwhile stays so, or passes when its group goes.
///
/// Groups that `before` has and `after` has not go; groups that neither has (they came by message) stay. Returns why it
/// cannot be, as a sentence: then nothing has changed. Requires that no message is applied meanwhile.
/// `ret_changes`: what changes of the device group itself.
std::string reconfigure(Gate& gate, const WantedScheduler& scheduler, std::span<MountChange> mounts, bool apply,
                        std::vector<std::string>& ret_changes);

/// Why a new device group could not be set up like that, empty when it can.
std::string why_impossible(const WantedScheduler& scheduler, const WantedGroups& groups);

}  // namespace bandfs
