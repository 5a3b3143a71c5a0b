// bandfs/error.h - the answers of the scheduler's control calls.
#pragma once

namespace bandfs {

/// Expected failures of a control call. A call that fails has changed nothing.
enum class [[nodiscard]] Error{
    none,     ///< done
    invalid,  ///< EINVAL: value out of range, unknown id, policy or type
    exists,   ///< EEXIST: the id is attached already
    busy,     ///< EBUSY: groups are attached, or units are in flight
};

}  // namespace bandfs
