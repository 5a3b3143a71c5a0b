// sys/file_handle.h - what the kernel calls a file when it must be found again without a name or a descriptor.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "sys/result.h"
#include "sys/unique_fd.h"

namespace bandfs {

/// A file handle as name_to_handle_at(2) gives it: it names one file of one file system for ever, and nothing once that
/// file is deleted, also when its inode number is used again.
struct FileHandle {
    /// Disk file systems need 8 to 20 bytes; a longer handle (overlayfs, NFS) counts as none.
    static constexpr std::size_t kMostBytes = 40;

    std::int32_t type = 0;
    std::uint8_t size = 0;  ///< 0: the file system gives no handle
    std::array<std::uint8_t, kMostBytes> bytes{};

    std::span<const std::uint8_t> value() const { return {bytes.data(), size}; }
    friend bool operator==(const FileHandle& a, const FileHandle& b);
};

/// A handle, and the mount (in the sense of /proc/self/mountinfo) through which it was taken.
struct MountedHandle {
    FileHandle handle;
    int mount_id = -1;
};

/// The handle of what `fd` refers to, O_PATH allowed, or of what has this name in the directory `fd`, which is not
/// followed. A file system without handles gives an empty one.
Result<MountedHandle> handle_of(int fd, const char* name = "");

/// Opens a handle below the mount that `mount` is on (a descriptor that is not O_PATH). Needs CAP_DAC_READ_SEARCH.
/// ESTALE: that file is gone.
Result<UniqueFd> open_handle(int mount, const FileHandle& handle, int flags);

}  // namespace bandfs
