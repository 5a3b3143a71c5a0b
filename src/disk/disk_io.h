// disk/disk_io.h - the calls that reach the disk, as an interface: tests put a disk that fails behind it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "sys/result.h"
#include "sys/unique_fd.h"

namespace bandfs {

/// What a write has reached when it returns.
enum class Durability : std::uint8_t {
    none,       ///< the page cache; the disk, without a flush of its cache, for an O_DIRECT descriptor
    data,       ///< as after fdatasync: O_DSYNC
    all,        ///< as after fsync: O_SYNC
};

/// How dirty pages get to the disk under control, which depends on the file system below.
enum class WriteBackKind : std::uint8_t {
    ranges,        ///< sync_file_range writes extents; a write is answered once it is in the page cache
    memory,        ///< there is no disk (tmpfs): a write is answered at once, nothing is written back
    synchronous,   ///< sync_file_range would not do it: each write is a unit, answered when it is durable
};

/// The word for it in status: "ranges", "memory", "synchronous".
std::string_view name_of(WriteBackKind kind);

/// How many pages of a range the page cache holds; `known` is false where the kernel does not tell.
struct ResidentPages {
    bool known = false;
    std::uint64_t pages = 0;
};

/// Thread-safe. Every call may block but resident() and read_cached(). Reads and writes may be short.
class DiskIo {
public:
    virtual ~DiskIo() = default;

    virtual Result<std::size_t> read(int fd, std::span<std::byte> into, std::uint64_t offset) = 0;
    /// From the page cache alone: short, or EAGAIN, where it holds no more.
    virtual Result<std::size_t> read_cached(int fd, std::span<std::byte> into, std::uint64_t offset) = 0;
    virtual Result<std::size_t> write(int fd, std::span<const std::byte> from, std::uint64_t offset, Durability) = 0;
    /// Writes the dirty pages of a range and returns when the disk has them.
    virtual Status write_back(int fd, std::uint64_t offset, std::uint64_t bytes) = 0;
    virtual Status sync(int fd, bool data_only) = 0;
    virtual ResidentPages resident(int fd, std::uint64_t offset, std::uint64_t bytes) = 0;
    virtual Result<std::uint64_t> size(int fd) = 0;

    /// The real one.
    static DiskIo& system();
};

}  // namespace bandfs
