// bandfs/group.h - a band group: one consumer of a disk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include <boost/intrusive/list.hpp>
#include <boost/intrusive/unordered_set_hook.hpp>

#include "bandfs/statistics.h"
#include "bandfs/unit.h"
#include "bandfs/wait_histogram.h"

namespace bandfs {

class DeviceGroup;
class MountGroups;

/// The id of a band group: a pid, a uid, a cgroup's inode number ... as its mount's type says. 64 bits, 0 included.
using GroupId = std::uint64_t;

inline constexpr std::uint64_t kMaxWeight = 1'000'000;
inline constexpr std::uint32_t kDefaultWeight = 100;  ///< dm-band's

/// What few groups have, kept out of the way of the others.
struct GroupRarities {
    Group* parent = nullptr;  ///< whose share this group takes part in
    std::uint32_t children = 0;
    std::uint64_t floor = 0;     ///< bytes per second guaranteed, 0: none
    std::uint64_t ceiling = 0;   ///< bytes per second at most, 0: none
    std::function<void()> gone;  ///< to be called when the detached group is freed
};

/// Band group (`struct bandgroup` of dm-band). Made and freed by its MountGroups, changed by its device group alone;
/// guarded by the lock of the device group.
///
/// Invariants:
/// 1. held() counts the units in the two queues, in the waiting list and, of this group, in the expedited list.
/// 2. held_bytes() counts those in the two queues and is at most the bound, or one unit.
/// 3. When a unit waits for the byte bound, a queue is not empty.
class alignas(64) Group {
public:
    Group(MountGroups& mount, GroupId id, bool is_default, std::uint64_t sequence);
    Group(const Group&) = delete;
    Group& operator=(const Group&) = delete;

    GroupId id() const { return id_; }
    bool is_default() const { return is_default_; }
    MountGroups& mount() const { return mount_; }
    std::uint32_t weight() const { return weight_; }
    std::int64_t tokens() const;      ///< policy `weight`: tokens left
    std::int64_t token_init() const;  ///< policy `weight`: tokens after a refill
    const Statistics& statistics() const { return statistics_; }
    const SideStatistics& side_statistics() const { return side_statistics_; }
    const WaitHistogram& waits() const { return waits_; }
    std::uint32_t issued() const { return issued_; }          ///< units in flight
    std::uint32_t held() const { return held_; }              ///< units held, those waiting for the byte bound included
    std::uint64_t held_bytes() const { return held_bytes_; }  ///< bytes of held units that may be chosen
    bool going_down() const { return suspended_ || leaving_; }
    bool detached() const { return detached_; }

    Group* parent() const { return rarities_ ? rarities_->parent : nullptr; }
    std::uint32_t children() const { return rarities_ ? rarities_->children : 0; }
    std::uint64_t floor() const { return rarities_ ? rarities_->floor : 0; }
    std::uint64_t ceiling() const { return rarities_ ? rarities_->ceiling : 0; }

    // For policies.

    /// Order of attachment among all groups of the device group.
    std::uint64_t sequence() const { return sequence_; }
    /// The held unit of a direction that arrived first, nullptr when there is none that may be chosen.
    Unit* front(Direction direction) {
        UnitQueue& units = queue(direction);
        return units.empty() ? nullptr : &units.front();
    }
    /// The held unit that arrived first, of either direction.
    Unit* front() {
        Unit* const read = front(Direction::read);
        Unit* const write = front(Direction::write);
        if (read == nullptr || write == nullptr) return read != nullptr ? read : write;
        return read->sequence < write->sequence ? read : write;
    }
    /// Whether a unit may be chosen. (held() may count expedited ones beside.)
    bool has_queued() const { return queued_ != 0; }

    /// Room for what the policy keeps of each group, beside what every unit touches.
    static constexpr std::size_t kPolicyStateBytes = 112;
    void* policy_state() { return policy_state_; }
    const void* policy_state() const { return policy_state_; }

private:
    friend class DeviceGroup;
    friend class MountGroups;
    using UnitQueue = boost::intrusive::list<Unit, boost::intrusive::constant_time_size<false>>;

    UnitQueue& queue(Direction direction) { return queues_[static_cast<std::size_t>(direction)]; }
    GroupRarities& rarities();

    // Cache line by cache line: what a held unit touches, what every unit counts, what every unit changes.
    UnitQueue queues_[kDirections];
    UnitQueue waiting_;                                 ///< beyond the byte bound, both directions in order of arrival
    boost::intrusive::list_member_hook<> device_hook_;  ///< all groups of the device group, in order of attachment

    Statistics statistics_;

    std::uint32_t issued_ = 0;
    std::uint32_t held_ = 0;
    std::uint32_t queued_ = 0;
    std::uint32_t weight_ = kDefaultWeight;
    std::uint64_t held_bytes_ = 0;
    bool suspended_ = false;  ///< by suspend(), until resume()
    bool leaving_ = false;    ///< detached, or its mount goes away
    bool detached_ = false;
    const bool is_default_;
    alignas(16) std::byte policy_state_[kPolicyStateBytes];

    WaitHistogram waits_;
    SideStatistics side_statistics_;
    MountGroups& mount_;
    const GroupId id_;
    const std::uint64_t sequence_;
    std::unique_ptr<GroupRarities> rarities_;
    boost::intrusive::unordered_set_member_hook<> mount_hook_;  ///< the groups of its mount that can be found, by id
};
static_assert(sizeof(Group) <= 448, "with the allocator's part, an idle group takes at most 512 bytes");

}  // namespace bandfs
