// disk/file_data.h - the data of one regular file: its descriptors, what of it is dirty, reads, writes, durability.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "bandfs/unit.h"
#include "disk/change_log.h"
#include "disk/dirty_extents.h"
#include "disk/disk_io.h"
#include "disk/disk_volume.h"
#include "disk/file_key.h"
#include "disk/inode_key.h"
#include "disk/space_watch.h"
#include "sys/file_io.h"
#include "sys/result.h"
#include "sys/unique_fd.h"

namespace bandfs {

class FileTable;

/// What the page cache gave of a range: `bytes` from its start are in the buffer; `complete` when that is all there is,
/// up to the end of the range or of the file. `end` is where the range ends, cut at the end of the file.
struct CachedRead {
    std::size_t bytes = 0;
    bool complete = false;
    std::uint64_t end = 0;
};

/// One per inode that is open anywhere in its mount or has dirty extents; all its OpenFiles share it. Holds a buffered
/// descriptor (read-write once it was opened for writing) and, once that is wanted and where the file system takes it,
/// one with O_DIRECT; and the same again to read from with O_NOATIME. Made by FileTable.
///
/// Thread-safe. Invariant: an extent is noted as dirty only after its bytes are in the page cache, and is taken off
/// before it is written back. So what this mount has dirtied is noted, about to be noted by a write that is not
/// answered yet, or being written by a call that runs.
class FileData : public std::enable_shared_from_this<FileData> {
public:
    FileData(FileTable& table, DiskIo& io, FileKey key, NodeId node, Volume volume, SpaceWatch& space,
             const ChangeLog& changes);
    ~FileData();
    FileData(const FileData&) = delete;
    FileData& operator=(const FileData&) = delete;

    FileKey key() const { return key_; }
    NodeId node() const { return node_; }  ///< of the inode that it was opened as last
    WriteBackKind write_back_kind() const { return volume_.kind; }
    /// For calls about the open file that are not its data (fstat, fchmod, futimens, flock).
    int descriptor() const;
    bool writable() const { return writer_ >= 0; }  ///< it is, or was lately, open for writing
    /// It could only be opened for appending (chattr +a): whatever is written goes to its end.
    bool append_only() const { return append_only_; }

    // Reads. A quiet one leaves the time of the last access as it is, as O_NOATIME asks.

    /// Reads what the page cache holds of the start of the range, and starts no I/O on the disk.
    Result<CachedRead> read_cached(std::uint64_t offset, std::span<std::byte> into, bool quiet = false);
    /// Reads from the disk: with O_DIRECT where that gives the same, else buffered. Short only at the end of the file.
    /// `into` lies at the same place of a page as `offset` does, and the rest of its first and of its last page may be
    /// overwritten.
    Result<std::size_t> read(std::uint64_t offset, std::span<std::byte> into, bool quiet = false);
    /// The descriptor that read() would read whole pages by, if that is one with O_DIRECT; -1: not so.
    int direct_reader(std::uint64_t offset, std::size_t bytes, bool quiet);
    /// With O_DIRECT wanted: as the file system answers it.
    Result<std::size_t> read_direct(std::uint64_t offset, std::span<std::byte> into, bool quiet = false);

    // Writes. Short when the disk filled up or failed on the way; an error when nothing was written.

    /// Into the page cache.
    Result<std::size_t> write(std::uint64_t offset, std::span<const std::byte> from);
    /// Into the page cache and on, until it is as durable as asked for; where nothing is asked for, as after fdatasync.
    Result<std::size_t> write_synchronously(std::uint64_t offset, std::span<const std::byte> from,
                                            Durability durability);
    /// With O_DIRECT wanted.
    Result<std::size_t> write_direct(std::uint64_t offset, std::span<const std::byte> from, Durability durability);
    /// As a store to a shared mapping does it, which leaves set-id bits and capabilities, and a write takes them off.
    /// False when some of it could not be had.
    bool store(std::uint64_t offset, std::span<const std::byte> from);
    /// What an O_DIRECT write of part of the payload may want of its place in memory: a block of the disk, and a page
    /// where the kernel does not say.
    std::size_t memory_alignment() const;
    /// Whether the file system takes an O_DIRECT request of this place and length.
    bool direct_allows(std::uint64_t offset, std::size_t bytes) const;
    /// Opens the O_DIRECT descriptor that an open with O_DIRECT needs. EINVAL: the file system has none.
    Status open_direct(bool quiet);
    /// How many bytes a write into the page cache would first read from the disk, as one of a part of a page may: none,
    /// a page, or two.
    std::uint32_t write_would_read(std::uint64_t offset, std::size_t bytes);
    /// Whether a write of so many bytes might take blocks that the file system keeps for root.
    bool near_reserve(std::uint64_t bytes) {
        return volume_.kind == WriteBackKind::ranges && space_.near_reserve(descriptor(), bytes);
    }

