// waiting.h - how the tests wait: for a condition, with a deadline that only a failure reaches.
#pragma once

#include <chrono>
#include <climits>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace bandfs::test {

inline constexpr std::chrono::seconds kLongEnough{20};

/// True once `condition()` is, false when that took too long.
template <typename Condition>
bool eventually(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + kLongEnough;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));  // waits for the condition
    }
    return true;
}

/// A door that is shut or open; who goes through waits while it is shut. Counts who has come to it.
class Door {
public:
    void shut() { set(0); }
    void open() { set(UINT_MAX); }
    /// Lets so many through.
    void let(unsigned count) { set(count); }

    void pass() {
        std::unique_lock lock(mutex_);
        ++arrived_;
        changed_.notify_all();
        changed_.wait_for(lock, kLongEnough, [&] { return may_pass_ != 0; });
        if (may_pass_ != 0 && may_pass_ != UINT_MAX) --may_pass_;
    }
    /// Waits until so many have come.
    bool reached(unsigned count) {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, kLongEnough, [&] { return arrived_ >= count; });
    }

private:
    void set(unsigned may_pass) {
        const std::lock_guard lock(mutex_);
        may_pass_ = may_pass;
        changed_.notify_all();
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    unsigned may_pass_ = UINT_MAX;
    unsigned arrived_ = 0;
};

}  // namespace bandfs::test
