// sys/setid.h - set-user-id and set-group-id bits of an open file.
#pragma once

#include <sys/types.h>

#include <functional>

#include "sys/result.h"

namespace bandfs {

/// What a write, or a chown(2), by somebody without CAP_FSETID takes off a file of this mode: S_ISUID, and S_ISGID
/// where the group may execute or the caller is not in it. `in_group` is asked only when that matters.
mode_t falling_setid_bits(mode_t mode, gid_t group, const std::function<bool(gid_t)>& in_group);

/// Clears them. True when there was something to clear. One fstat(2) when there is not.
Result<bool> clear_setid_bits(int fd, const std::function<bool(gid_t)>& in_group);

/// While it lives, what is done to the file of `fd`, an O_PATH descriptor too, leaves the set-id bits alone that it
/// would take off: a write for want of CAP_FSETID, of what was written to a shared mapping, which takes none; or a
/// change of its owner. A process that does not own the file cannot keep them.
class SetidKeeper {
public:
    explicit SetidKeeper(int fd);
    ~SetidKeeper();
    SetidKeeper(const SetidKeeper&) = delete;
    SetidKeeper& operator=(const SetidKeeper&) = delete;

    bool any() const { return mode_ != 0; }
    /// Puts them back now, once. Nothing, if more than the bits has changed: then somebody has set the mode meanwhile.
    Status restore();

private:
    const int fd_;
    mode_t mode_ = 0;  ///< 0: there is nothing to keep
};

}  // namespace bandfs
