#include "fuse/session_reserve.h"

namespace bandfs {

void ReceiverReserve::call() {
    ++calls_;
    if (called_.exchange(true)) return;
    {
        const std::lock_guard lock(mutex_);
        alarm_ = true;
    }
    changed_.notify_one();
}

ReceiverReserve::Turn ReceiverReserve::wait() {
    std::unique_lock lock(mutex_);
    ++here_;
    Turn turn = Turn::closed;
    while (true) {
        const bool called = changed_.wait_for(lock, kIdle, [this] { return alarm_ || closed_; });
        if (!called && here_ > kKept) {
            turn = Turn::superfluous;
            break;
        }
        if (!called) continue;
        alarm_ = false;
        const std::uint64_t calls = calls_;
        if (changed_.wait_for(lock, kPatience, [this] { return closed_; })) break;
        called_ = false;
        if (waiting_ != 0) continue;
        const bool last = here_ == 1;
        if (last && calls != calls_) {
            alarm_ = true;  // they are busy, not asleep; the last one stays, and looks again
            continue;
        }
        turn = last ? Turn::needed_last : Turn::needed;
        break;
    }
    --here_;
    return turn;
}

void ReceiverReserve::close() {
    {
        const std::lock_guard lock(mutex_);
        closed_ = true;
    }
    changed_.notify_all();
}

}  // namespace bandfs
