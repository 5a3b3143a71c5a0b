#define FUSE_USE_VERSION 314

#include "fuse/session_init.h"

#include <linux/fuse.h>
#include <unistd.h>

#include <fuse_lowlevel.h>

#include "fuse/filesystem.h"
#include "fuse/uring_wire.h"
#include "sys/buffer_pool.h"

namespace bandfs {
namespace {

/// FUSE_DIRECT_IO_ALLOW_MMAP, bit 36, in `flags2`: younger than Debian 12's kernel headers.
constexpr std::uint32_t kDirectIoAllowMmap2 = 1u << (36 - 32);

/// Requests that may be under way without a caller waiting in them: readahead, asynchronous direct I/O, write-back. All
/// groups share this number, so it must be out of reach of one whose requests are held. The field has 16 bits.
constexpr unsigned kMaxBackground = 65535;

constexpr unsigned kWanted = FUSE_CAP_ASYNC_READ | FUSE_CAP_ASYNC_DIO | FUSE_CAP_ATOMIC_O_TRUNC |
                             FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_IOCTL_DIR | FUSE_CAP_AUTO_INVAL_DATA |
                             FUSE_CAP_DONT_MASK | FUSE_CAP_POSIX_ACL | FUSE_CAP_CACHE_SYMLINKS |
                             FUSE_CAP_EXPORT_SUPPORT;

constexpr unsigned kLocks = FUSE_CAP_POSIX_LOCKS | FUSE_CAP_FLOCK_LOCKS;

constexpr unsigned kUnwanted =
    // A spliced payload sits in a pipe that the next message reuses, so it cannot be held; and it is slower at 1 MiB.
    FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE |
    // Writes would come without their callers.
    FUSE_CAP_WRITEBACK_CACHE |
    // The first version asks for set-user-id bits to fall on every write, root's too.
    FUSE_CAP_HANDLE_KILLPRIV |
    // Without locks=backing the kernel keeps locks, among the callers of the mount.
    kLocks;

}  // namespace

void choose_capabilities(void* filesystem, fuse_conn_info* connection) {
    const auto& mount = *static_cast<Filesystem*>(filesystem);
    connection->want |= kWanted & connection->capable;
    connection->want &= ~kUnwanted;
    if (mount.locks) connection->want |= kLocks & connection->capable;
    const KeptPages kept = mount.options.kept_pages;
    if (kept == KeptPages::always || kept == KeptPages::unchanged_by_others)
        connection->want &= ~FUSE_CAP_AUTO_INVAL_DATA;
    connection->max_background = kMaxBackground;
    connection->congestion_threshold = kMaxBackground;
    connection->max_write = PooledBuffer::kLargestPayload;  // libfuse's is 256 pages, which may be large ones
    connection->max_read = mount.options.max_read;
}

void patch_init_answer(const fuse_init_in& offer, fuse_init_out& answer) {
    constexpr std::uint32_t kAdded = FUSE_PARALLEL_DIROPS | FUSE_HAS_IOCTL_DIR | FUSE_HANDLE_KILLPRIV_V2;
    answer.flags |= offer.flags & kAdded;
    if ((offer.flags & FUSE_INIT_EXT) && (offer.flags2 & kDirectIoAllowMmap2)) {
        answer.flags |= FUSE_INIT_EXT;
        answer.flags2 |= kDirectIoAllowMmap2;
    }
}

bool rings_offered(const fuse_init_in& offer, const fuse_init_out& answer, std::size_t payload_bytes) {
    const bool offered = (offer.flags & FUSE_INIT_EXT) && (offer.flags2 & kOverIoUring2);
    const bool usual_pages = ::sysconf(_SC_PAGESIZE) == static_cast<long>(PooledBuffer::kPage);
    return offered && usual_pages && answer.max_write <= payload_bytes &&
           answer.max_pages * PooledBuffer::kPage <= payload_bytes;
}

void agree_on_rings(fuse_init_out& answer, std::uint16_t most_background) {
    answer.max_background = answer.congestion_threshold = most_background;
    answer.flags |= FUSE_INIT_EXT;
    answer.flags2 |= kOverIoUring2;
}

bool agreed_parallel_direct_writes(const fuse_init_out& answer) {
    return (answer.flags & FUSE_INIT_EXT) && (answer.flags2 & kDirectIoAllowMmap2);
}

bool agreed_cached_opens_wait(const fuse_init_in& offer, const fuse_init_out& answer) {
    constexpr std::uint32_t kMinorOfIoModes = 40;  // from then on a file has one kind of I/O at a time
    return agreed_parallel_direct_writes(answer) && offer.minor >= kMinorOfIoModes;
}

}  // namespace bandfs
