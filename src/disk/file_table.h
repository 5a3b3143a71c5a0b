// disk/file_table.h - the files of a mount that are open or dirty.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "disk/change_log.h"
#include "disk/disk_io.h"
#include "disk/disk_volume.h"
#include "disk/file_key.h"
#include "disk/open_file.h"
#include "disk/space_watch.h"
#include "sys/result.h"
#include "sys/unique_fd.h"

namespace bandfs {

class Inode;
class Tree;

/// Finds the one FileData of each inode. Thread-safe; its lock is taken inside any other. Holds no file open itself:
/// what is open (OpenFile) or has dirty extents (write-back) keeps its FileData. Outlives them all.
///
/// The failure of a write-back that nobody has been told of stays when the file goes, for its next open.
class FileTable {
public:
    /// `emptied` is called when an open has truncated a file that was open or dirty. `relief`, if any, when there are
    /// no descriptors left: it has others given up and says whether any was.
    explicit FileTable(DiskIo& io, std::function<void(FileData&)> emptied, std::function<bool()> relief = nullptr)
        : io_(io), emptied_(std::move(emptied)), relief_(std::move(relief)) {}
    ~FileTable();
    FileTable(const FileTable&) = delete;
    FileTable& operator=(const FileTable&) = delete;

    /// Opens an inode as open(2) with `flags` would, O_TRUNC included. EINVAL: O_DIRECT where the file system has none.
    Result<std::shared_ptr<OpenFile>> open(Tree& tree, Inode& inode, int flags);
    /// The same for a descriptor at hand, as creating a file gives one, of a file that was not there before, opened
    /// with backing_flags(flags).
    Result<std::shared_ptr<OpenFile>> adopt(UniqueFd fd, int flags, NodeId node = 0);
    /// The file of that key when it is open or dirty, else nullptr.
    std::shared_ptr<FileData> find(FileKey key);
    /// That of an inode; nullptr also when another file has its number now.
    std::shared_ptr<FileData> find(const Inode& inode);
    /// Those that the kernel reads into pages of its own.
    std::vector<std::shared_ptr<FileData>> paged_files();
    /// The last name of a closed file is gone: nobody can ask any more how its write-back went.
    void forget_failure(FileKey key);

    // For who needs descriptors.

    /// Whether there is a file that nobody has open. It goes, with its descriptors, once it is not dirty any more.
    bool any_closed() const;
    /// How many files have gone so far.
    std::uint64_t gone() const;
    /// Waits until more than `before` have gone; false when that takes longer than `patience`.
    bool await_gone(std::uint64_t before, std::chrono::nanoseconds patience) const;

    /// How a file is opened below for a caller's `flags`: for reading too when it is for writing; the page cache,
    /// durability and appending are the data plane's business, creating is the tree's.
    static int backing_flags(int flags);

private:
    friend class FileData;
    friend class OurChange;

    struct Known {
        FileData* file = nullptr;  ///< not destroyed while it stands here
        std::weak_ptr<FileData> alive;
    };
    struct KnownVolume {
        Volume facts;
        SpaceWatch space;
    };

    Result<std::shared_ptr<OpenFile>> enter(UniqueFd fd, int below, int flags, NodeId node);
    Result<std::shared_ptr<FileData>> file_for(int fd, NodeId node);
    Status open_direct(FileData& file, bool quiet);
    std::optional<ChangeLog> recall_changes(FileKey key) const;
    void remember_changes(FileKey key, const ChangeLog& changes);
    // Called by a file that goes: before and after it closes its descriptors.
    void goes(FileData& file) noexcept;
    void went() noexcept;

    DiskIo& io_;
    const std::function<void(FileData&)> emptied_;
    const std::function<bool()> relief_;
    mutable std::mutex mutex_;
    mutable std::condition_variable one_went_;
    std::map<FileKey, Known> files_;    // guarded, as what follows
    std::atomic<bool> is_empty_{true};  ///< written under the lock: there is none
    std::map<FileKey, int> untold_;     ///< errno of write-backs of files that have gone
    std::map<dev_t, KnownVolume> volumes_;
    ChangeMemory changes_;
    std::size_t alive_ = 0;  ///< files that have not gone; of these, some may have left files_ already
    std::uint64_t gone_ = 0;
};

/// A change through the mount that no FileData makes: of attributes, or of the size of a file that may be closed. It
/// lasts as long as this lives.
class OurChange {
public:
    OurChange(FileTable& files, Tree& tree, Inode& inode);
    ~OurChange();
    OurChange(const OurChange&) = delete;
    OurChange& operator=(const OurChange&) = delete;

private:
    FileTable& files_;
    const FileKey key_;
    std::shared_ptr<FileData> open_;
    std::optional<ChangeWatch::Ours> ours_;
    std::optional<ChangeLog> closed_;  ///< what is known of a file that is not open
};

}  // namespace bandfs
