// control/messages.h - the messages that change a mount: one table, from which files, xattrs, help and manuals follow.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "bandfs/group.h"
#include "caller/resolver.h"
#include "fuse/filesystem.h"

namespace bandfs {

/// How the argument of a message is written.
///   nothing  ""
///   word     NAME
///   number   N
///   id       ID, a number or a name that the mount's type knows
///   value    [ID:|ID=]N; ID may be `default`; no ID is the default group, and so is 0 where the type has no id 0
enum class ArgumentForm { nothing, word, number, id, value };

/// An argument, taken apart.
struct Argument {
    std::string_view word;         ///< of `word`
    std::uint64_t number = 0;      ///< of `number` and `value`
    std::optional<GroupId> group;  ///< of `id` and `value`; nullopt is the default group
};

/// An argument, or why it is none.
struct ParsedArgument {
    Argument argument;
    std::string reason;  ///< empty when it could be parsed

    bool ok() const { return reason.empty(); }
};

/// Takes `text` apart; blanks and newlines around it do not count.
ParsedArgument parse_argument(ArgumentForm form, GroupType type, std::string_view text);

/// What became of a message.
struct MessageResult {
    int code = 0;        ///< 0, or the errno of a message that was refused and changed nothing
    std::string detail;  ///< what changed ("100 -> 30"), or the reason of the refusal

    bool ok() const { return code == 0; }
};

/// What messages change beside the scheduler.
struct MessageHooks {
    std::function<void(unsigned level)> set_debug;  ///< 0 as configured, 1 debug, 2 trace
};

/// Where a message is applied.
struct MessageContext {
    Filesystem& filesystem;
    MessageHooks& hooks;
    unsigned& debug_level;
};

struct ControlMessage {
    std::string_view name;
    ArgumentForm form;
    std::string_view argument;  ///< as a manual writes it: "[ID:]N"
    std::string_view help;      ///< one sentence
    MessageResult (*apply)(MessageContext& context, const Argument& argument);
};

/// Every message there is.
std::span<const ControlMessage> messages();
const ControlMessage* find_message(std::string_view name);

/// Parses and applies. Calls for one mount must not overlap. `detail` of a refusal names message, argument and reason.
MessageResult send_message(MessageContext& context, std::string_view name, std::string_view argument);

}  // namespace bandfs
