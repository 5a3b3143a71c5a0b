#include "fuse/data_job_caller.h"

#include <cerrno>
#include <optional>

#include "fuse/filesystem.h"
#include "fuse/request.h"
#include "sys/clock.h"
#include "sys/magic_links.h"

namespace bandfs {
namespace {

CallerIds ids_of(fuse_req* request) {
    const fuse_ctx* context = fuse_req_ctx(request);
    return {context->pid, context->uid, context->gid};
}

/// Whether groups of that type lie within each other.
bool has_ancestors(GroupType type) {
    return type.kind == GroupType::Kind::cgroup || type.kind == GroupType::Kind::cpuset;
}

std::vector<GroupId> copy_of(std::span<const GroupId> ids) {
    return {ids.begin(), ids.end()};
}

/// What of a path is below a directory, "/" in front; empty when nothing is.
std::string path_below(const std::string& directory, const std::string& path) {
    if (directory == "/") return path;
    const bool below = path.size() > directory.size() && path.starts_with(directory) && path[directory.size()] == '/';
    return below ? path.substr(directory.size()) : "";
}

/// Where the file is below SOURCE; empty when that cannot be told.
std::string path_below_source(Filesystem& filesystem, int file) {
    const Result<std::string> path = file < 0 ? Result<std::string>(Errno{EBADF}) : path_of_descriptor(file);
    if (!path) return {};
    if (std::string found = path_below(filesystem.source_path, *path); !found.empty()) return found;
    const Result<std::string> moved = filesystem.tree->path_of_root();
    return moved ? path_below(*moved, *path) : "";
}

CallerLineage lineage_by_rules(Filesystem& filesystem, const CallerIds& caller, std::span<const GroupId> otherwise,
                               int file) {
    // The kernel itself says 0 for all three, and so does root of an outer pid namespace.
    if (caller.tid == 0 && caller.uid == 0 && caller.gid == 0) {
        filesystem.counters.unattributed.fetch_add(1, std::memory_order_relaxed);
        return CallerLineage(copy_of(otherwise));
    }
    const std::shared_ptr<const RuleList> rules = filesystem.rules.get();
    if (!rules || rules->empty()) return {};
    const auto task = rules->asks_task() ? filesystem.callers->match_task(*rules, caller.tid) : std::nullopt;
    const std::string path = rules->asks_path() ? path_below_source(filesystem, file) : std::string();
    const auto id = rules->first(caller, task, path);
    return id ? CallerLineage(*id) : CallerLineage();
}

CallerLineage find_lineage(Filesystem& filesystem, GroupType type, const CallerIds& caller,
                           std::span<const GroupId> otherwise, int file) {
    if (type == GroupType::rules) return lineage_by_rules(filesystem, caller, otherwise, file);
    const std::optional<GroupId> id = filesystem.callers->resolve(type, caller);
    if (!id) {
        filesystem.counters.unattributed.fetch_add(1, std::memory_order_relaxed);
        return CallerLineage(copy_of(otherwise));
    }
    return has_ancestors(type) ? CallerLineage(filesystem.callers->lineage(type, *id)) : CallerLineage(*id);
}

}  // namespace

CallerLineage lineage_of(fuse_req* request, std::span<const GroupId> otherwise, int file) {
    Filesystem& filesystem = filesystem_of(request);
    const GroupType type = filesystem.type.load(std::memory_order_relaxed);
    if (type == GroupType::none) return {};
    CallerLineage lineage = find_lineage(filesystem, type, ids_of(request), otherwise, file);
    if (filesystem.automatic.in_use()) {
        filesystem.automatic.seen(*filesystem.gate, *filesystem.groups, lineage.ids(), now_ns());
    }
    return lineage;
}

bool lineage_needs_file(const Filesystem& filesystem) {
    if (filesystem.type.load(std::memory_order_relaxed) != GroupType::rules) return false;
    const auto rules = filesystem.rules.get();
    return rules && rules->asks_path();
}

void remember_caller(fuse_req* request) {
    Filesystem& filesystem = filesystem_of(request);
    using Kind = GroupType::Kind;
    const Kind kind = filesystem.type.load(std::memory_order_relaxed).kind;
    // Every other type's id is a property of the thread or its process, so the resolver has met it.
    if (kind == Kind::none || kind == Kind::user || kind == Kind::gid || kind == Kind::rules)
        (void)filesystem.callers->resolve(GroupType::pid, ids_of(request));
}

}  // namespace bandfs
