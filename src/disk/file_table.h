// disk/file_table.h - the files of a mount that are open or dirty.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "disk/disk_io.h"
#include "disk/disk_volume.h"
#include "disk/file_key.h"
#include "disk/open_file.h"
#include "sys/result.h"
#include "sys/unique_fd.h"

namespace bandfs {

class Inode;
class Tree;

/// Finds the one FileData of each inode. Thread-safe. Holds no file open itself: what is open (OpenFile) or has dirty
/// extents (write-back) keeps its FileData, and an entry without one is dropped as the table grows.
class FileTable {
public:
    /// `emptied` is called when an open has truncated a file that was open or dirty.
    FileTable(DiskIo& io, std::function<void(FileData&)> emptied) : io_(io), emptied_(std::move(emptied)) {}

    /// Opens an inode as open(2) with `flags` would, O_TRUNC included. EINVAL: O_DIRECT where the file system has none.
    Result<std::shared_ptr<OpenFile>> open(Tree& tree, Inode& inode, int flags, std::vector<std::uint64_t> opener);
    /// The same for a descriptor at hand, as creating a file gives one, that was opened with backing_flags(flags).
    Result<std::shared_ptr<OpenFile>> adopt(UniqueFd fd, int flags, std::vector<std::uint64_t> opener);
    /// The file of that key when it is open or dirty, else nullptr.
    std::shared_ptr<FileData> find(FileKey key);

    /// How a file is opened below for a caller's `flags`: for reading too when it is for writing; the page cache,
    /// durability and appending are the data plane's business, creating is the tree's.
    static int backing_flags(int flags);

private:
    Result<std::shared_ptr<OpenFile>> enter(UniqueFd fd, int below, int flags, std::vector<std::uint64_t> opener);
    Result<std::shared_ptr<FileData>> file_for(int fd);
    void drop_the_gone();

    DiskIo& io_;
    const std::function<void(FileData&)> emptied_;
    std::mutex mutex_;
    std::map<FileKey, std::weak_ptr<FileData>> files_;  // guarded, as what follows
    std::map<dev_t, Volume> volumes_;
    std::size_t drop_at_ = 64;  ///< entries at which those without a file are dropped
};

}  // namespace bandfs
