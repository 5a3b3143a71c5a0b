#include "caller/cached_resolver.h"

#include <algorithm>

#include "caller/rules.h"
#include "caller/task_text.h"
#include "sys/daemon.h"

namespace bandfs {
namespace {

/// 10,000 live callers, and room for those that have just gone. About 0.4 KiB each, and a descriptor.
constexpr std::size_t kMostCallers = 16'384;
/// The other half of the descriptors is for files.
constexpr std::size_t kPartOfDescriptors = 2;

/// A move between cgroups has to show within 100 ms; so does another program.
constexpr TimeNs kRulesTrust = 80 * kMillisecond;

/// Whom and what a reading of the rules' conditions needs.
struct RuleSources {
    ProcView& view;
    const RuleList& rules;
};

TaskCache::Reading read_rules(void* context, GroupType, const KnownTask& task, const TaskCache::Reading&, TimeNs now) {
    const auto& [view, rules] = *static_cast<RuleSources*>(context);
    const Result<std::string> cgroup = view.read_task(task.tid, TaskFile::cgroup);
    const Result<std::string> program = view.read_task(task.process, TaskFile::program);
    if (!cgroup && !program) return {std::nullopt, now};
    const auto path = cgroup ? cgroup_path(*cgroup, "") : std::nullopt;
    const std::string_view name = program ? std::string_view(*program) : std::string_view();
    return {rules.match_task(path.value_or(""), name.substr(0, name.find('\n'))), now};
}

std::size_t affordable_callers() {
    return std::min<std::size_t>(kMostCallers, descriptor_limit() / kPartOfDescriptors);
}

}  // namespace

std::unique_ptr<Resolver> Resolver::create() {
    return std::make_unique<CachedResolver>(system_view(), system_cgroups(), affordable_callers());
}

CachedResolver::CachedResolver(ProcView& view, CgroupTree& cgroups, std::size_t callers)
    : view_(view),
      cgroups_(cgroups),
      nodes_(view),
      members_(view, cgroups),
      tasks_(view, callers),
      sources_{view_, cgroups_, members_, nodes_, tasks_} {}

std::optional<std::uint64_t> CachedResolver::resolve(GroupType type, const CallerIds& caller) {
    return row_of(type).resolve(sources_, type, caller);
}

std::vector<std::uint64_t> CachedResolver::lineage(GroupType type, std::uint64_t id) {
    if (!is_cgroup(type)) return {id};
    return cgroups_.lineage(type, id);
}

std::optional<std::uint64_t> CachedResolver::match_task(const RuleList& rules, pid_t tid) {
    RuleSources sources{view_, rules};
    return tasks_.property(tid, {GroupType::Kind::rules, rules.number()}, kRulesTrust, read_rules, &sources);
}

bool CachedResolver::is_gone(GroupType type, std::uint64_t id) {
    if (type == GroupType::pid) return view_.process_group(static_cast<pid_t>(id)).code() == ESRCH;
    return type == GroupType::pgrp && !view_.has_process_group(static_cast<pid_t>(id));
}

bool CachedResolver::dying(pid_t tid) {
    const auto seen = tasks_.last_known(tid);
    if (!seen) return false;
    return is_ending(seen->gone ? seen->process : tid);
}

/// A thread that ends because its process is killed, and not by itself. All threads of a process that is being killed
/// have SIGKILL pending until they act on it, when they become "exiting, signalled".
bool CachedResolver::is_ending(pid_t tid) {
    const Result<std::string> text = view_.read_task(tid, TaskFile::stat);
    const auto stat = text ? parse_stat(*text) : std::nullopt;
    // A file that cannot be read need not mean that there is nobody (hidepid); the call says so.
    if (!stat) return view_.process_group(tid).code() == ESRCH;
    if (stat->kill_pending || (stat->exiting && stat->signalled)) return true;
    if (stat->state == 'Z' || stat->state == 'X')
        return stat->threads <= 1;  // else the first thread left before others
    if (!stat->exiting) return false;
    // It exits and waits for its own I/O; SIGKILL can only be put before the process now, which `stat` does not show.
    const Result<std::string> status = view_.read_task(tid, TaskFile::status);
    return status && status_kill_pending(*status);
}

std::vector<gid_t> CachedResolver::supplementary_groups(pid_t tid) {
    if (tid <= 0) return {};
    const Result<std::string> status = view_.read_task(tid, TaskFile::status);
    return status ? status_groups(*status) : std::vector<gid_t>{};
}

}  // namespace bandfs
