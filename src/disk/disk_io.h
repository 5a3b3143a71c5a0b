// disk/disk_io.h - the calls that reach the disk, as an interface: tests put a disk that fails behind it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "disk/disk_volume.h"
#include "sys/result.h"

namespace bandfs {

/// What a write has reached when it returns.
enum class Durability : std::uint8_t {
    none,  ///< the page cache; for an O_DIRECT descriptor the disk, though perhaps only its cache
    data,  ///< as after fdatasync: O_DSYNC
    all,   ///< as after fsync: O_SYNC
};

/// Thread-safe. Every call may block but resident_pages() and read_cached(). Reads and writes may be short.
class DiskIo {
public:
    virtual ~DiskIo() = default;

    virtual Result<std::size_t> read(int fd, std::span<std::byte> into, std::uint64_t offset) = 0;
    /// From the page cache alone: short, or EAGAIN, where it holds no more.
    virtual Result<std::size_t> read_cached(int fd, std::span<std::byte> into, std::uint64_t offset) = 0;
    virtual Result<std::size_t> write(int fd, std::span<const std::byte> from, std::uint64_t offset,
                                      Durability durability) = 0;
    /// Writes the dirty pages of a range and returns when the disk has them.
    virtual Status write_back(int fd, std::uint64_t offset, std::uint64_t bytes) = 0;
    virtual Status sync(int fd, bool data_only) = 0;
    /// How many pages of a range the page cache holds; nullopt where the kernel does not tell.
    virtual std::optional<std::uint64_t> resident_pages(int fd, std::uint64_t offset, std::uint64_t bytes) = 0;

    /// Whether a read may as well be done by others who know the descriptor.
    virtual bool of_system() const { return false; }
    /// Of the file system that `fd` is open on.
    virtual Volume volume(int fd) = 0;

    /// The real one.
    static DiskIo& system();
};

}  // namespace bandfs
