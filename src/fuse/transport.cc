#include "fuse/transport.h"

#include <fcntl.h>
#include <linux/fuse.h>
#include <sys/ioctl.h>

#include <cassert>

namespace bandfs {

ReplySlot DevFuse::open_channel() {
    UniqueFd clone(::open("/dev/fuse", O_RDWR | O_CLOEXEC));
    std::uint32_t of = mounted_.get();
    if (!clone || ::ioctl(clone.get(), FUSE_DEV_IOC_CLONE, &of) != 0) return {this, mounted_.get()};
    std::lock_guard lock(mutex_);
    clones_.push_back(std::move(clone));
    return {this, clones_.back().get()};
}

Result<std::size_t> DevFuse::receive(ReplySlot slot, void* memory, std::size_t bytes) {
    const ssize_t length = ::read(slot.channel, memory, bytes);
    const Errno error = last_errno();
    if (length >= static_cast<ssize_t>(sizeof(fuse_in_header))) return static_cast<std::size_t>(length);
    if (length >= 0) return Errno{EIO};
    // ENOENT: the caller was killed while the message was on its way to us.
    return error == Errno{ENOENT} || error == Errno{EAGAIN} ? Errno{EINTR} : error;
}

Status DevFuse::send(ReplySlot slot, std::span<const iovec> pieces) {
    assert(!pieces.empty());
    const auto* header = static_cast<const fuse_out_header*>(pieces[0].iov_base);
    const int channel = header->unique == 0 ? mounted_.get() : slot.channel;
    if (::writev(channel, pieces.data(), static_cast<int>(pieces.size())) < 0) return last_errno();
    return {};
}

}  // namespace bandfs
