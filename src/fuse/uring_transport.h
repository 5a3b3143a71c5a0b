// fuse/uring_transport.h - FUSE over io_uring (Linux 6.14, where the administrator allows it): requests come on the
// processor of their caller, and an answer brings the next.
//
// What has no caller that waits (FORGET, INTERRUPT), INIT and notifications still go through /dev/fuse.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "fuse/transport.h"
#include "fuse/uring_helpers.h"
#include "fuse/uring_queue.h"
#include "sys/clock.h"

namespace bandfs {

/// The rings of one mount, one for each processor. Thread-safe.
///
/// Duties: an answer of another thread is handed to the kernel by its queue, which that wakes; finish() is woken by the
/// last handler to return.
class UringTransport final : public Transport, private UringSink {
public:
    /// Handles one message on the thread that calls it; `others_wait`: it may take the disk's time for that.
    using Handler = std::function<void(std::span<std::byte> message, bool others_wait)>;

    /// Sets up rings for a mount whose INIT is about to be answered. Notifications go through `dev_fuse`, which is the
    /// descriptor `mounted` and outlives this. ENOSYS, EPERM, ENOMEM: the system gives none.
    static Result<std::unique_ptr<UringTransport>> open(Transport& dev_fuse, int mounted, Handler handler);
    ~UringTransport() override;

    /// INIT was answered, and told the kernel to use them: it waits for that.
    void start();
    /// No request is handled any more from now on, and none is being handled when this returns. Answers are still sent.
    void finish();

    Status send(ReplySlot slot, std::span<const iovec> pieces) override;
    std::span<std::byte> answer_memory(ReplySlot slot) override { return UringQueue::payload_of(*slot.entry); }
    bool keeps_payload() const override { return true; }
    bool reads(ReplySlot slot) const override { return slot.entry->owner->on_its_thread(); }
    void read(ReplySlot slot, int fd, std::span<std::byte> memory, std::uint64_t offset, StartedRead& read) override {
        slot.entry->owner->read(*slot.entry, fd, memory, offset, read);
    }

private:
    UringTransport(Transport& dev_fuse, Handler handler);

    void arrived(RingEntry& entry) override;
    void handle(RingEntry& entry, bool others_wait);
    void help(RingEntry& entry);
    bool begin_handling();
    void end_handling();
    std::atomic<TimeNs>& sleeps_until(std::uint32_t operation) {
        return sleeps_until_[operation % sleeps_until_.size()];
    }

    Transport& dev_fuse_;
    const Handler handler_;
    std::array<std::atomic<TimeNs>, 64> sleeps_until_{};  ///< by operation: it has slept in the disk, so helpers do it
    std::atomic<TimeNs> watched_until_{0};                ///< who is slow now is looked at closely
    std::atomic<unsigned> handling_{0};
    std::atomic<bool> finished_{false};
    std::vector<std::unique_ptr<UringQueue>> queues_;
    UringHelpers helpers_;  ///< after the queues: it answers through them until it is gone
};

}  // namespace bandfs
