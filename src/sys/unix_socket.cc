#include "sys/unix_socket.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <algorithm>
#include <cstring>

#include "sys/clock.h"

namespace bandfs {
namespace {

constexpr int kBacklog = 128;

/// One byte more than allowed is asked for, so that a message that is too long is seen as such.
constexpr std::size_t kReceiveBytes = kMaxMessageBytes + 1;

Result<sockaddr_un> address_in(int directory, std::string_view name) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = "/proc/self/fd/" + std::to_string(directory) + "/" + std::string(name);
    if (path.size() >= sizeof address.sun_path) return Errno{ENAMETOOLONG};
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    return address;
}

/// Waits for `events` or a hang-up. ETIMEDOUT at the deadline.
Status wait_for(int socket, short events, TimeNs deadline) {
    while (true) {
        const TimeNs left = deadline == kNever ? -1 : deadline - now_ns();
        if (deadline != kNever && left <= 0) return Errno{ETIMEDOUT};
        const int timeout_ms =
            deadline == kNever ? -1 : static_cast<int>(std::min<TimeNs>(left / kMillisecond + 1, 60'000));
        pollfd entry{socket, events, 0};
        const int ready = ::poll(&entry, 1, timeout_ms);
        if (ready > 0) return {};
        if (ready < 0 && errno != EINTR) return last_errno();
    }
}

/// Takes the descriptors out of a message's control data, all of them, so that none is left open.
std::vector<UniqueFd> descriptors_of(msghdr& header) {
    std::vector<UniqueFd> descriptors;
    for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
            descriptors.emplace_back(fd);
        }
    }
    return descriptors;
}

}  // namespace

Result<UniqueFd> listen_at(int directory, std::string_view name) {
    auto address = address_in(directory, name);
    if (!address) return address.error();
    UniqueFd listener(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!listener) return last_errno();
    if (::unlinkat(directory, std::string(name).c_str(), 0) != 0 && errno != ENOENT) return last_errno();
    if (::bind(listener.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0) return last_errno();
    if (::listen(listener.get(), kBacklog) != 0) return last_errno();
    return listener;
}

Result<UniqueFd> connect_to(int directory, std::string_view name, TimeNs deadline) {
    auto address = address_in(directory, name);
    if (!address) return address.error();
    UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    if (!socket) return last_errno();
    // A full backlog makes connect() wait; a Unix socket has no other way to bound that than its send time-out.
    const TimeNs left = std::max<TimeNs>(deadline - now_ns(), kMillisecond);
    const timeval limit{.tv_sec = static_cast<time_t>(left / kSecond),
                        .tv_usec = static_cast<suseconds_t>(left % kSecond / 1000)};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    while (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0) {
        const Errno why = last_errno();
        if (why == Errno{EINTR}) continue;
        return why == Errno{EAGAIN} ? Errno{ETIMEDOUT} : why;
    }
    const auto listener = peer_of(socket.get());
    if (!listener) return listener.error();
    if (listener->uid != ::geteuid()) return Errno{EPERM};
    return socket;
}

Result<UniqueFd> accept_next(int listener) {
    UniqueFd socket(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
    if (!socket) return last_errno();
    return socket;
}

Result<std::pair<UniqueFd, UniqueFd>> socket_pair() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return last_errno();
    return std::pair{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

Status send_message(int socket, std::string_view text, std::span<const int> descriptors, TimeNs deadline) {
    if (text.size() > kMaxMessageBytes || descriptors.size() > kMaxMessageDescriptors) return Errno{EMSGSIZE};
    iovec piece{const_cast<char*>(text.data()), text.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(kMaxMessageDescriptors * sizeof(int))] = {};
    msghdr header{};
    header.msg_iov = &piece;
    header.msg_iovlen = 1;
    if (!descriptors.empty()) {
        header.msg_control = control;
        header.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
        cmsghdr* part = CMSG_FIRSTHDR(&header);
        part->cmsg_level = SOL_SOCKET;
        part->cmsg_type = SCM_RIGHTS;
        part->cmsg_len = CMSG_LEN(descriptors.size_bytes());
        std::memcpy(CMSG_DATA(part), descriptors.data(), descriptors.size_bytes());
    }
    while (true) {
        if (::sendmsg(socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) return {};
        const Errno why = last_errno();
        if (why == Errno{ECONNRESET}) return Errno{EPIPE};
        if (why == Errno{EINTR}) continue;
        if (why != Errno{EAGAIN}) return why;
        if (const Status writable = wait_for(socket, POLLOUT, deadline); !writable) return writable;
    }
}

Result<SocketMessage> receive_message(int socket, TimeNs deadline) {
    std::string text(kReceiveBytes, '\0');
    // Room for more descriptors than allowed: the kernel closes what does not fit and says so with MSG_CTRUNC.
    alignas(cmsghdr) char control[CMSG_SPACE((kMaxMessageDescriptors + 1) * sizeof(int))];
    while (true) {
        if (const Status readable = wait_for(socket, POLLIN, deadline); !readable) return readable.error();
        iovec piece{text.data(), text.size()};
        msghdr header{};
        header.msg_iov = &piece;
        header.msg_iovlen = 1;
        header.msg_control = control;
        header.msg_controllen = sizeof control;
        const ssize_t got = ::recvmsg(socket, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
        if (got < 0) {
            const Errno why = last_errno();
            if (why == Errno{EINTR} || why == Errno{EAGAIN}) continue;
            return why == Errno{ECONNRESET} ? Errno{EPIPE} : why;
        }
        SocketMessage message{.text = {}, .descriptors = descriptors_of(header)};
        // An empty message and the end of a connection look alike; no message of ours is empty.
        if (got == 0) return Errno{EPIPE};
        if ((header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 || static_cast<std::size_t>(got) > kMaxMessageBytes ||
            message.descriptors.size() > kMaxMessageDescriptors) {
            return Errno{EMSGSIZE};
        }
        text.resize(static_cast<std::size_t>(got));
        message.text = std::move(text);
        return message;
    }
}

Result<PeerIds> peer_of(int socket) {
    ucred credentials{};
    socklen_t size = sizeof credentials;
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return last_errno();
    return PeerIds{credentials.pid, credentials.uid, credentials.gid};
}

bool wait_for_hangup_or(int socket, int other) {
    pollfd entries[2] = {{socket, POLLIN | POLLRDHUP, 0}, {other, POLLIN, 0}};
    while (::poll(entries, 2, -1) < 0 && errno == EINTR) {
    }
    return entries[0].revents != 0;
}

}  // namespace bandfs
