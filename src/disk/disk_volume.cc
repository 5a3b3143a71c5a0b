#include "disk/disk_volume.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <string>

#include "sys/file_io.h"
#include "sys/mount_table.h"
#include "sys/unique_fd.h"

namespace bandfs {

namespace {

constexpr std::uint64_t kExt4 = 0xEF53;
constexpr std::uint64_t kOverlay = 0x794C7630;

struct KnownType {
    std::uint64_t type;  // f_type
    WriteBackKind kind;
};

// Local file systems over one block device, whose pages stay dirty or under write-back until the disk has them.
// overlayfs hands sync_file_range to the file of its upper layer, which is often not to be seen from here.
constexpr std::array kKnown{
    KnownType{kExt4, WriteBackKind::ranges},       // and ext2, ext3
    KnownType{0x58465342, WriteBackKind::ranges},  // xfs
    KnownType{0xF2F52010, WriteBackKind::ranges},  // f2fs
    KnownType{0x3153464A, WriteBackKind::ranges},  // jfs
    KnownType{0x4D44, WriteBackKind::ranges},      // vfat
    KnownType{0x2011BAB0, WriteBackKind::ranges},  // exfat
    KnownType{kOverlay, WriteBackKind::ranges},    // overlayfs
    KnownType{0x01021994, WriteBackKind::memory},  // tmpfs
    KnownType{0x858458F6, WriteBackKind::memory},  // ramfs
};

/// Whether the upper layer of the overlay that `fd` is on is seen to be no file system of `ranges`.
bool has_other_upper(int fd) {
    const Result<MountEntry> mount = mount_of(fd);
    const std::string upper(mount ? mount_option(mount->super_options, "upperdir") : "");
    if (!upper.starts_with('/')) return false;
    const UniqueFd directory(::open(upper.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    const auto type = file_system_type(directory.get());
    return type && write_back_kind_of(*type) != WriteBackKind::ranges;
}

}  // namespace

std::string_view name_of(WriteBackKind kind) {
    switch (kind) {
        case WriteBackKind::ranges:
            return "ranges";
        case WriteBackKind::memory:
            return "memory";
        case WriteBackKind::synchronous:
            break;
    }
    return "synchronous";
}

WriteBackKind write_back_kind_of(std::uint64_t file_system_type) {
    const auto known = std::ranges::find(kKnown, file_system_type, &KnownType::type);
    return known == kKnown.end() ? WriteBackKind::synchronous : known->kind;
}

Volume volume_of(int fd) {
    Volume volume;
    if (const auto type = file_system_type(fd)) {
        volume.kind = write_back_kind_of(*type);
        volume.holes_write = *type != kExt4;
        // What lies in layers below may be on a disk even where the upper one is in memory.
        if (*type == kOverlay && has_other_upper(fd)) volume.kind = WriteBackKind::synchronous;
    }
    volume.direct_alignment = direct_io_alignment(fd);
    return volume;
}

}  // namespace bandfs
