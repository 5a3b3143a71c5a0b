// tests/unit/cmd/soon.h - the deadline of what takes no time.
#pragma once

#include "sys/clock.h"

namespace bandfs {

inline TimeNs soon() {
    return now_ns() + 20 * kSecond;
}

}  // namespace bandfs
