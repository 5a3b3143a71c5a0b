#include "caller/group_type.h"

#include <algorithm>
#include <array>

#include "caller/group_table.h"
#include "caller/id_text.h"

namespace bandfs {
namespace {

/// The controllers a v1 hierarchy can have, as types; those of Linux, and systemd's hierarchy without a controller. A
/// GroupType says the place in this list, from 1.
constexpr std::array<std::string_view, 16> kControllerTypes{
    "cgroup:blkio",   "cgroup:memory",  "cgroup:cpu",        "cgroup:cpuacct",      "cgroup:cpuset", "cgroup:devices",
    "cgroup:freezer", "cgroup:net_cls", "cgroup:net_prio",   "cgroup:pids",         "cgroup:rdma",   "cgroup:hugetlb",
    "cgroup:misc",    "cgroup:debug",   "cgroup:perf_event", "cgroup:name=systemd",
};
constexpr std::string_view kControllerPrefix = "cgroup:";

/// A list of names as people read it: "a, b or c".
std::string alternatives(const std::vector<std::string_view>& names) {
    std::string text;
    for (std::size_t at = 0; at < names.size(); ++at) {
        if (at > 0) text += at + 1 == names.size() ? " or " : ", ";
        text += names[at];
    }
    return text;
}

}  // namespace

std::optional<GroupType> group_type_named(std::string_view name) {
    for (const GroupTypeRow& row : group_type_table())
        if (row.name == name) return GroupType{row.kind};
    const auto controller = std::find(kControllerTypes.begin(), kControllerTypes.end(), name);
    if (controller == kControllerTypes.end()) return std::nullopt;
    return GroupType{GroupType::Kind::cgroup, static_cast<std::uint8_t>(controller - kControllerTypes.begin() + 1)};
}

std::string_view name_of(GroupType type) {
    return type.controller == 0 ? row_of(type).name : kControllerTypes[type.controller - 1U];
}

std::string_view controller_of(GroupType type) {
    return type.controller == 0 ? std::string_view() : name_of(type).substr(kControllerPrefix.size());
}

std::vector<std::string_view> group_type_names() {
    std::vector<std::string_view> names;
    for (const GroupTypeRow& row : group_type_table()) names.push_back(row.name);
    return names;
}

Parsed<GroupType> parse_group_type(CgroupTree& cgroups, std::string_view text) {
    const auto type = group_type_named(text);
    if (type && is_cgroup(*type) && !cgroups.is_mounted(*type)) return not_mounted(*type);
    if (type) return *type;
    if (text.starts_with(kControllerPrefix))
        return ParseError{EINVAL, quoted(text) + " names no controller of cgroup v1 (one would be cgroup:blkio)"};
    return ParseError{EINVAL, quoted(text) + " is no type: those are " + alternatives(group_type_names())};
}

Parsed<std::uint64_t> parse_group_id(ProcView& view, CgroupTree& cgroups, GroupType type, std::string_view text) {
    return row_of(type).parse(view, cgroups, type, text);
}

Parsed<GroupType> parse_group_type(std::string_view text) {
    return parse_group_type(system_cgroups(), text);
}

Parsed<std::uint64_t> parse_group_id(GroupType type, std::string_view text) {
    return parse_group_id(system_view(), system_cgroups(), type, text);
}

std::string describe_group_id(GroupType type, std::uint64_t id) {
    return row_of(type).describe(system_cgroups(), type, id);
}

bool zero_is_a_group_id(GroupType type) {
    return row_of(type).zero_is_an_id;
}

std::string_view manual_of(GroupType type) {
    return row_of(type).manual;
}

ProcView& system_view() {
    static const std::unique_ptr<ProcView> view = make_system_view();
    return *view;
}

CgroupTree& system_cgroups() {
    static CgroupTree cgroups(system_view());
    return cgroups;
}

}  // namespace bandfs
