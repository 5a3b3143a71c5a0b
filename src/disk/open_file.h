// disk/open_file.h - a file as one open(2) of a caller has it.
#pragma once

#include <fcntl.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "caller/group_type.h"
#include "caller/resolver.h"
#include "disk/file_data.h"

namespace bandfs {

/// What one read or write is asked to be: the flags of its open file as they are then, since fcntl(2) changes them, and
/// what pwritev2(2) adds.
class IoFlags {
public:
    explicit IoFlags(int flags) : flags_(flags) {}

    bool direct() const { return (flags_ & O_DIRECT) != 0; }
    bool quiet() const { return (flags_ & O_NOATIME) != 0; }
    bool appends() const { return (flags_ & O_APPEND) != 0; }
    /// What O_SYNC or O_DSYNC asks of a write.
    Durability durability() const {
        if ((flags_ & O_SYNC) == O_SYNC) return Durability::all;
        return (flags_ & O_DSYNC) != 0 ? Durability::data : Durability::none;
    }

private:
    int flags_;
};

/// Who opened a file, for what comes without a caller, or from one that has ended.
struct FileOpener {
    CallerIds ids;
    GroupType terms;                     ///< by which the lineage was found: the type, or the list of rules
    std::vector<std::uint64_t> lineage;  ///< ids of groups, nearest first
};

/// One open of a caller; what fuse_file_info::fh points to. Shared by requests in flight (std::shared_ptr), so that a
/// release does not pull it from under one. Made by FileTable, given back through DataPlane::release(). Thread-safe:
/// all but the error mark is constant.
struct OpenFile {
    OpenFile(std::shared_ptr<FileData> file, int open_flags)
        : data(std::move(file)), flags(open_flags), error_mark(data->error_mark()) {
        data->opened();
    }
    ~OpenFile() { data->closed(); }
    OpenFile(const OpenFile&) = delete;
    OpenFile& operator=(const OpenFile&) = delete;

    const std::shared_ptr<FileData> data;   ///< one per inode while it is open anywhere
    const int flags;                        ///< of open(2); each read and write brings its own
    FileOpener opener;                      ///< constant once the caller has been told of the file
    std::atomic<std::uint32_t> error_mark;  ///< the write-back errors this open has been told about
};

}  // namespace bandfs
