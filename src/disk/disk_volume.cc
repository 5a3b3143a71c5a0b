#include "disk/disk_volume.h"

#include <algorithm>
#include <array>

#include "sys/file_io.h"

namespace bandfs {

namespace {

constexpr std::uint64_t kExt4 = 0xEF53;

struct KnownType {
    std::uint64_t type;  // f_type
    WriteBackKind kind;
};

// Local file systems over one block device, whose pages stay dirty or under write-back until the disk has them.
// overlayfs hands sync_file_range to the file of its upper layer.
constexpr std::array kKnown{
    KnownType{kExt4, WriteBackKind::ranges},       // and ext2, ext3
    KnownType{0x58465342, WriteBackKind::ranges},  // xfs
    KnownType{0xF2F52010, WriteBackKind::ranges},  // f2fs
    KnownType{0x3153464A, WriteBackKind::ranges},  // jfs
    KnownType{0x4D44, WriteBackKind::ranges},      // vfat
    KnownType{0x2011BAB0, WriteBackKind::ranges},  // exfat
    KnownType{0x794C7630, WriteBackKind::ranges},  // overlayfs
    KnownType{0x01021994, WriteBackKind::memory},  // tmpfs
    KnownType{0x858458F6, WriteBackKind::memory},  // ramfs
};

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
    }
    volume.direct_alignment = direct_io_alignment(fd);
    return volume;
}

}  // namespace bandfs
