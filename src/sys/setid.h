// sys/setid.h - set-user-id and set-group-id bits of an open file.
#pragma once

#include "sys/result.h"

namespace bandfs {

/// Clears S_ISUID, and S_ISGID where the group may execute, as a write by an ordinary user does. True when there was
/// something to clear. One fstat(2) when there is not.
Result<bool> clear_setid_bits(int fd);

}  // namespace bandfs
