// fuse/reply.h - the last step of an answer: from libfuse into the slot that it belongs to.
//
// Everything libfuse sends comes through here (fuse_custom_io::writev), which is also where answers get what
// libfuse 3.14 cannot express: further INIT flags and further flags of an opened file.
#pragma once

#include <sys/types.h>

#include <cstdint>

struct fuse_req;
struct fuse_custom_io;
struct fuse_entry_param;
struct fuse_file_info;

namespace bandfs {

/// FOPEN_PARALLEL_DIRECT_WRITES: younger than Debian 12's kernel headers.
inline constexpr std::uint32_t kFopenParallelDirectWrites = 1u << 6;

/// For fuse_session_custom_io().
extern const fuse_custom_io kReplyIo;

/// fuse_reply_open() and fuse_reply_create() with further FOPEN_ flags. 0, or a negative errno: -ENOENT when the caller
/// has gone and no release will come.
int reply_open(fuse_req* request, const fuse_file_info& info, std::uint32_t fopen_flags);
int reply_create(fuse_req* request, const fuse_entry_param& entry, const fuse_file_info& info,
                 std::uint32_t fopen_flags);

}  // namespace bandfs
