// waiting.h - how the tests of the gate wait: for a condition, with a deadline that only a failure reaches.
#pragma once

#include <chrono>
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
    void shut() { set(false); }
    void open() { set(true); }

    void pass() {
        std::unique_lock lock(mutex_);
        ++arrived_;
        changed_.notify_all();
        changed_.wait_for(lock, kLongEnough, [&] { return open_; });
    }
    /// Waits until so many have come.
    bool reached(unsigned count) {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, kLongEnough, [&] { return arrived_ >= count; });
    }

private:
    void set(bool open) {
        const std::lock_guard lock(mutex_);
        open_ = open;
        changed_.notify_all();
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    bool open_ = true;
    unsigned arrived_ = 0;
};

}  // namespace bandfs::test
