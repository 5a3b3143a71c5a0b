#include "fuse/data_job_caller.h"

#include <optional>

#include "fuse/filesystem.h"
#include "fuse/request.h"

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

}  // namespace

CallerLineage lineage_of(fuse_req* request, std::span<const GroupId> otherwise) {
    Filesystem& filesystem = filesystem_of(request);
    const GroupType type = filesystem.type.load(std::memory_order_relaxed);
    if (type == GroupType::none) return {};
    const std::optional<GroupId> id = filesystem.callers->resolve(type, ids_of(request));
    if (!id) {
        filesystem.counters.unattributed.fetch_add(1, std::memory_order_relaxed);
        return CallerLineage(std::vector<GroupId>(otherwise.begin(), otherwise.end()));
    }
    return has_ancestors(type) ? CallerLineage(filesystem.callers->lineage(type, *id)) : CallerLineage(*id);
}

void remember_caller(fuse_req* request) {
    Filesystem& filesystem = filesystem_of(request);
    using Kind = GroupType::Kind;
    const Kind kind = filesystem.type.load(std::memory_order_relaxed).kind;
    // Every other type's id is a property of the thread or its process, so the resolver has met it.
    if (kind == Kind::none || kind == Kind::user || kind == Kind::gid)
        (void)filesystem.callers->resolve(GroupType::pid, ids_of(request));
}

}  // namespace bandfs
