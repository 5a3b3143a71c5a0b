// fuse/backing_locks.h - locks=backing: the locks of callers on the backing files, and those who wait for one.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <thread>

#include "disk/lock_table.h"
#include "fuse/data_job.h"

namespace bandfs {

/// A request for a lock that somebody else has. `attempt` tries once and does not wait.
class LockWaiter final : private DeferredReply {
public:
    LockWaiter(fuse_req_t request, std::shared_ptr<OpenFile> file, std::function<Status()> attempt)
        : DeferredReply(request), file_(std::move(file)), attempt_(std::move(attempt)) {}

private:
    friend class BackingLocks;
    void answer(Status status);

    const std::shared_ptr<OpenFile> file_;  ///< stays open
    const std::function<Status()> attempt_;
    std::atomic<bool> interrupted_{false};
};

/// Of one mount. Thread-safe.
///
/// One thread, started with the first who waits, tries for all of them in the order they came: when a lock of this
/// mount is given up, when one is interrupted, and every now and then, since nobody tells when a lock below goes that
/// another mount or a user of SOURCE had. Who wakes whom: begin_to_wait(), interrupts and released() wake the thread;
/// a waiter ends with the lock, with an error, with EINTR at a signal, or with the mount (end()).
class BackingLocks {
public:
    ~BackingLocks() { end(); }

    LockTable& table() { return table_; }
    /// Answers the request, now or later.
    void wait_for(std::unique_ptr<LockWaiter> waiter);
    /// A lock may have been given up.
    void released();
    /// Answers all who wait with EINTR, and those who will; joins the thread.
    void end();

private:
    using Waiters = std::list<std::unique_ptr<LockWaiter>>;

    static void interrupted(fuse_req_t request, void* waiter);
    void serve();
    bool try_all(Waiters& waiters);

    LockTable table_;
    std::mutex mutex_;
    std::condition_variable wakes_;
    Waiters arrived_;     ///< guarded by mutex_, as what follows
    bool woken_ = false;  ///< there is a reason to try at once
    bool ended_ = false;
    std::thread thread_;
};

}  // namespace bandfs
