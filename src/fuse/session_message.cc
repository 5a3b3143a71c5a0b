#include "fuse/session_message.h"

#include <linux/fuse.h>

#include "fuse/statx_answer.h"

namespace bandfs {

IncomingMessage& current_message() {
    static thread_local IncomingMessage message;
    return message;
}

void make_known_to_libfuse(fuse_in_header& message) {
    if (message.opcode == FUSE_TMPFILE) message.opcode = FUSE_CREATE;
    if (message.opcode == kFuseStatx) message.opcode = FUSE_GETATTR;
}

bool kill_suidgid_requested() {
    const fuse_in_header* header = current_message().header;
    if (header == nullptr) return false;
    const void* arguments = header + 1;
    switch (header->opcode) {
        case FUSE_WRITE:
            return static_cast<const fuse_write_in*>(arguments)->write_flags & FUSE_WRITE_KILL_SUIDGID;
        case FUSE_SETATTR:
            return static_cast<const fuse_setattr_in*>(arguments)->valid & FATTR_KILL_SUIDGID;
        case FUSE_OPEN:
            return static_cast<const fuse_open_in*>(arguments)->open_flags & FUSE_OPEN_KILL_SUIDGID;
        case FUSE_CREATE:
            return static_cast<const fuse_create_in*>(arguments)->open_flags & FUSE_OPEN_KILL_SUIDGID;
        default:
            return false;
    }
}

}  // namespace bandfs
