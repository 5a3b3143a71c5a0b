// fuse/reply.h - the last step of an answer: from libfuse into the slot that it belongs to.
//
// Everything libfuse sends comes through here (fuse_custom_io::writev), which is also where answers get what
// libfuse 3.14 cannot express: further INIT flags, further flags of an opened file, and a time of birth.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <ctime>
#include <optional>

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
/// fuse_reply_attr() with the time of birth, for a message that wants it.
int reply_attributes_and_birth(fuse_req* request, const struct stat& attributes, double timeout_s,
                               const std::optional<timespec>& born);

}  // namespace bandfs
