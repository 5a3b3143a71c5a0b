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
bool has_ancestors(GroupType type) { return type == GroupType::cgroup || type == GroupType::cpuset; }

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
    switch (filesystem.type.load(std::memory_order_relaxed)) {
    case GroupType::none:
    case GroupType::user:
    case GroupType::gid: (void)filesystem.callers->resolve(GroupType::pid, ids_of(request)); break;
    default: break;  // the id is a property of the thread or its process, so it has been met
    }
}

}  // namespace bandfs
