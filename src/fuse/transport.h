// fuse/transport.h - the way to the kernel: where a request came from, and how its answer gets back there.
//
// A request may be answered long after its receiver went on, from any thread, but the kernel accepts the answer only on
// the descriptor that the request was read from. So where it came from is a value that travels with it (ReplySlot), and
// libfuse's output is led through the slot of the thread that answers.
#pragma once

#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "sys/result.h"
#include "sys/unique_fd.h"

namespace bandfs {

class Transport;
struct RingEntry;

/// A read of a file that the kernel does by itself.
class StartedRead {
public:
    virtual void done(Result<std::size_t> bytes) = 0;

protected:
    ~StartedRead() = default;
};

/// Where a request came from. Valid as long as its transport.
struct ReplySlot {
    Transport* transport = nullptr;
    int channel = -1;            ///< of /dev/fuse: the descriptor
    RingEntry* entry = nullptr;  ///< of a ring: the place
};

/// A way for answers to the kernel's half of one mount. Thread-safe.
class Transport {
public:
    virtual ~Transport() = default;

    /// Sends an answer, or a notification (whose `unique` is 0). ENOENT: the kernel no longer waits for it.
    virtual Status send(ReplySlot slot, std::span<const iovec> pieces) = 0;
    /// Where the bytes of an answer had better be made, beginning a page: then they are not copied. Empty: nowhere.
    virtual std::span<std::byte> answer_memory(ReplySlot) { return {}; }
    /// Whether this thread can start a read for that request.
    virtual bool reads(ReplySlot) const { return false; }
    /// Starts one, where reads() says so; its done() is called in this thread, later. `memory` is answer_memory().
    virtual void read(ReplySlot, int, std::span<std::byte>, std::uint64_t, StartedRead&) { std::abort(); }
    /// Whether a payload stays where it is until its request has been answered.
    virtual bool keeps_payload() const { return false; }
};

/// /dev/fuse, with a cloned descriptor for each receiver where the kernel allows it (Linux 4.2).
class DevFuse final : public Transport {
public:
    /// Takes a descriptor of /dev/fuse that is mounted.
    explicit DevFuse(UniqueFd mounted) : mounted_(std::move(mounted)) {}

    /// Another place to receive from, for one receiver. Shared with others when the kernel gives no more.
    ReplySlot open_channel();
    /// Waits for a message; its length. EINTR: a signal came, or the message was taken back. Any other error is the
    /// end: ENODEV: the mount is gone; EIO: what came is no message.
    Result<std::size_t> receive(ReplySlot slot, void* memory, std::size_t bytes);
    Status send(ReplySlot slot, std::span<const iovec> pieces) override;

private:
    const UniqueFd mounted_;
    std::mutex mutex_;
    std::vector<UniqueFd> clones_;  ///< guarded by mutex_; open until the end, held requests answer through them
};

/// While it lives, what this thread has libfuse send goes to that slot. Nests.
class Replying {
public:
    explicit Replying(ReplySlot slot) : outer_(current_) { current_ = slot; }
    ~Replying() { current_ = outer_; }
    Replying(const Replying&) = delete;
    Replying& operator=(const Replying&) = delete;

    /// The slot of this thread; of a receiver, where the message that it handles came from.
    static ReplySlot current() { return current_; }

private:
    const ReplySlot outer_;
    static inline thread_local ReplySlot current_{};
};

}  // namespace bandfs
