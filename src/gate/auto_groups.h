// gate/auto_groups.h - groups that come into being with the first request of a caller, and leave when nobody uses them.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <shared_mutex>
#include <span>
#include <unordered_map>
#include <utility>

#include "bandfs/mount_groups.h"
#include "gate/gate.h"

namespace bandfs {

/// The groups of one mount that were attached by themselves. Thread-safe.
///
/// Invariants:
/// 1. There are at most `most` of them: the one that was used longest ago, of those that have nothing to do, leaves for
///    a new one; when all have, the new caller stays in the default group, and is counted.
/// 2. A group that somebody attached, or gave a weight, is none of them: it stays.
/// 3. A caller whose id, or an ancestor of it, has a group that somebody attached gets none of its own.
///
/// A group may leave in the moment in which a caller comes back after a minute: that one request is the default
/// group's, and the next finds a new group.
class AutoGroups {
public:
    static constexpr std::uint32_t kMost = 100'000;
    static constexpr TimeNs kIdleFor = 60 * kSecond;

    AutoGroups() = default;

    /// The weight of new groups, 0: none come into being. Those that are there stay until they are idle.
    std::uint32_t weight() const { return weight_.load(std::memory_order_relaxed); }
    void set_weight(std::uint32_t weight);
    /// 1 to kMost. More than that many leave at the next new one.
    std::uint32_t most() const { return most_.load(std::memory_order_relaxed); }
    void set_most(std::uint32_t most) { most_ = most; }

    /// What says of a group (called with no lock but this object's) whether something of it is still to come that no
    /// unit shows yet. Set before the first request.
    void set_in_debt(std::function<bool(GroupId)> in_debt) { in_debt_ = std::move(in_debt); }
    /// A request of a caller comes: makes sure of its group. `lineage` is that of MountGroups, nearest first.
    void seen(Gate& gate, MountGroups& groups, std::span<const GroupId> lineage, TimeNs now);

    /// Lets those go that nobody has used for kIdleFor and that `may_go` (called with no lock). Returns how many went.
    std::size_t expire(Gate& gate, MountGroups& groups, TimeNs now, const std::function<bool(GroupId)>& may_go);

    /// Somebody attached this group, or set it up: it stays. False when it was none of these.
    bool adopt(GroupId id);
    /// Groups were attached or detached by somebody: what is known of callers that need none is forgotten.
    void forget_others();
    /// All of them leave.
    void clear(Gate& gate, MountGroups& groups, TimeNs now);

    bool contains(GroupId id) const;
    /// Whether seen() has anything to do.
    bool in_use() const { return weight() != 0 || size() != 0; }
    std::size_t size() const { return size_.load(std::memory_order_relaxed); }
    /// Callers that found all groups busy and stayed in the default group.
    std::uint64_t turned_away() const { return turned_away_.load(std::memory_order_relaxed); }

private:
    struct Entry {
        std::atomic<TimeNs> last_used{0};
        bool ours = false;  ///< false: the caller is in a group that somebody attached
    };

    void enter(Gate& gate, MountGroups& groups, std::span<const GroupId> lineage, TimeNs now);
    bool make_room(Gate& gate, MountGroups& groups, TimeNs now);
    bool remove(Gate& gate, MountGroups& groups, GroupId id, TimeNs now);

    std::function<bool(GroupId)> in_debt_;
    std::atomic<std::uint32_t> weight_{0};
    std::atomic<std::uint32_t> most_{kMost};
    std::atomic<std::size_t> size_{0};  ///< entries that are ours
    std::atomic<std::uint64_t> turned_away_{0};

    mutable std::shared_mutex mutex_;  ///< taken before the gate's lock, and that of write-back
    std::unordered_map<GroupId, Entry> entries_;
    TimeNs full_until_ = 0;  ///< all were busy: room is not looked for again before
};

}  // namespace bandfs
