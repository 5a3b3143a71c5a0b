// fuse/session_reserve.h - receivers that come in when all others are busy for longer than a moment.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>

namespace bandfs {

/// Where receivers in reserve wait. Thread-safe.
///
/// The kernel gives messages to waiting receivers in turn, so every one more than needed makes all of them slower: each
/// wakes up on a cold cache. But a receiver may sleep in a call on the disk (a stat of an inode that is not in memory),
/// and then another has to be there. So few wait for messages, and who takes the last place calls the reserve, which
/// looks again after kPatience: a call that only uses the processor has returned by then.
///
/// Nobody waits for ever: a call is never lost, since who is called sees `waiting` as it is after `called_` was
/// cleared.
class ReceiverReserve {
public:
    static constexpr std::chrono::milliseconds kPatience{1};

    /// `waiting`: how many receivers wait for a message.
    explicit ReceiverReserve(const std::atomic<int>& waiting) : waiting_(waiting) {}

    /// The last receiver that waited has taken a message. Costs a wake-up once in kPatience at the most.
    void call();
    /// Waits until a receiver is missing. False when there is nothing left to receive.
    bool wait_until_needed();
    /// Sends everybody home.
    void close();

private:
    const std::atomic<int>& waiting_;
    std::atomic<bool> called_{false};
    std::mutex mutex_;
    std::condition_variable changed_;
    bool alarm_ = false;   ///< guarded by mutex_
    bool closed_ = false;  ///< guarded by mutex_
};

}  // namespace bandfs