    // Durability.

    /// Puts what is still scheduled for `owner` of these extents on the disk, and returns how many bytes that were. A
    /// failure is kept for fsync() and told in `status`.
    std::uint64_t write_back(std::span<const Extent> extents, DirtyOwner owner, Status& status);
    /// fsync or fdatasync of the backing file. The failure of an earlier write-back is answered once per `mark`.
    Status sync(bool data_only, std::atomic<std::uint32_t>& mark);
    /// What a new open starts with: it is told of failures from now on, and of the last one if nobody has been yet.
    std::uint32_t error_mark();
    /// The last failure if nobody has been told of it, else 0.
    int untold_failure() const;

    // The dirty extents; see DirtyExtents.

    std::uint64_t note_dirty(std::uint64_t offset, std::uint64_t bytes, DirtyOwner owner);
    std::vector<Extent> schedule(DirtyOwner owner, std::uint64_t span);
    std::vector<OwnedBytes> discard(std::uint64_t begin, std::uint64_t end);
    bool dirty(std::uint64_t begin, std::uint64_t end) const;
    /// How many bytes fallocate(2) in this mode will write before or while it does the rest.
    std::uint64_t written_by_allocation(int mode, std::uint64_t offset, std::uint64_t bytes) const;

    // Direct writes of callers that wait for their turn, or for the disk after that.

    void write_waits(TimeNs now);
    void write_waits_no_more();
    /// Whether there has been one all the time for kLong: who has to wait until there is none waits for longer.
    bool writes_wait_long(TimeNs now) const;

    // Who changes it. What this class does itself, but for direct writes, counts as ours: these go past the pages that
    // the kernel has above the mount.

    /// Sets the time of the last access as a read does.
    void touch();
    ChangeWatch::Seen look() { return changes_.look(descriptor()); }
    ChangeWatch& changes() { return changes_; }
    /// For a change by other means: ours, while the result lives.
    ChangeWatch::Ours change() { return {changes_, descriptor()}; }

    // How often it is open.

    void opened() { opens_.fetch_add(1); }
    void closed() { opens_.fetch_sub(1); }
    bool open_somewhere() const { return opens_ != 0; }
    /// Opens for reading by way of the kernel's own pages.
    void count_paged_open(int more) { paged_ += more; }
    bool is_paged() const { return paged_ != 0; }
    /// Nobody has it open and no name leads to it: what is dirty of it need not be written.
    bool abandoned() const;

private:
    friend class FileTable;

    static constexpr TimeNs kLong = 20'000'000;  ///< 20 ms: a disk that is shared, and not one that is busy

    /// Descriptors that are read from; -1: there is none. Open as long as this lives.
    struct Readers {
        std::atomic<int> buffered{-1};
        std::atomic<int> direct{-1};
    };

    void adopt(UniqueFd fd, int flags);
    int reader(bool quiet);
    Readers& readers(bool quiet) { return quiet ? quiet_ : usual_; }
    Result<int> direct_descriptor(bool writable, bool quiet);
    Result<std::size_t> read_fully(int fd, std::uint64_t offset, std::span<std::byte> into);
    Result<std::size_t> write_fully(int fd, std::uint64_t offset, std::span<const std::byte> from,
                                    Durability durability);
    std::size_t read_held(int fd, std::uint64_t offset, std::span<std::byte> into);
    std::uint64_t resident_start(int fd, std::uint64_t offset, std::uint64_t pages);
    std::uint32_t fail(Errno error);

    FileTable& table_;
    DiskIo& io_;
    const FileKey key_;
    std::atomic<NodeId> node_;
    const Volume volume_;
    SpaceWatch& space_;  ///< of its file system

    // -1: there is none. Open as long as this lives, also when another one has taken its place.
    std::atomic<int> writer_{-1};
    std::atomic<int> direct_writer_{-1};
    Readers usual_, quiet_;                    ///< a quiet one leaves the time of the last access as it is
    std::atomic<bool> append_only_{false};     ///< the writer appends; one that does not takes its place
    std::atomic<bool> quiet_refused_{false};   ///< the server is not root, and the file somebody else's
    std::atomic<bool> direct_refused_{false};  ///< the file system took the descriptor and then not the read
    std::atomic<unsigned> opens_{0};
    std::atomic<int> paged_{0};
    ChangeWatch changes_;

    mutable std::mutex mutex_;
    std::vector<UniqueFd> owned_;  // guarded, as what follows
    DirtyExtents dirty_;
    unsigned writes_waiting_ = 0;
    TimeNs writes_wait_since_ = 0;  ///< when the first of those came
    std::uint32_t failures_ = 0;    ///< counts write-backs that failed
    int last_failure_ = 0;
    bool told_ = true;  ///< somebody has been answered the last failure
};

}  // namespace bandfs
