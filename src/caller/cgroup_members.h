// caller/cgroup_members.h - looking again at the cgroups of many threads at once.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "caller/cgroup_tree.h"
#include "caller/group_type.h"
#include "caller/proc_view.h"

namespace bandfs {

/// The lists of threads of those cgroups that many callers are in. Thread-safe.
///
/// A thread's own /proc/TID/cgroup costs about 10 us, which for 10,000 callers every 80 ms is more than a processor;
/// the list of a cgroup costs about 0.4 us for each thread in it. So once several callers of a cgroup are due, its list
/// is read, and whoever is on it has not moved. A list is read only after a number of callers in proportion to its
/// length has asked: in a cgroup with many threads of which few are callers it is never read again.
class CgroupMembers {
public:
    /// Keeps `view` and `cgroups`.
    CgroupMembers(ProcView& view, CgroupTree& cgroups) : view_(view), cgroups_(cgroups) {}

    /// When this thread, alive all the while, was last seen in that cgroup, at most `trust` ago. nullopt: ask the
    /// thread.
    std::optional<TimeNs> seen_in(GroupType type, std::uint64_t id, pid_t tid, TimeNs now, TimeNs trust);

private:
    struct Roster {
        std::vector<pid_t> tids;  // in order
        TimeNs read_at = 0;
        TimeNs asked_since = 0;
        std::size_t asked = 0;  // since then, in vain
    };
    bool read(GroupType type, std::uint64_t id, Roster& roster, TimeNs now);

    ProcView& view_;
    CgroupTree& cgroups_;

    std::mutex mutex_;  // held while a list is read; who finds it taken does not wait
    std::map<std::pair<std::uint16_t, std::uint64_t>, Roster> rosters_;
};

}  // namespace bandfs
