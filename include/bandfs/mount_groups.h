// bandfs/mount_groups.h - the band groups of one mount: the default group and those attached by id.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include <boost/intrusive/unordered_set.hpp>

#include "bandfs/error.h"
#include "bandfs/group.h"
#include "bandfs/unit.h"

namespace bandfs {

class DeviceGroup;

/// The groups of one mount, in the order they were attached, the default group first. Guarded by the lock of its device
/// group, which must outlive it. Destroying it requires that none of its groups has a unit held or in flight.
class MountGroups {
public:
    /// `default_weight` is 1 to kMaxWeight.
    MountGroups(DeviceGroup& device_group, std::uint32_t default_weight);
    ~MountGroups();
    MountGroups(const MountGroups&) = delete;
    MountGroups& operator=(const MountGroups&) = delete;

    DeviceGroup& device_group() const { return device_group_; }
    Group& default_group() { return *default_group_; }
    const Group& default_group() const { return *default_group_; }
    Group* find(GroupId id);    ///< the attached group of that id, or nullptr
    Group& for_id(GroupId id);  ///< the same, the default group when there is none; O(1)
    std::size_t attached() const { return by_id_.size(); }

    /// exists; invalid: weight out of range, or a parent of another mount or under a policy without hierarchy.
    Error attach(GroupId id, std::uint64_t weight, Group* parent = nullptr);
    /// Takes the group out of sight at once: it can no longer be found, its held units pass at the next release_next(),
    /// and it is freed when the last of its units has completed. `gone` is called then (under the lock): before
    /// detach() returns when no unit is held in the device group and none of the group's is in flight. invalid: no such
    /// group. busy: it has children.
    Error detach(GroupId id, TimeNs now, std::function<void()> gone);

    /// All held units of this mount pass from now on (the mount is going away).
    void go_down();
    /// Whether no unit of this mount is held or in flight, those of detached groups included.
    bool idle() const;

    /// Default group first, then in the order of attachment; detached groups are not among them.
    void for_each(const std::function<void(Group&)>& visit);
    void for_each(const std::function<void(const Group&)>& visit) const;

private:
    friend class DeviceGroup;

    struct Scatter {  // ids come in runs and in multiples; the buckets are a power of two
        std::size_t operator()(GroupId id) const { return (id * 0x9E3779B97F4A7C15u) >> 32; }
    };
    struct IdOf {
        using type = GroupId;
        GroupId operator()(const Group& group) const { return group.id(); }
    };
    using MountHook =
        boost::intrusive::member_hook<Group, boost::intrusive::unordered_set_member_hook<>, &Group::mount_hook_>;
    using ById =
        boost::intrusive::unordered_set<Group, MountHook, boost::intrusive::key_of_value<IdOf>,
                                        boost::intrusive::hash<Scatter>, boost::intrusive::power_2_buckets<true>>;

    void grow();

    DeviceGroup& device_group_;
    std::vector<ById::bucket_type> buckets_;
    ById by_id_;
    Group* default_group_;
};

}  // namespace bandfs
