// caller/group_table.h - the one table of group types.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "caller/cgroup_members.h"
#include "caller/cgroup_tree.h"
#include "caller/group_type.h"
#include "caller/node_map.h"
#include "caller/resolver.h"
#include "caller/task_cache.h"

namespace bandfs {

/// Whom a row asks when it resolves.
struct CallerSources {
    ProcView& view;
    CgroupTree& cgroups;
    CgroupMembers& members;
    NodeMap& nodes;
    TaskCache& tasks;
};

/// All there is to know of a group type.
struct GroupTypeRow {
    GroupType::Kind kind;
    std::string_view name;
    bool zero_is_an_id;
    std::optional<std::uint64_t> (*resolve)(CallerSources& sources, GroupType type, const CallerIds& caller);
    Parsed<std::uint64_t> (*parse)(ProcView& view, CgroupTree& cgroups, GroupType type, std::string_view text);
    std::string (*describe)(CgroupTree& cgroups, GroupType type, std::uint64_t id);
    std::string_view manual;
};

std::span<const GroupTypeRow> group_type_table();
const GroupTypeRow& row_of(GroupType type);

/// Whether ids of this type are cgroups.
constexpr bool is_cgroup(GroupType type) {
    return type.kind == GroupType::Kind::cgroup || type.kind == GroupType::Kind::cpuset;
}

/// As in group_type.h, of a given view.
Parsed<GroupType> parse_group_type(CgroupTree& cgroups, std::string_view text);
Parsed<std::uint64_t> parse_group_id(ProcView& view, CgroupTree& cgroups, GroupType type, std::string_view text);

/// This machine, shared by the functions of group_type.h and Resolver::create(). Made when first asked for.
ProcView& system_view();
CgroupTree& system_cgroups();

}  // namespace bandfs
