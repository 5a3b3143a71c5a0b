#include "fuse/uring_helpers.h"

#include <exception>
#include <new>

#include "sys/thread_setup.h"

namespace bandfs {

UringHelpers::~UringHelpers() {
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) thread.join();
}

bool UringHelpers::take(RingEntry& entry) {
    const std::lock_guard lock(mutex_);
    if (threads_.empty()) {
        if (!add_thread()) return false;
        (void)add_thread();
    }
    try {
        waiting_.push_back({&entry, Clock::now()});
    } catch (const std::bad_alloc&) {
        return false;
    }
    changed_.notify_one();
    return true;
}

bool UringHelpers::add_thread() {
    if (threads_.size() == kMost) return false;
    try {
        threads_.emplace_back([this] { work(); });
    } catch (const std::exception&) {
        return false;
    }
    return true;
}

void UringHelpers::work() {
    set_up_thread("bandfs-helper");
    std::unique_lock lock(mutex_);
    for (;;) {
        ++idle_;
        changed_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
        while (!waiting_.empty() && idle_ == 1 && threads_.size() > 1 && threads_.size() < kMost && !ending_) {
            const Clock::time_point due = waiting_.front().since + kPatience;
            if (Clock::now() >= due) break;
            changed_.wait_until(lock, due);
        }
        --idle_;
        if (waiting_.empty()) {
            if (ending_) return;
            continue;
        }
        RingEntry& entry = *waiting_.front().entry;
        waiting_.pop_front();
        if (idle_ == 0 && !ending_) (void)add_thread();
        lock.unlock();
        handle_(entry);
        lock.lock();
    }
}

}  // namespace bandfs
