// fuse/data_job.h - requests of libfuse on their way through the data plane, and their answers.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>

#include "fuse/filesystem.h"
#include "fuse/handles.h"
#include "fuse/operations.h"
#include "fuse/transport.h"
#include "gate/data_plane.h"
#include "sys/identity.h"

namespace bandfs {

/// A file that a caller has open.
class OpenFileHandle final : public Handle {
public:
    OpenFileHandle(DataPlane& plane, std::shared_ptr<OpenFile> file) : plane_(plane), file_(std::move(file)) {}
    /// It may be read, and so by way of the kernel's own pages.
    void watch(PageWatch& watch) { reader_.emplace(watch, file_->data); }
    ~OpenFileHandle() override {
        reader_.reset();
        plane_.release(std::move(file_));
    }

    const std::shared_ptr<OpenFile>& file() const { return file_; }

private:
    DataPlane& plane_;
    std::shared_ptr<OpenFile> file_;
    std::optional<PageWatch::Reader> reader_;
};

/// What every request needs that may be answered later, from another thread. A first base of each kind below, so that
/// it is destroyed after everything else of the request: the session ends when the last one is gone.
class DeferredReply {
public:
    DeferredReply(const DeferredReply&) = delete;
    DeferredReply& operator=(const DeferredReply&) = delete;

protected:
    explicit DeferredReply(fuse_req_t request);
    ~DeferredReply();

    /// The handler returns before the answer.
    void defer();
    /// The same for a job that is taken back when its caller is killed.
    void defer_until_killed(Job& job);
    /// Before the answer, which is sent while the result lives. Waits for a running interrupt callback.
    Replying begin_reply();

    fuse_req_t request() const { return request_; }
    ReplySlot slot() const { return slot_; }
    Filesystem& filesystem() const { return filesystem_; }

private:
    static void interrupted(fuse_req_t request, void* self);
    void ignore_interrupts();

    const fuse_req_t request_;
    Filesystem& filesystem_;
    const ReplySlot slot_;
    bool deferred_ = false;
    Job* killable_ = nullptr;  ///< registered with libfuse to be told of interrupts
};

/// Counts a direct write among those of its file that wait. The file lives longer.
class WaitOfWrite {
public:
    explicit WaitOfWrite(FileData& file) : file_(file) { file_.write_waits(now_ns()); }
    ~WaitOfWrite() { file_.write_waits_no_more(); }
    WaitOfWrite(const WaitOfWrite&) = delete;
    WaitOfWrite& operator=(const WaitOfWrite&) = delete;

private:
    FileData& file_;
};

class FuseRead final : private DeferredReply, public ReadRequest, private StartedRead {
public:
    FuseRead(fuse_req_t request, std::shared_ptr<OpenFile> file, IoFlags flags, std::uint64_t offset,
             std::uint32_t bytes);

private:
    void kept() override;
    std::span<std::byte> answer_memory() override { return slot().transport->answer_memory(slot()); }
    bool can_start_reading() const override { return slot().transport->reads(slot()); }
    void start_reading(int fd, std::span<std::byte> memory, std::uint64_t offset) override;
    void done(Result<std::size_t> bytes) override { has_read(*filesystem().gate, bytes); }
    void answer(Result<std::span<const std::byte>> data) override;
};

class FuseWrite final : private DeferredReply, public WriteRequest {
public:
    FuseWrite(fuse_req_t request, std::shared_ptr<OpenFile> file, IoFlags flags, std::uint64_t offset,
              std::span<const std::byte> payload, bool writepage);
    ~FuseWrite() override;

private:
    struct Free {
        void operator()(std::byte* memory) const;
    };

    bool perform(std::uint64_t begin, std::uint64_t end) override;
    std::span<const std::byte> keep_payload() override;
    void answer(Result<std::size_t> written) override;

    std::optional<WaitOfWrite> wait_;
    std::span<const std::byte> payload_;       ///< in the message until keep_payload()
    PooledBuffer message_;                     ///< of a large payload
    std::unique_ptr<std::byte[], Free> copy_;  ///< of a small one: a buffer of 1 MiB would be too much for it
};

class FuseSync final : private DeferredReply, public SyncRequest {
public:
    FuseSync(fuse_req_t request, std::shared_ptr<OpenFile> file, bool data_only);

private:
    void kept() override;
    void answer(Status status) override;
};

/// fallocate(2): on a worker, since it may take the disk's time. Charged for what it writes, it is done when its group
/// has had the turns for that. Performed as `caller` when one is given.
class FuseAllocate final : private DeferredReply, public Job {
public:
    FuseAllocate(fuse_req_t request, fuse_ino_t node, std::shared_ptr<OpenFile> file, int mode, std::uint64_t offset,
                 std::uint64_t bytes, std::optional<Identity> caller);

private:
    bool perform(std::uint64_t begin, std::uint64_t end) override;
    void finish(JobOutcome outcome) override;

    const fuse_ino_t node_;
    const std::shared_ptr<OpenFile> file_;
    const int mode_;
    const std::uint64_t offset_;
    const std::uint64_t bytes_wanted_;
    const std::optional<Identity> caller_;
    Status status_;
};

}  // namespace bandfs
