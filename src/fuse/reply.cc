#define FUSE_USE_VERSION 314

#include "fuse/reply.h"

#include <linux/fuse.h>
#include <unistd.h>

#include <cassert>

#include <fuse_lowlevel.h>

#include "fuse/filesystem.h"
#include "fuse/session_init.h"
#include "fuse/session_message.h"
#include "fuse/statx_answer.h"
#include "fuse/transport.h"
#include "fuse/uring_queue.h"
#include "sys/leave_errno.h"

namespace bandfs {
namespace {

/// Flags to add to the open answer that this thread is about to send.
thread_local std::uint32_t extra_fopen_flags = 0;

/// The time of birth for the answer to FUSE_STATX that this thread is about to send.
thread_local std::optional<timespec> extra_birth;

/// Adds what this thread wants to the answer to OPEN, or to CREATE, which ends with the same struct.
void add_fopen_flags(const iovec& payload) {
    assert(payload.iov_len >= sizeof(fuse_open_out));
    auto* end = static_cast<std::byte*>(payload.iov_base) + payload.iov_len;
    reinterpret_cast<fuse_open_out*>(end - sizeof(fuse_open_out))->open_flags |= extra_fopen_flags;
}

void complete_init(const iovec& payload, Filesystem& filesystem) {
    if (payload.iov_len < sizeof(fuse_init_out)) return;  // a kernel of another age is answered with less, and has less
    const auto& offer = *reinterpret_cast<const fuse_init_in*>(current_message().header + 1);
    auto& answer = *static_cast<fuse_init_out*>(payload.iov_base);
    patch_init_answer(offer, answer);
    if (filesystem.open_rings && rings_offered(offer, answer, UringQueue::kPayload) && filesystem.open_rings()) {
        agree_on_rings(answer, UringQueue::kMostUnattended);
        filesystem.kernel.rings = true;
    }
    filesystem.kernel.parallel_direct_writes = agreed_parallel_direct_writes(answer);
    filesystem.kernel.cached_opens_wait = agreed_cached_opens_wait(offer, answer);
}

ssize_t send(const iovec* pieces, int count) {
    const auto* header = static_cast<const fuse_out_header*>(pieces[0].iov_base);
    const ReplySlot slot = Replying::current();
    assert(slot.transport != nullptr);
    const Status sent = slot.transport->send(slot, {pieces, static_cast<std::size_t>(count)});
    if (sent) return static_cast<ssize_t>(header->len);
    leave_errno(sent.error());
    return -1;
}

/// Sends what answers GETATTR as the answer to STATX. Returns what libfuse expects to have been sent.
ssize_t send_statx(const iovec& header, const iovec& payload) {
    assert(payload.iov_len >= sizeof(fuse_attr_out));
    StatxAnswer answer = statx_answer(*static_cast<const fuse_attr_out*>(payload.iov_base), extra_birth);
    fuse_out_header own = *static_cast<const fuse_out_header*>(header.iov_base);
    const auto expected = static_cast<ssize_t>(own.len);
    own.len = sizeof own + sizeof answer;
    const iovec pieces[2] = {{&own, sizeof own}, {&answer, sizeof answer}};
    return send(pieces, 2) < 0 ? -1 : expected;
}

ssize_t send_reply(int, iovec* pieces, int count, void* userdata) {
    const auto* header = static_cast<const fuse_out_header*>(pieces[0].iov_base);
    auto& filesystem = *static_cast<Filesystem*>(userdata);
    if (filesystem.kernel.rings && (header->unique & EarlyInterrupts::kBit)) {
        filesystem.early_interrupts.add(header->unique, now_ns());
        return static_cast<ssize_t>(header->len);
    }
    if (header->error == 0 && header->unique != 0 && count == 2) {
        if (extra_fopen_flags != 0) add_fopen_flags(pieces[1]);
        const fuse_in_header* message = current_message().header;
        if (message != nullptr && message->opcode == FUSE_INIT) complete_init(pieces[1], filesystem);
        if (message != nullptr && current_message().wants_birth) return send_statx(pieces[0], pieces[1]);
    }
    return send(pieces, count);
}

/// libfuse insists on one; messages are received by the session itself.
ssize_t receive_unused(int fd, void* memory, size_t bytes, void*) {
    return ::read(fd, memory, bytes);
}

}  // namespace

const fuse_custom_io kReplyIo = {
    .writev = send_reply, .read = receive_unused, .splice_receive = nullptr, .splice_send = nullptr};

int reply_open(fuse_req* request, const fuse_file_info& info, std::uint32_t fopen_flags) {
    extra_fopen_flags = fopen_flags;
    const int sent = fuse_reply_open(request, &info);
    extra_fopen_flags = 0;
    return sent;
}

int reply_create(fuse_req* request, const fuse_entry_param& entry, const fuse_file_info& info,
                 std::uint32_t fopen_flags) {
    extra_fopen_flags = fopen_flags;
    const int sent = fuse_reply_create(request, &entry, &info);
    extra_fopen_flags = 0;
    return sent;
}

int reply_attributes_and_birth(fuse_req* request, const struct stat& attributes, double timeout_s,
                               const std::optional<timespec>& born) {
    extra_birth = born;
    const int sent = fuse_reply_attr(request, &attributes, timeout_s);
    extra_birth.reset();
    return sent;
}

}  // namespace bandfs
