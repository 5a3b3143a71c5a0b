// disk/file_data.h - the data of one regular file: its descriptors, what of it is dirty, reads, writes, durability.
//
// One FileData per inode that is open anywhere in its mount or has dirty extents, shared by all its OpenFiles. It holds a
// buffered descriptor (read-write when it was opened for writing) and, once it is wanted and when the file system takes it,
// one with O_DIRECT. It remembers the dirty extents that the mount has written and not yet put on the disk, each with the
// group that dirtied it.
#pragma once

#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "disk/dirty_extents.h"
#include "disk/disk_io.h"
#include "sys/result.h"
#include "sys/unique_fd.h"

namespace bandfs {

class Inode;
class Tree;
struct OpenFile;

/// What names a file while the mount lives.
struct FileKey {
    dev_t device = 0;
    ino_t inode = 0;
    friend auto operator<=>(const FileKey&, const FileKey&) = default;
};

/// What a probe of the page cache gave: `bytes` from the start of the range are in the buffer; `complete` when that is all
/// there is, up to the end of the range or of the file. `end` is where the range ends, cut at the end of the file.
struct CachedRead {
    std::size_t bytes = 0;
    bool complete = false;
    std::uint64_t end = 0;
};

/// Thread-safe. Invariant: an extent is noted as dirty only after its bytes are in the page cache, and is taken off before
/// it is written back; so bytes that are dirty in the page cache by this mount are always noted, being noted, or being
/// written back.
class FileData {
public:
    FileData(DiskIo& io, FileKey key, WriteBackKind kind, std::uint32_t direct_alignment);

    FileKey key() const { return key_; }
    WriteBackKind write_back_kind() const { return kind_; }

    /// Reads what the page cache holds of the start of the range, starting no I/O on the disk.
    Result<CachedRead> read_cached(std::uint64_t offset, std::span<std::byte> into);
    /// Reads from the disk: with O_DIRECT where that gives the same, else buffered. `into` must be congruent to `offset`
    /// modulo a page and be followed and preceded (to the page boundary) by bytes that may be overwritten. Short only at the
    /// end of the file.
    Result<std::size_t> read(std::uint64_t offset, std::span<std::byte> into);
    /// The same for an open with O_DIRECT: EINVAL when offset or length are not aligned as the file system wants it.
    Result<std::size_t> read_direct(std::uint64_t offset, std::span<std::byte> into);

    /// Into the page cache. Short when the disk filled up or failed on the way, an error when nothing was written.
    Result<std::size_t> write(std::uint64_t offset, std::span<const std::byte> from);
    /// To the disk: durable as `durability` says when it returns.
    Result<std::size_t> write_through(std::uint64_t offset, std::span<const std::byte> from, Durability durability);
    Result<std::size_t> write_direct(std::uint64_t offset, std::span<const std::byte> from, Durability durability);
    /// Whether an O_DIRECT request is aligned as the file system wants it.
    bool aligned(std::uint64_t offset, std::size_t bytes) const;

    /// Puts the pieces of [begin, end) that are still noted as dirty on the disk, and returns how many bytes that were. A
    /// failure is kept for fsync.
    Result<std::uint64_t> write_back(std::span<const Extent> extents);
    /// fsync or fdatasync of the backing file. The error of an earlier write-back is answered once per `mark`.
    Status sync(bool data_only, std::atomic<std::uint32_t>& mark);

    /// Truncates or extends; extents behind the new end are no longer dirty.
    Status resize(std::uint64_t size);
    /// fallocate(2); what is punched out or zeroed is no longer dirty.
    Status allocate(int mode, std::uint64_t offset, std::uint64_t bytes);
    /// lseek(2) with SEEK_DATA or SEEK_HOLE.
    Result<std::uint64_t> seek(std::uint64_t offset, int whence);
    bool unlinked() const;   ///< no name leads to it any more

    /// The descriptor for metadata operations on an open file (fstat, fchmod, futimens, flock); -1 never.
    int descriptor() const;

    /// Marks what was written as dirty; returns how many bytes were not dirty before (whole pages).
    std::uint64_t note_dirty(std::uint64_t offset, std::uint64_t bytes, DirtyOwner owner);
    /// Marks the next batch of this owner as scheduled. Empty: nothing of this owner is left to be scheduled.
    std::vector<Extent> schedule(DirtyOwner owner, std::uint64_t span);
    /// Takes noted extents of [begin, end) back: they will not be written. Per owner, how many bytes.
    DirtyBytes discard(std::uint64_t begin, std::uint64_t end);
    bool dirty(std::uint64_t begin, std::uint64_t end) const;
    std::vector<DirtyOwner> owners() const;   ///< of unscheduled extents

    std::uint32_t error_mark();
    void fail(Errno error);

private:
    friend class FileTable;

    DiskIo& io_;
    const FileKey key_;
    const WriteBackKind kind_;
    const std::uint32_t direct_alignment_;   ///< 0: no O_DIRECT here

    mutable std::mutex mutex_;
    DirtyExtents dirty_;
    unsigned opens_ = 0;
};

/// The files of a mount that are open or dirty. Thread-safe.
class FileTable {
public:
    explicit FileTable(DiskIo& io) : io_(io) {}

    /// Opens an inode as open(2) with `flags` would (O_TRUNC included). EINVAL: O_DIRECT where the file system has none.
    Result<std::shared_ptr<OpenFile>> open(Tree& tree, Inode& inode, int flags, std::vector<std::uint64_t> opener);
    /// The same for a descriptor at hand, as create() gives one: it was opened with backing_flags(flags).
    Result<std::shared_ptr<OpenFile>> adopt(UniqueFd fd, int flags, std::vector<std::uint64_t> opener);
    /// The file of that key when it is open or dirty, else nullptr.
    std::shared_ptr<FileData> find(FileKey key);

    /// The flags for the backing open: O_RDWR for every open for writing; no O_APPEND, O_DIRECT, O_SYNC, O_CREAT, O_EXCL.
    static int backing_flags(int flags);

private:
    DiskIo& io_;
    std::mutex mutex_;
    std::map<FileKey, std::weak_ptr<FileData>> files_;
};

}  // namespace bandfs
