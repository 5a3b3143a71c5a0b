// fuse/session_message.h - the message that this thread is handling, beyond what libfuse 3.14 hands on of it.
//
// libfuse decodes a message into arguments and drops what it did not know when it was written: that the caller's write,
// truncation or open is to clear set-user-id and set-group-id bits. A receiver keeps the raw message at hand while its
// handler runs; the functions below read it. Elsewhere (on a worker) there is no message, and they answer false.
#pragma once

#include <cstdint>

#include "sys/buffer_pool.h"

struct fuse_in_header;

namespace bandfs {

/// Where a message is received to in a PooledBuffer: so that the payload of a WRITE, behind fuse_in_header and
/// fuse_write_in (40 bytes each), begins a page. O_DIRECT below needs that.
inline constexpr std::size_t kMessageOffset = PooledBuffer::kPage - 80;
inline constexpr std::size_t kMessageBytes = PooledBuffer::kLargestPayload + 80;

/// The message a receiver has given to libfuse and whose handler has not returned.
struct IncomingMessage {
    const fuse_in_header* header = nullptr;  ///< followed by its arguments
    PooledBuffer* memory = nullptr;          ///< where it stands; a handler that must keep the payload moves it away
    bool others_wait = false;                ///< another receiver was waiting when this message was taken
    bool left = false;                       ///< it was a read or write that could go, and a worker will do it
    bool wants_birth = false;                ///< FUSE_STATX, handed to libfuse as FUSE_GETATTR
};

/// The message of this thread; without a header on a thread that handles none.
IncomingMessage& current_message();

/// libfuse 3.14 does not know O_TMPFILE. FUSE_TMPFILE has the arguments and the answer of FUSE_CREATE, with a name that
/// no file can have, so it is made one before libfuse sees it, and op_create() tells them apart by the name. FUSE_STATX
/// is made FUSE_GETATTR (statx_answer.h), and IncomingMessage tells them apart.
inline constexpr const char* kNamelessFile = "/";
void make_known_to_libfuse(fuse_in_header& message);

/// Whether the kernel leaves clearing set-user-id and set-group-id to the handler of the current WRITE, SETATTR (of a
/// size), OPEN or CREATE (with O_TRUNC). It asks so for callers without CAP_FSETID once HANDLE_KILLPRIV_V2 was agreed.
/// Clear S_ISUID always, S_ISGID when the file is executable by its group.
bool kill_suidgid_requested();

}  // namespace bandfs
