// fuse/early_interrupts.h - interrupts that overtake what they are about.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#include "sys/clock.h"

namespace bandfs {

/// FUSE_INTERRUPT comes through /dev/fuse, and may be read before the request that came through a ring. libfuse keeps
/// it for that, but gives it back to the kernel (EAGAIN) when it sees another request first, and of a ring's requests
/// the kernel takes none back. So it is kept here, and handed to libfuse again, as long as its request may still come.
/// Thread-safe.
class EarlyInterrupts {
public:
    /// What has this bit in its number is an interrupt of the request that has not.
    static constexpr std::uint64_t kBit = 1;
    static constexpr TimeNs kPatienceNs = 10 * kSecond;
    static constexpr std::size_t kMost = 256;

    EarlyInterrupts() { early_.reserve(kMost); }

    /// libfuse gives one back.
    void add(std::uint64_t number, TimeNs now) {
        const std::lock_guard lock(mutex_);
        for (Early& early : early_) {
            if (early.number == number) {
                early.given_back = any_ = true;
                return;
            }
        }
        if (early_.size() == kMost) early_.erase(early_.begin());
        early_.push_back({number, now, true});
        any_ = true;
    }

    /// Lock-free.
    bool any() const { return any_.load(std::memory_order_relaxed); }

    /// Those to hand to libfuse now.
    std::vector<std::uint64_t> take(TimeNs now) {
        const std::lock_guard lock(mutex_);
        any_ = false;
        std::erase_if(early_, [now](const Early& early) { return now - early.since >= kPatienceNs; });
        std::vector<std::uint64_t> numbers;
        for (Early& early : early_) {
            if (early.given_back) numbers.push_back(early.number);
            early.given_back = false;
        }
        return numbers;
    }

private:
    struct Early {
        std::uint64_t number;
        TimeNs since;
        bool given_back;
    };

    std::atomic<bool> any_{false};
    std::mutex mutex_;
    std::vector<Early> early_;  ///< guarded by mutex_
};

}  // namespace bandfs
