// caller/resolver.h - from the thread that sent a request to the id of its band group.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "caller/group_type.h"

namespace bandfs {

class RuleList;

/// Who sent a request, as the kernel says: the thread id (0 when unknown), fsuid and fsgid.
struct CallerIds {
    pid_t tid = 0;
    uid_t uid = 0;
    gid_t gid = 0;
};

/// Maps callers to ids. Thread-safe. Bounded in memory and descriptors.
///
/// What is said of a caller is true when it is asked, with these exceptions: its cgroup and cpuset may be those of up
/// to 80 ms ago, its node that of up to a second ago. A caller that ended less than 100 ms after it was last asked
/// about is still known (its asynchronous requests outlive it) unless another task has its number.
class Resolver {
public:
    /// Asks this machine's kernel. Keeps one descriptor per known caller, for at most 16,384 callers and a quarter of
    /// the RLIMIT_NOFILE in force now; the least recently seen are forgotten first.
    static std::unique_ptr<Resolver> create();
    virtual ~Resolver() = default;

    /// The id of this caller's group. nullopt when it cannot be attributed (the caller is gone, has no number here, or
    /// the type is none): the default group's business. A caller without a number still has its user.
    virtual std::optional<std::uint64_t> resolve(GroupType type, const CallerIds& caller) = 0;

    /// This id and those of its ancestors, nearest first: of a cgroup or cpuset the chain to the root, of every other
    /// type the id alone. The first that has a group attached takes the caller.
    virtual std::vector<std::uint64_t> lineage(GroupType type, std::uint64_t id) = 0;

    /// Of type `rules`: which rules' cgroup and program conditions hold for this thread's process, as of at most 80 ms
    /// ago. nullopt: it is gone, or has no number here.
    virtual std::optional<std::uint64_t> match_task(const RuleList&, pid_t) { return std::nullopt; }

    /// Whether the process, or the last of the process group, of that id is gone. False for every other type.
    virtual bool is_gone(GroupType, std::uint64_t) { return false; }

    /// True when nobody waits for this thread's requests any more: its process is gone, or is being killed. A thread
    /// that merely ended, or a process that exits by itself, is not dying: what it left to asynchronous I/O is still
    /// wanted. To tell these apart the thread must have been asked about, here or in resolve(), before it ended; false
    /// otherwise.
    virtual bool dying(pid_t tid) = 0;

    /// Supplementary groups of the caller; empty when it is gone.
    virtual std::vector<gid_t> supplementary_groups(pid_t tid) = 0;
};

}  // namespace bandfs
