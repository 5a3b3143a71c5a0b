#include "disk/inode.h"

#include <utility>

namespace bandfs {

void Inode::seen_at(InodePtr parent, std::string name, TimeNs now) {
    seen_ = now;
    if (mount_->handles || id_ == kRootNode) return;
    auto place = std::make_unique<Place>(Place{std::move(parent), std::move(name)});
    std::lock_guard lock(mutex_);
    std::swap(place_, place);
    // The old place goes after the lock: it may hold the last reference to its directory.
}

Place Inode::place() const {
    std::lock_guard lock(mutex_);
    return place_ ? *place_ : Place{};
}

Errno Inode::gone(TimeNs now) {
    const TimeNs seen = seen_.exchange(kToldGone);
    if (seen == kToldGone) return Errno{is_directory() ? ENOENT : ESTALE};
    return Errno{now - seen < kFresh ? ENOENT : ESTALE};
}

}  // namespace bandfs
