#include "disk/descriptor_share.h"

#include <fcntl.h>

namespace bandfs {

bool DescriptorShare::has_room_for_file(int any) {
    // Far from the end it need not be looked at each time.
    if (last_.load(std::memory_order_relaxed) < files_ - files_ / 8) return true;
    const UniqueFd next(::fcntl(any, F_DUPFD_CLOEXEC, 0));
    if (!next) return false;
    note(next.get());
    return next.get() < files_;
}

}  // namespace bandfs
