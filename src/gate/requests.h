// gate/requests.h - a read, a write and an fsync of a caller, as the FUSE side hands them in and the data plane runs
// them.
#pragma once

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>

#include "disk/open_file.h"
#include "gate/job.h"
#include "sys/buffer_pool.h"
#include "sys/result.h"

namespace bandfs {

class DataPlane;
class Gate;
class WriteBack;

/// Where a range that is done in pieces, perhaps several at once, comes to its first early end, and why. Lock-free.
class FirstEnd {
public:
    /// A piece ended `place` bytes into the range, before its own end; `error` is 0 at the end of the file.
    void note(std::size_t place, int error) noexcept;
    /// Bytes of the range before that, `all` when there was none.
    std::size_t place(std::size_t all) const noexcept;
    int error() const noexcept;
    /// By an error that is not EINTR, with which it was stopped short.
    bool failed() const noexcept { return error() != 0 && error() != EINTR; }

private:
    static constexpr std::uint64_t kNone = UINT64_MAX;
    static constexpr unsigned kErrorBits = 16;
    std::atomic<std::uint64_t> first_{kNone};  ///< the place, and the error below it
};

/// The memory of payloads that wait, which callers who do not wait for their writes (libaio, io_uring) could fill.
/// Lock-free.
class KeptMemory {
public:
    /// `refused` counts the takes beyond `most`.
    KeptMemory(std::uint64_t most, std::atomic<std::uint64_t>& refused) : most_(most), refused_(refused) {}

    /// False when that makes it more than there is to be; it counts all the same.
    bool take(std::size_t bytes) {
        if (bytes_.fetch_add(bytes) + bytes <= most_) return true;
        refused_.fetch_add(1, std::memory_order_relaxed);
        return false;
    }
    void give_back(std::size_t bytes) { bytes_.fetch_sub(bytes); }

private:
    const std::uint64_t most_;
    std::atomic<std::uint64_t>& refused_;
    std::atomic<std::uint64_t> bytes_{0};
};

/// A read of an open file, of at most 1 MiB.
class ReadRequest : public Job {
public:
    /// `number`: requests of one open file are wanted in the order of these.
    ReadRequest(std::shared_ptr<OpenFile> file, IoFlags flags, std::uint64_t offset, std::uint32_t size,
                pid_t caller_tid, std::uint64_t number = 0);

protected:
    /// Where the answer's bytes had better be, beginning a page; empty: nowhere in particular.
    virtual std::span<std::byte> answer_memory() { return {}; }
    /// Whether start_reading() can do anything.
    virtual bool can_start_reading() const { return false; }
    /// Has the kernel read from a descriptor with O_DIRECT; has_read() follows.
    virtual void start_reading(int, std::span<std::byte>, std::uint64_t) {}
    /// How that ended.
    void has_read(Gate& gate, Result<std::size_t> n);
    /// Exactly once, with no lock held. First unregisters what kept() registered. The bytes stay until it returns.
    virtual void answer(Result<std::span<const std::byte>> data) = 0;

private:
    friend class DataPlane;
    bool perform(std::uint64_t begin, std::uint64_t end) final;
    bool failed() const final { return first_end_.failed(); }
    /// With an error: to the kernel a short answer is the end of the file, for everybody.
    bool stop_short(std::uint64_t at) final;
    bool overlaps() const final;
    bool starts() const final { return reader_ >= 0; }
    bool start() final;
    void look_for_reader();
    const void* stream() const final { return file_.get(); }
    std::uint64_t place() const final { return number_; }
    void finish(JobOutcome outcome) final;
    bool take_buffer(BufferPool& pool, bool for_cached = false);
    void drop_buffer();
    std::span<std::byte> place(std::size_t from, std::size_t to);

    const std::shared_ptr<OpenFile> file_;
    const IoFlags flags_;
    const std::uint64_t offset_;
    const std::uint32_t size_;
    const std::uint64_t number_;
    BufferPool* pool_ = nullptr;
    PooledBuffer buffer_;             ///< only while there are bytes in it
    std::span<std::byte> in_answer_;  ///< used in its place
    int reader_ = -1;                 ///< by which it may be started
    std::mutex taking_buffer_;
    std::size_t cached_ = 0;  ///< bytes at the start of the range that the page cache gave, uncharged
    FirstEnd first_end_;      ///< of what is read from the disk
};

using WaitingWriteHook = JobHook<struct WaitingWriteTag>;

/// A write to an open file, of at most 1 MiB. Its payload is borrowed until keep_payload().
class WriteRequest : public Job, public WaitingWriteHook {
public:
    /// `writepage`: the kernel writes back a shared mapping, and nobody waits. `flags` do not matter then.
    WriteRequest(std::shared_ptr<OpenFile> file, IoFlags flags, std::uint64_t offset,
                 std::span<const std::byte> payload, bool writepage, pid_t caller_tid);
    ~WriteRequest() override;

protected:
    /// What kept() is for others; and returns the payload at a place where it stays until the request is destroyed,
    /// aligned as FileData::memory_alignment() says.
    virtual std::span<const std::byte> keep_payload() = 0;
    /// Exactly once, with no lock held: how many bytes were written.
    virtual void answer(Result<std::size_t> written) = 0;
    bool perform(std::uint64_t begin, std::uint64_t end) override;
    FileData& data() const { return *file_->data; }
    bool direct() const { return flags_.direct(); }

private:
    friend class DataPlane;
    friend class WriteBack;
    void kept() final;
    /// At once; what it is charged for, if anything, is a read that this takes.
    bool into_cache() const { return write_back_ != nullptr || bytes() == 0; }
    /// What goes into the cache need not have units: finish() counts it.
    bool failed() const final { return !into_cache() && first_end_.error() != 0; }
    bool stop_short(std::uint64_t at) final;
    bool overlaps() const final { return overlaps_; }
    void finish(JobOutcome outcome) final;
    std::size_t written() const { return first_end_.place(payload_.size()); }
    Result<std::size_t> write(std::uint64_t offset, std::span<const std::byte> from);
    Result<std::size_t> write_piece(std::uint64_t offset, std::span<const std::byte> from);

    const std::shared_ptr<OpenFile> file_;
    const IoFlags flags_;
    const std::uint64_t offset_;
    std::span<const std::byte> payload_;
    const bool writepage_;
    WriteBack* write_back_ = nullptr;  ///< of a write into the page cache that will have to be written back
    DirtyOwner owner_;
    std::uint64_t reserved_ = 0;    ///< of its owner's bound; guarded by write_back_, as the next
    unsigned claims_ = 0;           ///< 1 while it is counted as a file that will be dirty
    KeptMemory* memory_ = nullptr;  ///< what its payload counts against while it waits, if it does
    std::size_t counted_ = 0;
    bool overlaps_ = false;  ///< it writes over what is there, in whole pages
    FirstEnd first_end_;
};

/// An fsync or fdatasync of an open file.
class SyncRequest : public Job {
public:
    SyncRequest(std::shared_ptr<OpenFile> file, bool data_only, pid_t caller_tid);

protected:
    virtual void answer(Status status) = 0;

private:
    friend class DataPlane;
    friend class WriteBack;
    bool perform(std::uint64_t begin, std::uint64_t end) final;
    void finish(JobOutcome outcome) final;

    const std::shared_ptr<OpenFile> file_;
    const bool data_only_;
    WriteBack* write_back_ = nullptr;
    Status status_;
};

}  // namespace bandfs
