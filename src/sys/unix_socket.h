// sys/unix_socket.h - SOCK_SEQPACKET sockets in a directory: whole messages, with descriptors, within a time.
//
// Sockets are addressed through a descriptor of their directory, so that neither the length of its path nor a symbolic
// link planted on the way matters. Every wait has a deadline (CLOCK_MONOTONIC, sys/clock.h); no call raises SIGPIPE.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bandfs/unit.h"
#include "sys/result.h"
#include "sys/unique_fd.h"

namespace bandfs {

/// Nothing longer is sent or received.
inline constexpr std::size_t kMaxMessageBytes = 64 * 1024;
/// Descriptors that may travel with one message.
inline constexpr std::size_t kMaxMessageDescriptors = 4;

struct SocketMessage {
    std::string text;
    std::vector<UniqueFd> descriptors;
};

/// Who is at the other end, as of the moment of connecting.
struct PeerIds {
    pid_t pid = 0;
    uid_t uid = 0;
    gid_t gid = 0;
};

/// Listens at `name` in the directory; a socket file that stands there is replaced (only the holder of the election
/// lock listens, so it is stale). ENAMETOOLONG: more than about 80 bytes.
Result<UniqueFd> listen_at(int directory, std::string_view name);

/// Connects; ECONNREFUSED or ENOENT when nobody listens there, ETIMEDOUT when nobody accepts in time, EPERM when it is
/// another user who listens.
Result<UniqueFd> connect_to(int directory, std::string_view name, TimeNs deadline);

/// The next connection of a listening socket, without waiting: EAGAIN when there is none.
Result<UniqueFd> accept_next(int listener);

/// Two connected ends.
Result<std::pair<UniqueFd, UniqueFd>> socket_pair();

/// EMSGSIZE: longer than allowed. EPIPE: the peer is gone. ETIMEDOUT.
Status send_message(int socket, std::string_view text, std::span<const int> descriptors, TimeNs deadline);

/// EPIPE: the peer hung up. EMSGSIZE: too long, or too many descriptors. ETIMEDOUT.
Result<SocketMessage> receive_message(int socket, TimeNs deadline);

Result<PeerIds> peer_of(int socket);

/// Waits until the peer hangs up (or sends something), true, or `other` can be read, false.
bool wait_for_hangup_or(int socket, int other);

}  // namespace bandfs
