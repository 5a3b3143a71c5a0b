// fuse/session_init.h - what is agreed with the kernel when a mount begins (FUSE_INIT).
#pragma once

#include <cstddef>
#include <cstdint>

struct fuse_conn_info;
struct fuse_init_in;
struct fuse_init_out;

namespace bandfs {

struct Filesystem;

/// Says what bandfs wants of what libfuse offers: the `init` handler.
void choose_capabilities(void* filesystem, fuse_conn_info* connection);

/// Adds to libfuse's answer what libfuse 3.14 cannot ask for, or forgets, as far as the kernel offers it:
///   PARALLEL_DIROPS      lookups in one directory do not wait for each other;
///   HAS_IOCTL_DIR        ioctl(2) on directories;
///   HANDLE_KILLPRIV_V2   set-user-id bits are cleared by us when asked to, so that no write needs a GETXATTR first;
///   DIRECT_IO_ALLOW_MMAP files opened with O_DIRECT can do parallel writes and still be mapped (Linux 6.6).
void patch_init_answer(const fuse_init_in& offer, fuse_init_out& answer);

/// Whether the kernel offers FUSE over io_uring, with places of so many bytes for what this answer agreed on.
bool rings_offered(const fuse_init_in& offer, const fuse_init_out& answer, std::size_t payload_bytes);
/// Then at most `most_background` requests are under way without a caller waiting in them.
void agree_on_rings(fuse_init_out& answer, std::uint16_t most_background);

/// Whether the answer agreed on parallel direct writes.
bool agreed_parallel_direct_writes(const fuse_init_out& answer);
/// Whether it did, with a kernel that has opens through the page cache wait for such writes to the file.
bool agreed_cached_opens_wait(const fuse_init_in& offer, const fuse_init_out& answer);

}  // namespace bandfs
