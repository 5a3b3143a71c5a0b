// caller/resolver.h - from the thread that sent a request to the id of its band group.
//
// CONTRACT SKETCH: src/caller's author completes this header; what other rooms use is what is declared here.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sys/result.h"

namespace bandfs {

/// Who sent a request, as the kernel says: the thread id (0 when unknown), fsuid and fsgid.
struct CallerIds {
    pid_t tid = 0;
    uid_t uid = 0;
    gid_t gid = 0;
};

/// Which property of the caller is its group id.
enum class GroupType { none, pid, pgrp, node, cpuset, cgroup, user, gid };

/// The name of a type in options, messages and status; nullopt for a name that is none.
std::optional<GroupType> group_type_named(std::string_view name);
std::string_view name_of(GroupType type);
std::vector<std::string_view> group_type_names();

/// An id as written in an option or message ("1000", "alice", "/user.slice") to a number for that type.
/// EINVAL: no such user, cgroup, or a number that does not fit the type.
Result<std::uint64_t> parse_group_id(GroupType type, std::string_view text);
/// The other way, for people: "1000" or "/user.slice/x".
std::string describe_group_id(GroupType type, std::uint64_t id);

/// Maps callers to ids. Thread-safe. Bounded in memory and descriptors.
class Resolver {
public:
    static std::unique_ptr<Resolver> create();
    virtual ~Resolver() = default;

    /// The id of this caller's group. nullopt when it cannot be attributed (the caller is gone, has no number here, or
    /// the type is none): the default group's business.
    virtual std::optional<std::uint64_t> resolve(GroupType type, const CallerIds& caller) = 0;

    /// This id and those of its ancestors, nearest first: of a cgroup or cpuset the chain to the root, of every other type
    /// the id alone. The first that has a group attached takes the caller.
    virtual std::vector<std::uint64_t> lineage(GroupType type, std::uint64_t id) = 0;

    /// True when this thread is gone or has a SIGKILL pending: nobody waits for its request any more.
    virtual bool dying(pid_t tid) = 0;

    /// Supplementary groups of the caller; empty when it is gone.
    virtual std::vector<gid_t> supplementary_groups(pid_t tid) = 0;
};

}  // namespace bandfs
