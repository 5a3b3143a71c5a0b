// fuse/uring_wire.h - FUSE over io_uring as the kernel speaks it (Linux 6.14, <linux/fuse.h> 7.42), which Debian 12's
// headers do not know.
#pragma once

#include <cstddef>
#include <cstdint>

namespace bandfs {

/// FUSE_OVER_IO_URING, bit 41, in `flags2` of INIT.
inline constexpr std::uint32_t kOverIoUring2 = 1u << (41 - 32);

/// What a command asks of the kernel (sqe.cmd_op).
enum class UringOperation : std::uint32_t {
    add_entry = 1,         ///< takes a place, and waits for a request to put there
    answer_and_fetch = 2,  ///< takes the answer from the place, and waits for the next request
};

/// At the end of an SQE of 128 bytes.
struct UringCommand {
    std::uint64_t flags;
    std::uint64_t commit_id;
    std::uint16_t queue;
    std::uint8_t padding[6];
};
inline constexpr std::size_t kUringCommandOffset = 48;

/// What the kernel keeps in the first memory of a place; the second is the payload.
struct UringHeaders {
    std::byte header[128];     ///< fuse_in_header, then fuse_out_header
    std::byte operation[128];  ///< the arguments of the request that have a fixed size
    std::uint64_t flags;
    std::uint64_t commit_id;
    std::uint32_t payload_bytes;  ///< of the request, then of the answer
    std::uint32_t padding;
    std::uint64_t reserved;
};
static_assert(sizeof(UringHeaders) == 288 && sizeof(UringCommand) == 24);

}  // namespace bandfs
