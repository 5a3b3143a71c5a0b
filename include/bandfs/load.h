// bandfs/load.h - what the conductor and its policy know of each other.
#pragma once

#include <cstdint>

namespace bandfs {

/// What the conductor has to know about a policy.
struct PolicyTraits {
    /// True: full at io_limit, and then nothing is issued until no more than io_throttle are in flight (dm-band's
    /// plug). False: full means io_limit in flight; the policy keeps below it as it likes.
    bool drains_when_full = false;
    /// True: the policy is asked after every event and at wakes_at(). False: only after a completion that leaves room,
    /// and when groups go down or the policy was switched to (dm-band's conductor).
    bool picks_at_any_time = false;
    bool has_limits = false;     ///< knows Group::floor() and ceiling()
    bool has_hierarchy = false;  ///< knows Group::parent()
};

/// How many units are where: what the policy sees of the device group.
struct Load {
    std::uint32_t issued = 0;   ///< in flight
    std::uint32_t blocked = 0;  ///< held
    std::uint32_t io_throttle = 0;
    std::uint32_t io_limit = 0;
    bool plugged = false;  ///< nothing more may be issued, but by groups that go down
};

}  // namespace bandfs
