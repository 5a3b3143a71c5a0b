// fuse/session_pending.h - how many requests of a mount are answered later.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace bandfs {

/// Counts requests whose handler has returned without an answer. A session may end only when there are none: libfuse's
/// request and the descriptor to answer on belong to it. Thread-safe.
class PendingAnswers {
public:
    void add() {
        std::lock_guard lock(mutex_);
        ++count_;
    }
    /// After the answer was sent; nothing of the session may be touched afterwards.
    void done() {
        std::lock_guard lock(mutex_);
        if (--count_ == 0) none_.notify_all();
    }
    void wait_for_none() {
        std::unique_lock lock(mutex_);
        none_.wait(lock, [this] { return count_ == 0; });
    }
    std::uint64_t count() const {
        std::lock_guard lock(mutex_);
        return count_;
    }

private:
    mutable std::mutex mutex_;
    std::condition_variable none_;
    std::uint64_t count_ = 0;  ///< guarded by mutex_
};

}  // namespace bandfs
