// disk/disk_volume.h - what a backing file system can do for the data plane.
#pragma once

#include <cstdint>
#include <string_view>

namespace bandfs {

/// How dirty pages get to the disk under control.
enum class WriteBackKind : std::uint8_t {
    ranges,       ///< sync_file_range writes extents; a write is answered once it is in the page cache
    memory,       ///< there is no disk (tmpfs): reads and writes are memory copies, nothing is written back
    synchronous,  ///< sync_file_range would not do it: each write is a unit, answered when it is durable
};

/// The word for it in status: "ranges", "memory", "synchronous".
std::string_view name_of(WriteBackKind kind);

/// Of the file system with this f_type (statfs(2)). Those are `ranges` of which it is known that sync_file_range starts
/// the writes and waits for them; a network or FUSE file system, btrfs, ZFS and what is not known are `synchronous`.
WriteBackKind write_back_kind_of(std::uint64_t file_system_type);

struct Volume {
    WriteBackKind kind = WriteBackKind::synchronous;
    /// Punching a hole and zeroing a range first writes what is dirty of it.
    bool holes_write = true;
    /// What O_DIRECT wants of offsets and lengths: 0 where there is no O_DIRECT, 1 where the kernel does not say.
    std::uint32_t direct_alignment = 0;
};

/// Of the file system that `fd` is open on.
Volume volume_of(int fd);

}  // namespace bandfs
