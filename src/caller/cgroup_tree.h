// caller/cgroup_tree.h - cgroups by path and by id, and who is above whom.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "caller/group_type.h"
#include "caller/proc_view.h"
#include "caller/task_text.h"

namespace bandfs {

/// The name /proc/TID/cgroup has for the hierarchy of a type cgroup; "" for v2.
std::string_view controller_of(GroupType type);

/// The cgroup hierarchies that are mounted here. Thread-safe.
///
/// Types are `cgroup` (v2), a v1 hierarchy, or `cpuset`: the v1 hierarchy with that controller where there is one, else
/// v2. An id is the inode number of the cgroup's directory, which v2 calls the cgroup's id; it is never used twice, and
/// the ancestors of a cgroup never change: what is once known of an id stays true. Only its own name may (v1 renames),
/// so a path is looked at again before it is given out.
class CgroupTree {
public:
    /// Keeps `view`.
    explicit CgroupTree(ProcView& view);

    /// Whether the hierarchy of this type is mounted. A hierarchy that is not is looked for again, at most each second.
    bool is_mounted(GroupType type);
    /// The id of the cgroup at this path, written as in /proc/TID/cgroup. ENODEV: the hierarchy is not mounted;
    /// ENOENT: no such cgroup, or none that can be seen from here.
    Result<std::uint64_t> id_at(GroupType type, std::string_view path);
    /// Whether lineage() of this id needs no system call.
    bool knows(GroupType type, std::uint64_t id) const;
    /// That this id could not be found now: lineage() does not look for it again for a second.
    void note_unseen(GroupType type, std::uint64_t id);
    /// nullopt: no such cgroup.
    std::optional<std::string> path_of(GroupType type, std::uint64_t id);
    /// The file that lists the threads of this cgroup. nullopt: no such cgroup, or type cpuset in v2, where the cpuset
    /// of a thread is often that of a cgroup above its own.
    std::optional<std::string> members_file(GroupType type, std::uint64_t id);
    /// The id, its parent's, and so on to the root; the id alone when there is no such cgroup.
    std::vector<std::uint64_t> lineage(GroupType type, std::uint64_t id);

private:
    struct Key {
        GroupType type;
        std::uint64_t id;
        friend bool operator==(const Key&, const Key&) = default;
    };
    struct KeyHash {
        std::size_t operator()(const Key& key) const;
    };
    struct Node {
        std::string path;
        std::vector<std::uint64_t> lineage;
        TimeNs unseen_until = kNever;  // of a cgroup that was not found: when to look again
    };
    using Mounts = std::vector<CgroupMount>;

    std::shared_ptr<const Mounts> mounts_with(GroupType type);
    void insert(GroupType type, std::uint64_t id, Node node);
    void remember(GroupType type, std::uint64_t id, const CgroupMount& mount, std::string_view path);

    ProcView& view_;

    mutable std::shared_mutex mutex_;  // guards the rest; no system call inside
    std::shared_ptr<const Mounts> mounts_;
    TimeNs mounts_read_at_ = 0;
    std::unordered_map<Key, Node, KeyHash> nodes_;
};

}  // namespace bandfs
