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

bool ReceiverReserve::summon() {
    {
        const std::lock_guard lock(mutex_);
        if (summoned_ + 1 >= here_) return false;
        ++summoned_;
    }
    changed_.notify_all();  // one may be looking whether it is needed
    return true;
}

ReceiverReserve::Turn ReceiverReserve::wait() {
    std::unique_lock lock(mutex_);
    ++here_;
    Turn turn = Turn::closed;
    while (true) {
        const bool called = changed_.wait_for(lock, kIdle, [this] { return alarm_ || summoned_ != 0 || closed_; });
        if (summoned_ != 0) {
            --summoned_;
            if (here_ == 1) continue;  // the others have left meanwhile
            turn = Turn::needed;
            break;
        }
        if (!called && here_ > kept_) {
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

bool ReceiverDemand::note(bool left_it) {
    if (left_it) left_.fetch_add(1, std::memory_order_relaxed);
    if (messages_.fetch_add(1, std::memory_order_relaxed) % kWindow != 0) return false;
    const unsigned left = left_.exchange(0, std::memory_order_relaxed);
    const unsigned wanted = wanted_.load(std::memory_order_relaxed);
    const bool more = left > kEnough && wanted != ReceiverReserve::kKept;
    if (more) wanted_.store(wanted + 1, std::memory_order_relaxed);
    if (left == 0 && wanted != 0) wanted_.store(wanted - 1, std::memory_order_relaxed);
    return more;
}

}  // namespace bandfs
