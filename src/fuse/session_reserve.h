// fuse/session_reserve.h - receivers that come in when all others are busy for longer than a moment.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace bandfs {

/// Where receivers in reserve wait. Thread-safe.
///
/// The kernel gives messages to waiting receivers in turn, so every one more than needed makes all of them slower: each
/// wakes up on a cold cache. But a receiver may sleep in a call on the disk (a stat of an inode that is not in memory),
/// and then another has to be there. So few wait for messages, and who takes the last place calls the reserve, which
/// looks again after kPatience: a call that only uses the processor has returned by then. (For reads and writes more
/// may be worth having, see ReceiverDemand; these are summoned.) The last one of the reserve goes only when nobody has
/// taken the last place meanwhile, so that all of them sleep and are not just busy; then the session adds another, and
/// whoever has been superfluous for kIdle leaves.
///
/// Nobody waits for ever: a call is never lost, since who is called sees `waiting` as it is after `called_` was
/// cleared.
class ReceiverReserve {
public:
    static constexpr std::chrono::milliseconds kPatience{1};
    static constexpr std::chrono::seconds kIdle{1};
    /// So many stay, here or called out, for as long as there is something to receive, unless told otherwise.
    static constexpr unsigned kKept = 10;

    /// Why a receiver waits here no longer.
    enum class Turn {
        needed,       ///< a receiver is missing
        needed_last,  ///< the same, nobody is left here, and those that receive sleep
        superfluous,  ///< there have been enough others here for a while
        closed,       ///< there is nothing left to receive
    };

    /// `waiting`: how many receivers wait for a message.
    explicit ReceiverReserve(const std::atomic<int>& waiting, unsigned kept = kKept) : waiting_(waiting), kept_(kept) {}

    /// The last receiver that waited has taken a message. Costs a wake-up once in kPatience at the most.
    void call();
    /// One is needed, whoever waits for messages. False when none but the last is here, who stays.
    bool summon();
    Turn wait();
    /// Sends everybody home.
    void close();

private:
    const std::atomic<int>& waiting_;
    const unsigned kept_;
    std::atomic<bool> called_{false};
    std::atomic<std::uint64_t> calls_{0};  ///< how often the last place was taken
    std::mutex mutex_;
    std::condition_variable changed_;
    bool alarm_ = false;  // guarded by mutex_, as what follows
    unsigned summoned_ = 0;
    bool closed_ = false;
    unsigned here_ = 0;  ///< receivers in wait()
};

/// How many of the reserve had better stay out: so many reads and writes come at a time that who receives one leaves it
/// to a worker, so that somebody goes on receiving, which costs two switches of threads more than to do it. Found out
/// from what came last. Thread-safe, lock-free.
class ReceiverDemand {
public:
    static constexpr unsigned kWindow = 64;  ///< messages
    static constexpr unsigned kEnough = 4;   ///< requests of these that may be left to others

    /// A message has been handled, and what it asked for was left to a worker or not. True when one more receiver is
    /// wanted.
    bool note(bool left_it);
    unsigned wanted() const { return wanted_.load(std::memory_order_relaxed); }

private:
    std::atomic<unsigned> messages_{0};
    std::atomic<unsigned> left_{0};
    std::atomic<unsigned> wanted_{0};
};

}  // namespace bandfs
