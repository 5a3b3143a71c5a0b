// fuse/uring_helpers.h - threads for requests that may sleep in the disk.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace bandfs {

struct RingEntry;

/// Handles requests beside the threads of the rings, in the order in which they come. Thread-safe.
///
/// The last that is idle leaves a request to the others for kPatience, which is longer than a call takes that does not
/// sleep; then it starts one more, up to kMost, and takes it. They stay until the end.
class UringHelpers {
public:
    static constexpr std::size_t kMost = 64;
    static constexpr std::chrono::milliseconds kPatience{1};

    explicit UringHelpers(std::function<void(RingEntry&)> handle) : handle_(std::move(handle)) {}
    ~UringHelpers();
    UringHelpers(const UringHelpers&) = delete;
    UringHelpers& operator=(const UringHelpers&) = delete;

    /// False when there is no thread for it, and the system gives none.
    bool take(RingEntry& entry);

private:
    using Clock = std::chrono::steady_clock;
    struct Waiting {
        RingEntry* entry;
        Clock::time_point since;
    };

    void work();
    bool add_thread();

    const std::function<void(RingEntry&)> handle_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Waiting> waiting_;  // guarded by mutex_, as what follows
    std::size_t idle_ = 0;
    bool ending_ = false;
    std::vector<std::thread> threads_;
};

}  // namespace bandfs
