#include "disk/inode.h"

#include <utility>

namespace bandfs {

void Inode::set_place(InodePtr parent, std::string name) {
    if (mount_->handles || id_ == kRootNode) return;
    told_gone_ = false;
    auto place = std::make_unique<Place>(Place{std::move(parent), std::move(name)});
    std::lock_guard lock(mutex_);
    std::swap(place_, place);
    // The old place goes after the lock: it may hold the last reference to its directory.
}

Place Inode::place() const {
    std::lock_guard lock(mutex_);
    return place_ ? *place_ : Place{};
}

}  // namespace bandfs
