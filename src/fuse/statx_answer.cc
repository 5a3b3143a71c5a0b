#include "fuse/statx_answer.h"

#include <linux/fuse.h>
#include <sys/stat.h>

namespace bandfs {

StatxAnswer statx_answer(const fuse_attr_out& attributes, const std::optional<timespec>& born) {
    const fuse_attr& attr = attributes.attr;
    StatxAnswer answer{};
    answer.valid_seconds = attributes.attr_valid;
    answer.valid_nanoseconds = attributes.attr_valid_nsec;
    answer.mask = STATX_BASIC_STATS;
    answer.block_size = attr.blksize;
    answer.links = attr.nlink;
    answer.uid = attr.uid;
    answer.gid = attr.gid;
    answer.mode = static_cast<std::uint16_t>(attr.mode);
    answer.inode = attr.ino;
    answer.size = attr.size;
    answer.blocks = attr.blocks;
    answer.accessed = {static_cast<std::int64_t>(attr.atime), attr.atimensec, 0};
    answer.changed = {static_cast<std::int64_t>(attr.ctime), attr.ctimensec, 0};
    answer.modified = {static_cast<std::int64_t>(attr.mtime), attr.mtimensec, 0};
    // As the kernel packs a device into 32 bits: 12 of the major number between 8 and 12 of the minor.
    answer.device_major = (attr.rdev >> 8) & 0xfff;
    answer.device_minor = (attr.rdev & 0xff) | ((attr.rdev >> 12) & 0xfff00);
    if (born) {
        answer.mask |= STATX_BTIME;
        answer.born = {born->tv_sec, static_cast<std::uint32_t>(born->tv_nsec), 0};
    }
    return answer;
}

}  // namespace bandfs
