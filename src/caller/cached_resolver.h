// caller/cached_resolver.h - the Resolver, over any view of the world.
#pragma once

#include <memory>

#include "caller/group_table.h"
#include "caller/resolver.h"

namespace bandfs {

/// The only Resolver there is: asks the row of the type, over a cache of `callers` threads.
class CachedResolver final : public Resolver {
public:
    /// Keeps `view` and `cgroups`.
    CachedResolver(ProcView& view, CgroupTree& cgroups, std::size_t callers);

    std::optional<std::uint64_t> resolve(GroupType type, const CallerIds& caller) override;
    std::vector<std::uint64_t> lineage(GroupType type, std::uint64_t id) override;
    std::optional<std::uint64_t> match_task(const RuleList& rules, pid_t tid) override;
    bool is_gone(GroupType type, std::uint64_t id) override;
    bool dying(pid_t tid) override;
    std::vector<gid_t> supplementary_groups(pid_t tid) override;

private:
    bool is_ending(pid_t tid);

    ProcView& view_;
    CgroupTree& cgroups_;
    NodeMap nodes_;
    CgroupMembers members_;
    TaskCache tasks_;
    CallerSources sources_;
};

}  // namespace bandfs
