// gate/data_plane.h - reads, writes and fsyncs of one mount: what is answered at once, what is scheduled, what waits.
//
// The FUSE side derives from the requests of gate/requests.h, hands them in, and answers when it is told to:
//
//   plane.read(std::make_unique<FuseRead>(req, file, offset, size, tid), lineage, may_inline);   // FuseRead :
//   ReadRequest
//
// What the page cache serves is answered inside the call, and what is done in it, because nothing else wants the disk.
// Every other request is first told kept(), inside the call and in the same thread, lives on, and is answered by some
// worker.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "bandfs/mount_groups.h"
#include "disk/file_table.h"
#include "disk/open_file.h"
#include "gate/gate.h"
#include "gate/requests.h"
#include "sys/buffer_pool.h"
#include "sys/clock.h"
#include "sys/result.h"

namespace bandfs {

struct DataPlaneSettings {
    std::uint32_t unit_size = 131072;
    std::uint64_t dirty_bytes = 0;  ///< what a group may have dirty and not on the disk; 0: default_dirty_bytes()
    /// What all groups may have for which those whose write-back is fast may go beyond that; 0: a 32nd of memory when
    /// dirty_bytes is 0, and else nothing.
    std::uint64_t dirty_of_all = 0;
    TimeNs oldest_dirty_ns = 5 * kSecond;  ///< what has been dirty longer is written back although nothing presses
    std::size_t dirty_files = 0;           ///< how many files its groups may have dirty; 0: default_dirty_files()
    std::uint64_t kept_bytes = 0;  ///< payload of writes that wait, beyond which they pass; 0: an eighth of memory
};

/// Counts of a mount's data plane that are not the scheduler's.
struct DataCounters {
    std::atomic<std::uint64_t> cached_reads{0};   ///< reads that the page cache below answered, uncharged
    std::atomic<std::uint64_t> cached_bytes{0};   ///< their bytes, and those of the starts of other reads
    std::atomic<std::uint64_t> waited_writes{0};  ///< buffered writes that waited behind their group's write-back
    std::atomic<std::uint64_t> mapped_writes{0};  ///< write-back of shared mappings, charged to who opened the file
    std::atomic<std::uint64_t> passed_over_memory{0};  ///< writes that passed, for too much payload waited already
    std::atomic<std::uint64_t> writeback_errors{0};    ///< pieces of write-back that failed
};

/// Thread-safe. Made when the gate and the mount's groups are there; drained, and destroyed before they are.
class DataPlane {
public:
    /// min(64 MiB, memory / 64).
    static std::uint64_t default_dirty_bytes();
    /// A fourth of the descriptors that the process may have: a dirty file keeps its own although nobody has it open.
    static std::size_t default_dirty_files();

    DataPlane(Gate& gate, MountGroups& groups, DiskIo& io, const DataPlaneSettings& settings);
    ~DataPlane();
    DataPlane(const DataPlane&) = delete;
    DataPlane& operator=(const DataPlane&) = delete;

    FileTable& files() { return files_; }
    /// For payloads: what is received and what is read comes from one pool.
    BufferPool& buffers() { return buffers_; }

    /// `lineage`: the caller's id and its ancestors', nearest first; the first that has a group attached is charged,
    /// the default group when none has. `may_inline`: this thread can be spared for a disk I/O; the answer is whether
    /// one that was not to wait was left to another thread since it cannot.
    bool read(std::unique_ptr<ReadRequest> request, std::span<const GroupId> lineage, bool may_inline);
    bool write(std::unique_ptr<WriteRequest> request, std::span<const GroupId> lineage, bool may_inline);
    /// The file's dirty extents first, ahead of everything else that is held, then the backing fsync, on a worker.
    void sync(std::unique_ptr<SyncRequest> request);

    /// The handle is closed (RELEASE). Writes nothing; a file that has no name and is not open otherwise loses what is
    /// dirty.
    void release(std::shared_ptr<OpenFile> file);
    /// A name of this file is gone (unlink, rename over it). If it was the last and nobody has the file open, what is
    /// dirty of it is dropped, and its space is free as soon as no write-back of it runs. Cheap for a file that is not
    /// dirty.
    void unlinked(FileKey key);

    /// Truncates or extends an open file. For a file that was truncated by other means: resized().
    Status resize(OpenFile& file, std::uint64_t size);
    void resized(FileKey key, std::uint64_t size);
    /// fallocate(2). What it punches out, zeroes or shifts is not written back by us any more.
    Status allocate(OpenFile& file, int mode, std::uint64_t offset, std::uint64_t bytes);
    /// Has a job that will call allocate(), made as an errand, pay for what that writes, 64 MiB at most.
    void charge_allocation(Job& job, const OpenFile& file, int mode, std::uint64_t offset, std::uint64_t bytes) const;

    /// The process has run out of descriptors: files that are dirty and not open any more are written back before
    /// everything else. Waits until one has gone with its descriptors; false when there is none, or that takes too
    /// long. Called without a lock, by no worker of the gate.
    bool relieve();

    /// The mount ends: everything dirty is written back and everything held passes. False when `deadline` passed first.
    bool drain(TimeNs deadline);

    const DataCounters& counters() const { return counters_; }
    /// Bytes that are dirty and not on the disk, of all groups.
    std::uint64_t dirty_bytes() const;
    std::uint64_t dirty_bytes(DirtyOwner owner) const;
    /// The bound of each group. Lowering it makes no write wait that has been let run.
    std::uint64_t dirty_bound() const;
    bool is_dirty_bound_set() const;
    void set_dirty_bound(std::uint64_t bytes);

private:
    bool fail(ReadRequest& request, std::span<const GroupId> lineage, Errno error);
    void write_to_cache(std::unique_ptr<WriteRequest> request, const Payer& payer);

    Gate& gate_;
    MountGroups& groups_;
    const std::uint32_t unit_size_;
    DataCounters counters_;
    KeptMemory kept_;
    BufferPool buffers_;
    FileTable files_;
    std::unique_ptr<WriteBack> write_back_;
};

}  // namespace bandfs
