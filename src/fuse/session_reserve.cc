#include "fuse/session_reserve.h"

namespace bandfs {

void ReceiverReserve::call() {
    if (called_.exchange(true)) return;
    {
        const std::lock_guard lock(mutex_);
        alarm_ = true;
    }
    changed_.notify_one();
}

bool ReceiverReserve::wait_until_needed() {
    std::unique_lock lock(mutex_);
    while (true) {
        changed_.wait(lock, [this] { return alarm_ || closed_; });
        alarm_ = false;
        if (changed_.wait_for(lock, kPatience, [this] { return closed_; })) return false;
        called_ = false;
        if (waiting_ == 0) return true;
    }
}

void ReceiverReserve::close() {
    {
        const std::lock_guard lock(mutex_);
        closed_ = true;
    }
    changed_.notify_all();
}

}  // namespace bandfs
