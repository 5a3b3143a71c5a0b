// control/message_grammar.h - how the arguments of messages are written.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "bandfs/group.h"
#include "caller/group_type.h"

namespace bandfs {

/// How the argument of a message is written.
///   nothing  ""
///   word     NAME
///   number   N
///   new_id   ID [parent=ID], a number or a name that the mount's type knows
///   id       ID of a group: the same, or any number, since what an id stands for may be gone
///   value    [ID:|ID=]N; ID may be `default`; no ID is the default group, and so is 0 where the type has no id 0
///   rate     [ID:|ID=]BYTES, per second: a number with K, M, G or T (times 1024, ...) and "/s" behind it, if wanted
///   user     [ID:|ID=]USER, a name or number, or `none`
///   text     anything, also nothing
enum class ArgumentForm { nothing, word, number, new_id, id, value, rate, user, text };

/// An argument, taken apart.
struct Argument {
    std::string_view word;          ///< of `word` and `text`; of those with an ID this as written
    std::uint64_t number = 0;       ///< of `number`, `value` and `rate`
    std::optional<GroupId> group;   ///< of all with an ID; nullopt is the default group
    std::optional<GroupId> parent;  ///< of `new_id`
    std::optional<uid_t> user;      ///< of `user`; nullopt is none
};

/// An argument, or why it is none.
struct ParsedArgument {
    Argument argument;
    std::string reason;  ///< empty when it could be parsed

    bool ok() const { return reason.empty(); }
};

/// Takes `text` apart; blanks and newlines around it do not count.
ParsedArgument parse_argument(ArgumentForm form, GroupType type, std::string_view text);

/// A `rate` without its ID: the reason why `text` is none; empty when it is.
std::string parse_rate(std::string_view text, std::uint64_t& ret_bytes);

/// Without blanks and newlines at its ends.
std::string_view trimmed(std::string_view text);

}  // namespace bandfs
