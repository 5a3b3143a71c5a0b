// control/snapshot.h - a mount's numbers at one moment, copied under the gate's lock and formatted outside it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bandfs/group.h"
#include "bandfs/statistics.h"
#include "bandfs/wait_histogram.h"
#include "caller/group_type.h"
#include "control/mount_info.h"
#include "fuse/filesystem.h"
#include "gate/gate.h"

namespace bandfs {

struct GroupSnapshot {
    bool is_default = false;
    GroupId id = 0;  ///< meaningless for the default group
    std::optional<GroupId> parent;
    std::uint32_t weight = 0;
    double share_wanted = 0;    ///< of 1: what the weights grant while every group without children is busy
    std::uint64_t floor = 0;    ///< bytes per second guaranteed, 0: none
    std::uint64_t ceiling = 0;  ///< bytes per second at most, 0: no bound
    std::int64_t tokens = 0;
    std::int64_t token_init = 0;
    std::uint32_t issued = 0;
    std::uint32_t held = 0;
    std::uint64_t held_bytes = 0;
    std::uint64_t dirty_bytes = 0;  ///< written by the group and not on the disk
    bool going_down = false;
    bool is_auto = false;  ///< came into being by itself
    Statistics statistics;
    SideStatistics side_statistics;
    WaitHistogram waits;
};

/// A figure of the policy's own: "depth", "epoch".
struct PolicyFigure {
    std::string_view name;  ///< lives as long as the program
    double value = 0;
};

struct MountSnapshot {
    GroupType type = GroupType::none;
    std::string policy;
    std::uint32_t io_throttle = 0;
    std::uint32_t io_limit = 0;
    std::uint64_t token_base = 0;
    std::uint64_t held_bytes_limit = 0;  ///< of one group
    std::string cost;                    ///< of the policy; empty when it has none
    std::uint32_t issued = 0;
    std::uint32_t blocked = 0;
    bool plugged = false;
    std::uint64_t epoch = 0;
    std::uint64_t total_weight = 0;  ///< of every group of the device group, those of other mounts included
    Statistics device_statistics;
    std::vector<PolicyFigure> figures;
    GateReport gate;  ///< of all mounts of the device group
    // Groups that come into being by themselves (see AutoGroups).
    std::uint32_t auto_weight = 0;
    std::uint32_t auto_max = 0;
    std::uint64_t auto_groups = 0;
    std::uint64_t auto_turned_away = 0;
    std::shared_ptr<const RuleList> rules;  ///< nullptr: there are none
    std::uint64_t unattributed = 0;         ///< requests whose caller has no group id
    // Of the mount's data plane (see DataCounters).
    std::uint64_t cached_reads = 0;
    std::uint64_t cached_bytes = 0;
    std::uint64_t waited_writes = 0;
    std::uint64_t mapped_writes = 0;
    std::uint64_t passed_over_memory = 0;
    std::uint64_t writeback_errors = 0;
    std::uint64_t dirty_bytes = 0;
    std::uint64_t dirty_bound = 0;      ///< of each group
    bool dirty_bound_set = false;       ///< by somebody: none has more
    bool rings = false;                 ///< its requests come over io_uring
    std::vector<GroupSnapshot> groups;  ///< the default group first, then in the order of attachment
};

/// Copies what the scheduler knows of a group; the gate's lock is held.
GroupSnapshot snapshot_of(const Group& group);

/// Copies everything, under the lock once. Takes time in proportion to the number of groups.
MountSnapshot take_snapshot(Filesystem& filesystem);

/// "default", or the id in digits.
std::string id_text(const GroupSnapshot& group);

/// The name of a group's directory in `.bandfs/groups`: "default", what describe_group_id() says where that can be the
/// name of a file, and the id in digits elsewhere (a cgroup's path cannot, its inode number can).
std::string group_directory_name(GroupType type, const std::optional<GroupId>& id);

}  // namespace bandfs
