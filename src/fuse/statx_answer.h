// fuse/statx_answer.h - FUSE_STATX (Linux 6.6): GETATTR with the time of birth, younger than libfuse 3.14.
//
// Its arguments begin like those of FUSE_GETATTR, so it is handed to libfuse as that, and what libfuse answers is made
// the answer to FUSE_STATX on its way out (reply.cc).
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <ctime>
#include <optional>

struct fuse_attr_out;

namespace bandfs {

inline constexpr std::uint32_t kFuseStatx = 52;

/// The kernel's struct fuse_statx_out, which Debian 12's headers do not have.
struct StatxAnswer {
    struct Time {
        std::int64_t seconds;
        std::uint32_t nanoseconds;
        std::int32_t unused;
    };
    std::uint64_t valid_seconds;
    std::uint32_t valid_nanoseconds, flags;
    std::uint64_t unused[2];
    std::uint32_t mask, block_size;
    std::uint64_t attributes;
    std::uint32_t links, uid, gid;
    std::uint16_t mode, unused_too;
    std::uint64_t inode, size, blocks, attributes_mask;
    Time accessed, born, changed, modified;
    std::uint32_t device_major, device_minor, on_major, on_minor;
    std::uint64_t unused_as_well[14];
};
static_assert(sizeof(StatxAnswer) == 288);

/// The same attributes. Without `born` the time of birth is not known.
StatxAnswer statx_answer(const fuse_attr_out& attributes, const std::optional<timespec>& born);

}  // namespace bandfs
