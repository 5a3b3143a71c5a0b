// gate/mount_account.h - how many jobs of one mount the gate has.
#pragma once

#include <cstddef>

namespace bandfs {

class MountGroups;

/// Guarded by the gate's lock.
struct MountAccount {
    const MountGroups* mount = nullptr;
    std::size_t jobs = 0;   ///< handed in and not yet destroyed
    bool draining = false;  ///< nothing of it is parked any more
};

}  // namespace bandfs
