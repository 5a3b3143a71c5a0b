// bandfs/mount_groups.h - the band groups of one mount: the default group and those attached by id.
//
// CONTRACT SKETCH: src/band's author completes this header; what other rooms use is what is declared here.
#pragma once

#include <cstdint>
#include <functional>

#include "bandfs/error.h"
#include "bandfs/group.h"
#include "bandfs/unit.h"

namespace bandfs {

class DeviceGroup;

/// The groups of one mount, in the order they were attached, the default group first. Guarded by the lock of its device
/// group, which must outlive it. Destroying it requires that none of its groups has a unit held or in flight.
class MountGroups {
public:
    MountGroups(DeviceGroup& device_group, std::uint32_t default_weight);
    ~MountGroups();

    Group& default_group();
    Group* find(GroupId id);             ///< the attached group of that id, or nullptr
    Group& for_id(GroupId id);           ///< the same, the default group when there is none; O(1)
    std::size_t attached() const;

    Error attach(GroupId id, std::uint64_t weight);       ///< exists, invalid
    /// Takes the group out of sight at once: it can no longer be found, its held units pass, and it is freed when the
    /// last of its units has completed. `gone` is called then (under the lock), at once when it has none.
    Error detach(GroupId id, TimeNs now, std::function<void()> gone);

    /// All held units of this mount pass from now on (the mount is going away).
    void go_down();

    /// Default group first, then in the order of attachment.
    void for_each(const std::function<void(Group&)>& visit);
    void for_each(const std::function<void(const Group&)>& visit) const;
};

}  // namespace bandfs
