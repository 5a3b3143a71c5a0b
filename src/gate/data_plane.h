// gate/data_plane.h - reads, writes and fsyncs of one mount: what is answered at once, what is scheduled, what waits.
//
// The FUSE side derives from the three requests, hands them in and answers when it is told to:
//
//   auto read = std::make_unique<FuseRead>(req, file, offset, size, tid);   // FuseRead : ReadRequest
//   plane.read(std::move(read), lineage, may_inline);                       // answer() has been or will be called
//
// A request that the page cache serves is answered inside the call. Every other one is first told keep() (inside the call,
// in the same thread), lives on, and is answered on some worker.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "bandfs/mount_groups.h"
#include "disk/open_file.h"
#include "gate/gate.h"
#include "gate/job.h"
#include "sys/buffer_pool.h"
#include "sys/result.h"

namespace bandfs {

class DataPlane;
class WriteBack;

/// A read of an open file, at most 1 MiB.
class ReadRequest : public Job {
public:
    ReadRequest(std::shared_ptr<OpenFile> file, std::uint64_t offset, std::uint32_t size, pid_t caller_tid);

protected:
    /// The request outlives the call that handed it in, and other threads may see it from now on: the last moment to
    /// register an interrupt callback (which may call Gate::cancel(*this)).
    virtual void keep() {}
    /// Exactly once, with no lock held. First unregisters what keep() registered. The span is valid during the call.
    virtual void answer(Result<std::span<const std::byte>> data) = 0;

private:
    friend class DataPlane;
    bool perform(std::uint64_t begin, std::uint64_t end) final;
    void finish(JobOutcome outcome) final;

    const std::shared_ptr<OpenFile> file_;
    const std::uint64_t offset_;
    const std::uint32_t size_;
    BufferPool* pool_ = nullptr;
    PooledBuffer buffer_;
    std::uint32_t done_ = 0;      ///< bytes at the start of the range that are in the buffer
    std::uint32_t charged_from_ = 0;
    int error_ = 0;
};

/// A write to an open file, at most 1 MiB. Its payload is borrowed until keep(), which must make it the request's own.
class WriteRequest : public Job {
public:
    /// `writepage`: the kernel's write-back of a shared mapping, which has no caller; charged to who opened the file.
    WriteRequest(std::shared_ptr<OpenFile> file, std::uint64_t offset, std::span<const std::byte> payload, bool writepage,
                 pid_t caller_tid);

protected:
    /// As for a read; and returns the payload at a place where it stays until the request is destroyed (page aligned if
    /// the file was opened with O_DIRECT).
    virtual std::span<const std::byte> keep() = 0;
    /// Exactly once, with no lock held: how many bytes were written.
    virtual void answer(Result<std::size_t> written) = 0;

private:
    friend class DataPlane;
    friend class WriteBack;
    bool perform(std::uint64_t begin, std::uint64_t end) final;
    void finish(JobOutcome outcome) final;

    const std::shared_ptr<OpenFile> file_;
    const std::uint64_t offset_;
    std::span<const std::byte> payload_;
    const bool writepage_;
    WriteBack* write_back_ = nullptr;   ///< of a write into the page cache
    DirtyOwner owner_;
    std::size_t written_ = 0;
    int error_ = 0;
};

/// An fsync or fdatasync.
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
    Status status_;
};

struct DataPlaneSettings {
    std::uint32_t unit_size = 131072;
    std::uint64_t dirty_bytes = 0;    ///< bound of each group; 0: default_dirty_bytes()
    TimeNs oldest_dirty_ns = 5 * kSecond;
};

/// Counts of a mount's data plane that are not the scheduler's.
struct DataCounters {
    std::atomic<std::uint64_t> cached_reads{0};        ///< reads that the page cache below answered, uncharged
    std::atomic<std::uint64_t> cached_bytes{0};        ///< their bytes, and those of the cached starts of others
    std::atomic<std::uint64_t> waited_writes{0};       ///< buffered writes that waited for their group's dirty bound
    std::atomic<std::uint64_t> mapped_writes{0};       ///< write-back of shared mappings, charged to who opened the file
    std::atomic<std::uint64_t> writeback_errors{0};
};

/// Thread-safe. Made after the gate and the mount's groups, and drained before they go.
class DataPlane {
public:
    /// min(64 MiB, memory / 64): what a group may have dirty and not on the disk.
    static std::uint64_t default_dirty_bytes();

    DataPlane(Gate& gate, MountGroups& groups, DiskIo& io, const DataPlaneSettings& settings);
    ~DataPlane();

    FileTable& files();
    BufferPool& buffers();

    /// `lineage`: the caller's id and its ancestors', nearest first; the first that has a group attached is charged, the
    /// default group when none has. `may_inline`: this thread can be spared for a disk I/O.
    void read(std::unique_ptr<ReadRequest> request, std::span<const GroupId> lineage, bool may_inline);
    void write(std::unique_ptr<WriteRequest> request, std::span<const GroupId> lineage, bool may_inline);
    /// The file's dirty extents first, ahead of everything else that is held, then the backing fsync, on a worker.
    void sync(std::unique_ptr<SyncRequest> request);

    /// The handle is closed (RELEASE). Writes nothing; a file without a name and without another open loses its dirty extents.
    void release(std::shared_ptr<OpenFile> file);
    /// A name of this file is gone (unlink, rename over it): if it was the last and nobody has it open, what is dirty of it
    /// is dropped and its space is free at once. Cheap when the file is neither open nor dirty.
    void unlinked(FileKey key);
    /// Truncates or extends an open file, or tells that it was done otherwise (by name) through resized().
    Status resize(OpenFile& file, std::uint64_t size);
    void resized(FileKey key, std::uint64_t size);
    /// fallocate(2).
    Status allocate(OpenFile& file, int mode, std::uint64_t offset, std::uint64_t bytes);

    /// The mount ends: everything dirty is written back and everything held passes. False when `deadline` passed first.
    bool drain(TimeNs deadline);

    const DataCounters& counters() const;
    /// Bytes that are dirty and not on the disk, of a group and of all.
    std::uint64_t dirty_bytes(DirtyOwner owner) const;
    std::uint64_t dirty_bytes() const;
    std::uint64_t dirty_bound() const;

private:
    struct Parts;
    std::unique_ptr<Parts> parts_;
};

}  // namespace bandfs
