// control/snapshot.cc
#include "control/snapshot.h"

#include <cstddef>
#include <unordered_map>
#include <utility>

namespace bandfs {
namespace {

constexpr std::size_t kMostFigures = 32;  // no policy has as many

/// A parent was attached before its children, so it stands before them.
void add_shares(MountSnapshot& copy) {
    std::unordered_map<GroupId, std::uint64_t> weight_of_children;
    for (const GroupSnapshot& group : copy.groups) {
        if (group.parent) weight_of_children[*group.parent] += group.weight;
    }
    std::unordered_map<GroupId, double> share_of_parent;
    for (GroupSnapshot& group : copy.groups) {
        const double whole = group.parent ? share_of_parent[*group.parent] : 1;
        const std::uint64_t siblings = group.parent ? weight_of_children[*group.parent] : copy.total_weight;
        group.share_wanted = whole * group.weight / static_cast<double>(siblings);
        if (weight_of_children.contains(group.id) && !group.is_default) share_of_parent[group.id] = group.share_wanted;
    }
}

void add_data_plane(const DataPlane& data, MountSnapshot& copy) {
    const DataCounters& counters = data.counters();
    copy.cached_reads = counters.cached_reads.load();
    copy.cached_bytes = counters.cached_bytes.load();
    copy.waited_writes = counters.waited_writes.load();
    copy.mapped_writes = counters.mapped_writes.load();
    copy.passed_over_memory = counters.passed_over_memory.load();
    copy.writeback_errors = counters.writeback_errors.load();
    copy.dirty_bytes = data.dirty_bytes();
    copy.dirty_bound = data.dirty_bound();
    copy.dirty_bound_set = data.is_dirty_bound_set();
    for (GroupSnapshot& group : copy.groups) {
        group.dirty_bytes = data.dirty_bytes(group.is_default ? DirtyOwner() : DirtyOwner(group.id));
    }
}

}  // namespace

GroupSnapshot snapshot_of(const Group& group) {
    GroupSnapshot copy;
    copy.is_default = group.is_default();
    copy.id = group.id();
    if (const Group* const parent = group.parent()) copy.parent = parent->id();
    copy.weight = group.weight();
    copy.floor = group.floor();
    copy.ceiling = group.ceiling();
    copy.tokens = group.tokens();
    copy.token_init = group.token_init();
    copy.issued = group.issued();
    copy.held = group.held();
    copy.held_bytes = group.held_bytes();
    copy.going_down = group.going_down();
    copy.statistics = group.statistics();
    copy.side_statistics = group.side_statistics();
    copy.waits = group.waits();
    return copy;
}

MountSnapshot take_snapshot(Filesystem& filesystem) {
    MountSnapshot copy;
    copy.rings = filesystem.kernel.rings;
    copy.figures.reserve(kMostFigures);
    const MountGroups& groups = *filesystem.groups;
    // Room is made before the lock is taken: nothing is allocated below it. Whoever attaches meanwhile costs a round
    // more.
    bool complete = false;
    while (!complete) {
        const std::size_t needed = filesystem.gate->with([&](DeviceGroup&) { return groups.attached() + 1; });
        copy.groups.reserve(needed);
        complete = filesystem.gate->with([&](DeviceGroup& device_group) {
            if (groups.attached() + 1 > copy.groups.capacity()) return false;
            copy.type = filesystem.type.load();
            copy.policy = device_group.policy_name();
            copy.io_throttle = device_group.io_throttle();
            copy.io_limit = device_group.io_limit();
            copy.token_base = device_group.token_base();
            copy.held_bytes_limit = device_group.held_bytes_limit();
            copy.cost = device_group.policy_parameter("cost");
            copy.issued = device_group.issued();
            copy.blocked = device_group.blocked();
            copy.plugged = device_group.plugged();
            copy.epoch = device_group.epoch();
            copy.total_weight = device_group.total_weight();
            copy.device_statistics = device_group.statistics();
            device_group.policy_figures([&](std::string_view name, double value) {
                if (copy.figures.size() < kMostFigures) copy.figures.push_back({name, value});
            });
            groups.for_each([&](const Group& group) { copy.groups.push_back(snapshot_of(group)); });
            return true;
        });
    }
    copy.gate = filesystem.gate->report();
    add_shares(copy);
    const AutoGroups& automatic = filesystem.automatic;
    copy.auto_weight = automatic.weight();
    copy.auto_max = automatic.most();
    copy.auto_groups = automatic.size();
    copy.auto_turned_away = automatic.turned_away();
    if (automatic.size() != 0) {
        for (GroupSnapshot& group : copy.groups) group.is_auto = !group.is_default && automatic.contains(group.id);
    }
    copy.rules = filesystem.rules.get();
    copy.unattributed = filesystem.counters.unattributed.load();
    if (filesystem.data) add_data_plane(*filesystem.data, copy);
    return copy;
}

std::string id_text(const GroupSnapshot& group) {
    return group.is_default ? "default" : std::to_string(group.id);
}

std::string group_directory_name(GroupType type, const std::optional<GroupId>& id) {
    if (!id) return "default";
    constexpr std::size_t kLongestName = 255;
    std::string name = describe_group_id(type, *id);
    const bool possible = !name.empty() && name.size() <= kLongestName && name.find('/') == std::string::npos &&
                          name != "." && name != ".." && name != "default";
    return possible ? name : std::to_string(*id);
}

}  // namespace bandfs
