#include "caller/group_table.h"

#include <algorithm>
#include <array>
#include <cassert>

#include "caller/id_text.h"
#include "caller/rules.h"
#include "caller/task_text.h"
#include "sys/clock.h"

namespace bandfs {
namespace {

using Id = std::optional<std::uint64_t>;
using Kind = GroupType::Kind;

/// A move between cgroups has to show within 100 ms; what is left of that is for the request's way here.
constexpr TimeNs kCgroupTrust = 80 * kMillisecond;
/// Asking costs two files of /proc, and a thread that may run anywhere changes its node often and for no reason of its
/// own.
constexpr TimeNs kNodeTrust = kSecond;

constexpr std::uint64_t kLargestPid = 4'194'304;      // PID_MAX_LIMIT of the kernel
constexpr std::uint64_t kLargestNode = 1023;          // CONFIG_NODES_SHIFT is 10 at most
constexpr std::uint64_t kLargestUid = 4'294'967'294;  // the one above is no user, for the kernel

Id resolve_none(CallerSources&, GroupType, const CallerIds&) {
    return std::nullopt;
}

Id resolve_pid(CallerSources& sources, GroupType, const CallerIds& caller) {
    const auto process = sources.tasks.process(caller.tid);
    if (!process) return std::nullopt;
    return static_cast<std::uint64_t>(*process);
}

/// No cache: the one call is cheaper, and right at this moment.
Id resolve_pgrp(CallerSources& sources, GroupType, const CallerIds& caller) {
    if (caller.tid <= 0) return std::nullopt;  // getpgid(0) would be our own
    const Result<pid_t> group = sources.view.process_group(caller.tid);
    if (!group || *group <= 0) return std::nullopt;  // 0: its number is not one of our pid namespace
    return static_cast<std::uint64_t>(*group);
}

TaskCache::Reading read_node(void* context, GroupType, const KnownTask& task, const TaskCache::Reading&, TimeNs now) {
    return {static_cast<CallerSources*>(context)->nodes.node_of(task.tid), now};
}

Id resolve_node(CallerSources& sources, GroupType type, const CallerIds& caller) {
    if (caller.tid > 0 && sources.nodes.only_node()) return sources.nodes.only_node();
    return sources.tasks.property(caller.tid, type, kNodeTrust, read_node, &sources);
}

Id id_at(CallerSources& sources, GroupType type, std::string_view path) {
    const Result<std::uint64_t> id = sources.cgroups.id_at(type, path);
    return id ? Id(*id) : std::nullopt;
}

/// What a thread on its way out was in is not told any more: its files say "/".
bool has_left(CallerSources& sources, pid_t tid) {
    const Result<std::string> text = sources.view.read_task(tid, TaskFile::stat);
    const auto stat = text ? parse_stat(*text) : std::nullopt;
    return stat && stat->exiting;
}

/// The id by way of the path that a file of /proc has.
Id id_read(CallerSources& sources, GroupType type, pid_t tid) {
    const TaskFile file = type == GroupType::cpuset ? TaskFile::cpuset : TaskFile::cgroup;
    const Result<std::string> text = sources.view.read_task(tid, file);
    if (!text) return std::nullopt;
    const auto path = type == GroupType::cpuset ? std::string_view(*text).substr(0, text->find('\n'))
                                                : cgroup_path(*text, controller_of(type));
    if (!path || (*path == "/" && has_left(sources, tid))) return std::nullopt;
    return id_at(sources, type, *path);
}

/// Three ways, the cheapest first: the kernel tells the id of a v2 cgroup, whose path is asked for once per cgroup, for
/// lineage(); the thread is on the list of the cgroup that it was in before; its own file.
TaskCache::Reading read_cgroup(void* context, GroupType type, const KnownTask& task, const TaskCache::Reading& before,
                               TimeNs now) {
    auto& sources = *static_cast<CallerSources*>(context);
    if (type == GroupType::cgroup && task.descriptor) {
        const Result<TaskInfo> info = sources.view.info(task.descriptor);
        if (const Id told = info ? info->cgroup : std::nullopt) {
            if (!sources.cgroups.knows(type, *told) && id_read(sources, type, task.tid) != told)
                sources.cgroups.note_unseen(type, *told);
            return {told, now};
        }
    }
    if (before.value) {
        const auto seen = sources.members.seen_in(type, *before.value, task.tid, now, kCgroupTrust);
        if (seen) return {before.value, *seen};
    }
    const Id read = id_read(sources, type, task.tid);
    return {read || !has_left(sources, task.tid) ? read : before.value, now};
}

Id resolve_cgroup(CallerSources& sources, GroupType type, const CallerIds& caller) {
    return sources.tasks.property(caller.tid, type, kCgroupTrust, read_cgroup, &sources);
}

Id resolve_user(CallerSources&, GroupType, const CallerIds& caller) {
    if (caller.uid > kLargestUid) return std::nullopt;
    return caller.uid;
}

Id resolve_gid(CallerSources&, GroupType, const CallerIds& caller) {
    if (caller.gid > kLargestUid) return std::nullopt;
    return caller.gid;
}

Parsed<std::uint64_t> parse_none(ProcView&, CgroupTree&, GroupType, std::string_view text) {
    return ParseError{EINVAL, "type none has no ids, so " + quoted(text) + " is none"};
}

Parsed<std::uint64_t> parse_pid(ProcView&, CgroupTree&, GroupType, std::string_view text) {
    return id_between(text, 1, kLargestPid, "a process id");
}

Parsed<std::uint64_t> parse_pgrp(ProcView&, CgroupTree&, GroupType, std::string_view text) {
    return id_between(text, 1, kLargestPid, "a process group id");
}

Parsed<std::uint64_t> parse_node(ProcView&, CgroupTree&, GroupType, std::string_view text) {
    return id_between(text, 0, kLargestNode, "a node number");
}

Parsed<std::uint64_t> parse_cgroup(ProcView&, CgroupTree& cgroups, GroupType type, std::string_view text) {
    return parse_cgroup_id(cgroups, type, text);
}

Parsed<std::uint64_t> parse_user(ProcView& view, CgroupTree&, GroupType, std::string_view text) {
    if (is_number_like(text)) return id_between(text, 0, kLargestUid, "a user id");
    return named_id(text, "user", [&](const std::string& name) { return view.user_named(name); });
}

Parsed<std::uint64_t> parse_gid(ProcView& view, CgroupTree&, GroupType, std::string_view text) {
    if (is_number_like(text)) return id_between(text, 0, kLargestUid, "a group id");
    return named_id(text, "group", [&](const std::string& name) { return view.group_named(name); });
}

/// The list that decides is the mount's: see Resolver::match_task().
Id resolve_rules(CallerSources&, GroupType, const CallerIds&) {
    return std::nullopt;
}

Parsed<std::uint64_t> parse_rules_id(ProcView&, CgroupTree&, GroupType, std::string_view text) {
    if (!is_number_like(text)) return rule_group_id(text);
    const Parsed<std::uint64_t> id = id_between(text, 1, UINT64_MAX, "a group's number");
    if (id && is_number_like(rule_group_name(*id))) return ParseError{EINVAL, quoted(text) + " is no group's number"};
    return id;
}

std::string describe_rules(CgroupTree&, GroupType, std::uint64_t id) {
    return rule_group_name(id);
}

std::string describe_number(CgroupTree&, GroupType, std::uint64_t id) {
    return std::to_string(id);
}

std::string describe_cgroup(CgroupTree& cgroups, GroupType type, std::uint64_t id) {
    return cgroups.path_of(type, id).value_or(std::to_string(id));
}

constexpr std::array kTable{
    GroupTypeRow{Kind::none, "none", false, resolve_none, parse_none, describe_number,
                 "Callers are not told apart: all of them are in the default group."},
    GroupTypeRow{Kind::pid, "pid", false, resolve_pid, parse_pid, describe_number,
                 "The process of the caller, whichever of its threads asks."},
    GroupTypeRow{Kind::pgrp, "pgrp", false, resolve_pgrp, parse_pgrp, describe_number,
                 "The process group of the caller, as a shell makes for each pipeline."},
    GroupTypeRow{
        Kind::node, "node", true, resolve_node, parse_node, describe_number,
        "The NUMA node that the caller may allocate memory on when that is one, otherwise the node that it runs "
        "on; a change is seen within a second."},
    GroupTypeRow{
        Kind::cpuset, "cpuset", false, resolve_cgroup, parse_cgroup, describe_cgroup,
        "The cpuset of the caller, by its path or by the inode number of its directory, in the v1 hierarchy where "
        "cpuset is one and in v2 otherwise; a group takes the descendants that have none of their own."},
    GroupTypeRow{
        Kind::cgroup, "cgroup", false, resolve_cgroup, parse_cgroup, describe_cgroup,
        "The cgroup of the caller, by its path (/user.slice) or its id (the inode number of its directory), in v2, "
        "or with cgroup:CONTROLLER in the v1 hierarchy of that controller; a group takes the descendants that have "
        "none of their own, and a process that moves is charged to the new one within 100 ms."},
    GroupTypeRow{Kind::user, "user", true, resolve_user, parse_user, describe_number,
                 "The file system user of the caller (see setfsuid(2)), by number or name; 0 is root."},
    GroupTypeRow{Kind::gid, "gid", true, resolve_gid, parse_gid, describe_number,
                 "The file system group of the caller (see setfsgid(2)), by number or name."},
    GroupTypeRow{Kind::rules, "rules", false, resolve_rules, parse_rules_id, describe_rules,
                 "The named group that the first rule gives which applies to the caller and the file: by user, group, "
                 "cgroup, program and path."},
};

}  // namespace

std::span<const GroupTypeRow> group_type_table() {
    return kTable;
}

const GroupTypeRow& row_of(GroupType type) {
    const auto& row = kTable[static_cast<std::size_t>(type.kind)];
    assert(row.kind == type.kind);
    return row;
}

}  // namespace bandfs
