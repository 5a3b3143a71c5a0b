// caller/group_type.h - the types of group: which property of a caller is the id of its group.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sys/result.h"

namespace bandfs {

/// Which property of the caller is its group id. Two bytes, trivially copyable, lock-free in a std::atomic; compared
/// and named like an enumerator (`type == GroupType::pid`). A v1 cgroup hierarchy is Kind::cgroup with a controller.
struct GroupType {
    enum class Kind : std::uint8_t { none, pid, pgrp, node, cpuset, cgroup, user, gid, rules };

    Kind kind = Kind::none;
    /// Of a v1 hierarchy the place of its controller in the table of controllers, from 1; 0 for everything else. (What
    /// is remembered of callers under `rules` has the number of the list here.)
    std::uint8_t controller = 0;

    static const GroupType none, pid, pgrp, node, cpuset, cgroup, user, gid, rules;

    friend constexpr bool operator==(GroupType, GroupType) = default;
};

inline constexpr GroupType GroupType::none{Kind::none};
inline constexpr GroupType GroupType::pid{Kind::pid};
inline constexpr GroupType GroupType::pgrp{Kind::pgrp};
inline constexpr GroupType GroupType::node{Kind::node};
inline constexpr GroupType GroupType::cpuset{Kind::cpuset};
inline constexpr GroupType GroupType::cgroup{Kind::cgroup};
inline constexpr GroupType GroupType::user{Kind::user};
inline constexpr GroupType GroupType::gid{Kind::gid};
inline constexpr GroupType GroupType::rules{Kind::rules};

/// Why a text is refused: the errno for the caller, and a clause for people that names the value ("no user \"alcie\"").
struct ParseError {
    int code;
    std::string reason;
};

/// A Result whose error also has a reason. May be kept as a plain Result where nobody reads the reason.
template <typename T>
class [[nodiscard]] Parsed : public Result<T> {
public:
    Parsed(T value) : Result<T>(std::move(value)) {}
    Parsed(ParseError error) : Result<T>(Errno{error.code}), reason_(std::move(error.reason)) {}

    /// Empty when there is a value.
    const std::string& reason() const { return reason_; }

private:
    std::string reason_;
};

/// The name of a type in options, messages and status; nullopt for a name that is none. "cgroup:memory" is the v1
/// hierarchy with that controller; whether this machine has it is parse_group_type()'s question.
std::optional<GroupType> group_type_named(std::string_view name);
/// The other way; lives for ever.
std::string_view name_of(GroupType type);
/// Every type, as "cgroup" the v2 one, without the v1 hierarchies.
std::vector<std::string_view> group_type_names();

/// A type as written in an option or message, refused (EINVAL) when it is none or its cgroup hierarchy is not mounted
/// here.
Parsed<GroupType> parse_group_type(std::string_view text);
/// An id as written in an option or message ("1000", "alice", "/user.slice") to a number for that type. A user or group
/// whose name is digits only has to be given by number. EINVAL: no such user, group or cgroup, or a number that does
/// not fit the type.
Parsed<std::uint64_t> parse_group_id(GroupType type, std::string_view text);
/// The other way, for people: "1000", or "/user.slice/x"; of a cgroup that is gone its number.
std::string describe_group_id(GroupType type, std::uint64_t id);
/// Whether 0 is an id of this type (root, node 0), rather than nothing.
bool zero_is_a_group_id(GroupType type);
/// What the manual says about this type, one sentence.
std::string_view manual_of(GroupType type);

}  // namespace bandfs
