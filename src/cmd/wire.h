// cmd/wire.h - what a command and a server say to each other: one JSON object per message, at most kMaxMessageBytes.
//
//   command                                    server
//   offer, with SOURCE's descriptor    ->      checks everything, opens SOURCE
//                                      <-      ok, or a refusal: nothing has been mounted yet
//   (mounts /dev/fuse)
//   serve, with its descriptor         ->      starts the session
//                                      <-      ok once the mount answers, or a refusal
//   (may stay connected)               <-      hangs up when the mount is gone
//
//   reload                             ->
//                                      <-      a line of text per change, then ok; or a refusal: nothing has changed
//
//   list                               ->
//                                      <-      one object per mount and per some groups of it, then {"end": true}
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cmd/outcome.h"

namespace bandfs {

/// What the two must agree on; a server of another version refuses.
inline constexpr int kWireVersion = 1;

/// First message of a mount; carries a descriptor of the SOURCE directory.
struct OfferMessage {
    std::string device_group;
    std::string source;                ///< absolute path, for people; never opened
    std::string mountpoint;            ///< absolute path
    std::vector<std::string> options;  ///< "io_throttle=4", one each, not escaped
};

/// Second message of a mount; carries /dev/fuse and, with auto_unmount, the socket that is watched.
struct ServeMessage {
    std::uint64_t device = 0;  ///< st_dev of what was mounted
};

enum class Verb { offer, serve, list, reload };

/// Asks to read configuration files again.
struct ReloadMessage {
    std::string target;  ///< a mountpoint, absolute; empty: every mount
    bool apply = true;   ///< false: only say whether it could be done, and what it would change
};

/// A message of a command, whichever it is.
struct CommandMessage {
    Verb verb = Verb::list;
    OfferMessage offer;
    ServeMessage serve;
    ReloadMessage reload;
};

std::string encode(const OfferMessage& offer);
std::string encode(const ServeMessage& serve);
std::string encode_list();
std::string encode(const ReloadMessage& reload);
/// The reason is for the peer; nothing in `text` is trusted.
Outcome<CommandMessage> decode_command(std::string_view text);

/// A line of a longer answer, which encode_ok() ends.
std::string encode_line(std::string_view line);
std::string encode_ok();
std::string encode_refusal(const Failure& failure);
/// The server's answer: done, or its failure. A text that is no answer is a failure of the server.
Outcome<Done> decode_answer(std::string_view text);
/// The text of a line; nullopt when it is something else.
std::optional<std::string> decode_line(std::string_view text);

}  // namespace bandfs
