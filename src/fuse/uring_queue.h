// fuse/uring_queue.h - the ring of one processor: where requests from it arrive, and answers to them leave.
//
// The kernel puts a request into a place that waits for one in the queue of the caller's processor, and it tells the
// thread that handed in the place, and no other. So a thread has the places of its processor, runs on it, and must not
// sleep: what might goes to a helper or a worker, and its answer is sent here to be handed to the kernel. A place whose
// request is held is out; when none is left, everything from that processor stops, and what the kernel has kept then
// is not given to a place that is added, but only to one that is answered. Callers that wait for their requests come
// slowly, and more places are added before they run short. Requests that nobody waits for (readahead, asynchronous
// direct I/O) may come by thousands before this thread has its turn: so the kernel is told to let fewer of those be
// under way than there are places.
#pragma once

#include <liburing.h>
#include <sys/uio.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include "fuse/transport.h"
#include "sys/buffer_pool.h"
#include "sys/result.h"

namespace bandfs {

class UringQueue;
enum class UringOperation : std::uint32_t;

/// The places of one of the kernel's queues.
struct UringPlaces {
    std::uint16_t queue = 0;  ///< the number of its processor
    unsigned all = 0;
    unsigned free = 0;   ///< wait for a request
    unsigned large = 0;  ///< of these that wait, how many keep memory of a large payload
};

/// One place. The memory is the kernel's while it waits, and its request's until that has been answered.
struct alignas(8) RingEntry {
    UringQueue* owner = nullptr;
    UringPlaces* places = nullptr;
    std::byte* headers = nullptr;   ///< the kernel's, and room for a message without payload
    std::byte* memory = nullptr;    ///< a page, and the payload behind it
    std::array<iovec, 2> pieces{};  ///< headers and payload, as the kernel is told of them
    std::uint64_t commit_id = 0;
    bool free = false;
    bool helped = false;                ///< a helper may be looking at the request
    bool large = false;                 ///< there is memory of a large payload
    StartedRead* read = nullptr;        ///< that the kernel does
    std::atomic<bool> answered{false};  ///< by another thread: what it wrote is seen by the owner's
};

/// What a queue gives its requests to.
class UringSink {
public:
    virtual ~UringSink() = default;
    /// Handles the request in a place, on the thread of its queue: it may not take the disk's time.
    virtual void arrived(RingEntry& entry) = 0;
};

/// A ring and its thread, which begins at once and registers places when start() is called.
class UringQueue {
public:
    /// Requests of a mount that may be under way without a caller waiting in them.
    static constexpr unsigned kMostUnattended = 1024;
    /// Memory of a place: a page, and this.
    static constexpr std::size_t kPage = PooledBuffer::kPage;
    static constexpr std::size_t kPayload = PooledBuffer::kLargestPayload;

    /// `queues`: which of the kernel's queues it serves, the first of them that of its processor.
    UringQueue(UringSink& sink, int dev_fuse, std::vector<std::uint16_t> queues);
    ~UringQueue();
    UringQueue(const UringQueue&) = delete;
    UringQueue& operator=(const UringQueue&) = delete;

    /// Waits until the ring is set up. ENOSYS, EPERM: not on this system.
    Status ready();
    void start() { go(kStart); }
    /// No places are added from now on: the mount goes.
    void stop_growing() { grows_ = false; }
    /// Ends the thread. What has been answered before is with the kernel then.
    void end();

    /// Whether more requests have come than were looked at. On its thread.
    bool others_wait() const {
        return (IO_URING_READ_ONCE(*ring_.sq.kflags) & IORING_SQ_TASKRUN) != 0 || io_uring_cq_ready(&ring_) != 0;
    }
    bool on_its_thread() const { return std::this_thread::get_id() == thread_.get_id(); }
    /// Has the kernel read for the request in a place. On its thread.
    void read(RingEntry& entry, int fd, std::span<std::byte> memory, std::uint64_t offset, StartedRead& read);
    /// The answer is in its place: hands it to the kernel, from any thread.
    void answer(RingEntry& entry);

    static std::span<std::byte> payload_of(const RingEntry& entry) { return {entry.memory + kPage, kPayload}; }
    /// The request in one piece, as /dev/fuse would give it.
    static std::span<std::byte> message_of(const RingEntry& entry);

private:
    /// What a completion is about, in the lowest bits of what it carries.
    enum Tag : std::uint64_t { kDone, kRead, kAnswer, kStart, kEnd, kTags = 7 };
    enum class State { opening, open, failed };

    struct Unmap {
        std::size_t bytes;
        void operator()(std::byte* memory) const;
    };
    /// Places that were made together.
    struct Batch {
        UringPlaces* places;
        unsigned count;
        std::unique_ptr<RingEntry[]> entries;
        std::unique_ptr<std::byte, Unmap> memory;
    };

    void run();
    Status open();
    void take(std::uint64_t data, int result);
    void fetched(RingEntry& entry);
    bool make_places(UringPlaces& places, unsigned count);
    void register_places(const Batch& batch);
    void grow();
    void give_memory_back();
    io_uring_sqe& next_sqe();
    void command(RingEntry& entry, UringOperation operation, const std::array<iovec, 2>* memory);
    void go(Tag tag, std::uint64_t data = 0);

    UringSink& sink_;
    const int dev_fuse_;
    std::vector<UringPlaces> queues_;  ///< of the thread alone, as what follows
    io_uring ring_{};
    std::vector<Batch> batches_;
    std::vector<RingEntry*> large_;  ///< answered, and their memory is too much to be kept
    bool ending_ = false;

    std::atomic<bool> grows_{true};
    std::atomic<State> state_{State::opening};
    Status failure_;  ///< before state_
    std::thread thread_;
};

}  // namespace bandfs
