// caller/id_text.h - ids as people write them, and why one is refused.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "caller/cgroup_tree.h"
#include "caller/group_type.h"

namespace bandfs {

/// A text from outside, in quotes, short and printable whatever it was.
std::string quoted(std::string_view text);

/// Whether somebody who wrote this meant a number: it begins with a digit or a sign and has digits only from there on.
bool is_number_like(std::string_view text);

/// A number from `least` to `most`; `what` names it in the reason ("a user id").
Parsed<std::uint64_t> id_between(std::string_view text, std::uint64_t least, std::uint64_t most, std::string_view what);

/// The id of a user or group by name; `what` is "user" or "group".
Parsed<std::uint64_t> named_id(std::string_view text, std::string_view what,
                               const std::function<Result<std::uint32_t>(const std::string&)>& look_up);

/// A cgroup by path or id; it has to be there.
Parsed<std::uint64_t> parse_cgroup_id(CgroupTree& cgroups, GroupType type, std::string_view text);

/// Why a type whose hierarchy is not mounted cannot be used.
ParseError not_mounted(GroupType type);

}  // namespace bandfs
