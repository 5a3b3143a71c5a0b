#include "fuse/backing_locks.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <system_error>
#include <utility>

#include "fuse/request.h"
#include "sys/thread_setup.h"

namespace bandfs {
namespace {

/// Between two tries: short at first, for locks that are held for a moment.
constexpr std::chrono::milliseconds kFirstPause{1};
/// With a thousand who wait, this is about 2 % of a processor.
constexpr std::chrono::milliseconds kLongestPause{50};

}  // namespace

void LockWaiter::answer(Status status) {
    fuse_req_interrupt_func(request(), nullptr, nullptr);  // waits for a callback that runs
    const Replying replying = begin_reply();
    fuse_reply_err(request(), status.code());
}

/// Called with libfuse's locks held, so nothing is answered here.
void BackingLocks::interrupted(fuse_req_t request, void* waiter) {
    static_cast<LockWaiter*>(waiter)->interrupted_ = true;
    filesystem_of(request).locks->released();
}

void BackingLocks::wait_for(std::unique_ptr<LockWaiter> waiter) {
    LockWaiter& own = *waiter;
    own.defer();
    // An interrupt that came before calls back at once. Once the waiter is in the list it may be gone.
    fuse_req_interrupt_func(own.request(), interrupted, &own);
    std::unique_lock lock(mutex_);
    if (ended_) {
        lock.unlock();
        return own.answer(Errno{EINTR});
    }
    if (!thread_.joinable()) {
        try {
            thread_ = std::thread([this] { serve(); });
        } catch (const std::system_error&) {
            lock.unlock();
            return own.answer(Errno{ENOLCK});
        }
    }
    arrived_.push_back(std::move(waiter));
    woken_ = true;
    wakes_.notify_one();
}

void BackingLocks::released() {
    const std::lock_guard lock(mutex_);
    woken_ = true;
    wakes_.notify_one();
}

void BackingLocks::end() {
    {
        const std::lock_guard lock(mutex_);
        ended_ = true;
        wakes_.notify_one();
    }
    if (thread_.joinable()) thread_.join();
}

/// Tries for each, answers those who are done. True when somebody was.
bool BackingLocks::try_all(Waiters& waiters) {
    const std::size_t before = waiters.size();
    waiters.remove_if([](const std::unique_ptr<LockWaiter>& waiter) {
        const Status status = waiter->interrupted_ ? Status(Errno{EINTR}) : waiter->attempt_();
        if (status.code() == EAGAIN) return false;
        waiter->answer(status);
        return true;
    });
    return waiters.size() != before;
}

void BackingLocks::serve() {
    set_up_thread("bandfs-locks");
    Waiters waiters;
    std::chrono::milliseconds pause = kFirstPause;
    std::unique_lock lock(mutex_);
    while (!ended_) {
        waiters.splice(waiters.end(), arrived_);
        if (std::exchange(woken_, false)) pause = kFirstPause;
        lock.unlock();
        pause = try_all(waiters) ? kFirstPause : std::min(2 * pause, kLongestPause);
        lock.lock();
        const auto reason = [this] { return woken_ || ended_; };
        if (waiters.empty())
            wakes_.wait(lock, reason);
        else
            wakes_.wait_for(lock, pause, reason);
    }
    waiters.splice(waiters.end(), arrived_);
    lock.unlock();
    for (const auto& waiter : waiters) waiter->answer(Errno{EINTR});
}

}  // namespace bandfs
