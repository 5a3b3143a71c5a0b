#include "caller/id_text.h"

#include <algorithm>
#include <cstring>

#include <climits>

#include "caller/task_text.h"

namespace bandfs {
namespace {

/// Bytes of a text that are shown.
constexpr std::size_t kShownBytes = 80;
/// No user name is longer (LOGIN_NAME_MAX).
constexpr std::size_t kNameBytes = 256;

ParseError refused(std::string reason) {
    return ParseError{EINVAL, std::move(reason)};
}

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/// "/a/b/" as the kernel writes it, "/a/b"; empty when it is no plain absolute path.
std::string_view plain_path(std::string_view path) {
    while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
    if (path == "/") return path;
    if (!path.starts_with('/') || path.size() >= PATH_MAX || path.find('\0') != std::string_view::npos) return {};
    for (const std::string_view part : split(path.substr(1), '/'))
        if (part.empty() || part == "." || part == "..") return {};
    return path;
}

}  // namespace

std::string quoted(std::string_view text) {
    std::string shown(text.substr(0, kShownBytes));
    std::replace_if(
        shown.begin(), shown.end(), [](char c) { return c < ' ' || c > '~' || c == '"'; }, '?');
    return '"' + shown + (text.size() > kShownBytes ? "...\"" : "\"");
}

bool is_number_like(std::string_view text) {
    if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
    return !text.empty() && std::all_of(text.begin(), text.end(), is_digit);
}

Parsed<std::uint64_t> id_between(std::string_view text, std::uint64_t least, std::uint64_t most,
                                 std::string_view what) {
    if (!is_number_like(text)) return refused(quoted(text) + " is not a number, so it is not " + std::string(what));
    const auto number = parse_number(text);
    if (number && *number >= least && *number <= most) return *number;
    return refused(quoted(text) + " is not " + std::string(what) + ": those go from " + std::to_string(least) + " to " +
                   std::to_string(most));
}

Parsed<std::uint64_t> named_id(std::string_view text, std::string_view what,
                               const std::function<Result<std::uint32_t>(const std::string&)>& look_up) {
    const ParseError unknown = refused("there is no " + std::string(what) + " " + quoted(text));
    if (text.empty() || text.size() > kNameBytes || text.find('\0') != std::string_view::npos) return unknown;
    const Result<std::uint32_t> id = look_up(std::string(text));
    if (id) return std::uint64_t{*id};
    if (id.code() == ENOENT) return unknown;
    return refused("the " + std::string(what) + " " + quoted(text) +
                   " cannot be looked up: " + std::strerror(id.code()));
}

ParseError not_mounted(GroupType type) {
    if (type == GroupType::cpuset) return refused("type cpuset: no cgroup hierarchy is mounted here");
    if (type.controller == 0) return refused("type cgroup: the cgroup v2 hierarchy is not mounted here");
    return refused("type " + std::string(name_of(type)) +
                   ": no cgroup v1 hierarchy with that controller is mounted here");
}

Parsed<std::uint64_t> parse_cgroup_id(CgroupTree& cgroups, GroupType type, std::string_view text) {
    if (!cgroups.is_mounted(type)) return not_mounted(type);
    if (is_number_like(text)) {
        const auto id = parse_number(text);
        if (id && *id != 0 && cgroups.path_of(type, *id)) return *id;
        return refused("no " + std::string(name_of(type)) + " has the id " + quoted(text));
    }
    const std::string_view path = plain_path(text);
    if (path.empty())
        return refused(quoted(text) + " is neither a path from / nor the id of a " + std::string(name_of(type)));
    const Result<std::uint64_t> id = cgroups.id_at(type, path);
    if (id) return *id;
    if (id.code() == ENOENT || id.code() == ENOTDIR)
        return refused("there is no " + std::string(name_of(type)) + " " + quoted(text));
    return refused("the " + std::string(name_of(type)) + " " + quoted(text) +
                   " cannot be looked at: " + std::strerror(id.code()));
}

}  // namespace bandfs
