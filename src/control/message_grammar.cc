// control/message_grammar.cc
#include "control/message_grammar.h"

#include <charconv>

#include "caller/id_text.h"

namespace bandfs {
namespace {

/// The reason why `text` is no number; empty when it is.
std::string parse_plain_number(std::string_view text, std::uint64_t& ret_number) {
    if (text.empty()) return "a number is missing";
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error == std::errc::result_out_of_range) return quoted(text) + " is too large";
    if (error != std::errc{} || end != text.data() + text.size()) return quoted(text) + " is not a number";
    ret_number = number;
    return {};
}

/// The reason why `text` is no id of that type; empty when it is.
std::string parse_new_id(GroupType type, std::string_view text, std::optional<GroupId>& ret_id) {
    if (text.empty()) return "an id is missing";
    if (text == "default") return "the default group is always there";
    const Parsed<std::uint64_t> id = parse_group_id(type, text);
    if (!id) return id.reason();
    if (*id == 0 && !zero_is_a_group_id(type)) return "0 is not an id of type " + std::string(name_of(type));
    ret_id = *id;
    return {};
}

/// The same for a group that may be attached: it keeps its number when its process or cgroup is gone.
std::string parse_id(GroupType type, std::string_view text, std::optional<GroupId>& ret_id) {
    std::uint64_t number = 0;
    if (parse_plain_number(text, number).empty() && number != 0) {
        ret_id = number;
        return {};
    }
    return parse_new_id(type, text, ret_id);
}

std::string parse_user(std::string_view text, std::optional<uid_t>& ret_user) {
    if (text.empty()) return "a user is missing";
    if (text == "none") return {};
    const Parsed<std::uint64_t> uid = parse_group_id(GroupType::user, text);
    if (!uid) return uid.reason();
    ret_user = static_cast<uid_t>(*uid);
    return {};
}

/// ID [parent=ID]
std::string parse_newcomer(GroupType type, std::string_view text, Argument& ret_argument) {
    constexpr std::string_view kParent = "parent=";
    const std::size_t blank = text.find_last_of(" \t\n");
    const std::string_view last = blank == std::string_view::npos ? std::string_view() : text.substr(blank + 1);
    if (last.starts_with(kParent)) {
        const std::string_view parent = last.substr(kParent.size());
        if (std::string reason = parse_id(type, parent, ret_argument.parent); !reason.empty()) return reason;
        text = trimmed(text.substr(0, blank));
    }
    ret_argument.word = text;
    return parse_new_id(type, text, ret_argument.group);
}

/// [ID:|ID=]VALUE, of which `parse` reads the value.
template <typename Value, typename Parse>
std::string parse_value(GroupType type, std::string_view text, Argument& ret_argument, Value Argument::*member,
                        Parse&& parse) {
    Value& ret_value = ret_argument.*member;
    // The last separator: a cgroup's path may contain some itself.
    const std::size_t separator = text.find_last_of(":=");
    if (separator == std::string_view::npos) return parse(text, ret_value);
    const std::string_view who = trimmed(text.substr(0, separator));
    const bool is_default = who == "default" || (who == "0" && !zero_is_a_group_id(type));
    ret_argument.word = who;
    if (!is_default) {
        if (std::string reason = parse_id(type, who, ret_argument.group); !reason.empty()) return reason;
    }
    return parse(trimmed(text.substr(separator + 1)), ret_value);
}

}  // namespace

std::string parse_rate(std::string_view text, std::uint64_t& ret_bytes) {
    constexpr std::string_view kSuffixes = "KMGT";
    std::string_view digits = text.ends_with("/s") ? text.substr(0, text.size() - 2) : text;
    const std::size_t power = digits.empty() ? std::string_view::npos : kSuffixes.find(digits.back());
    std::uint64_t factor = 1;
    if (power != std::string_view::npos) {
        digits.remove_suffix(1);
        factor <<= 10 * (power + 1);
    }
    std::uint64_t number = 0;
    if (std::string reason = parse_plain_number(digits, number); !reason.empty()) return reason;
    if (number > UINT64_MAX / factor) return quoted(text) + " is too large";
    ret_bytes = number * factor;
    return {};
}

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view kBlanks = " \t\r\n";
    const std::size_t first = text.find_first_not_of(kBlanks);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

ParsedArgument parse_argument(ArgumentForm form, GroupType type, std::string_view text) {
    text = trimmed(text);
    ParsedArgument parsed;
    switch (form) {
        case ArgumentForm::nothing:
            if (!text.empty()) parsed.reason = "it takes no argument";
            break;
        case ArgumentForm::word:
            if (text.empty()) parsed.reason = "a name is missing";
            parsed.argument.word = text;
            break;
        case ArgumentForm::text:
            parsed.argument.word = text;
            break;
        case ArgumentForm::number:
            parsed.reason = parse_plain_number(text, parsed.argument.number);
            break;
        case ArgumentForm::new_id:
            parsed.reason = parse_newcomer(type, text, parsed.argument);
            break;
        case ArgumentForm::id:
            parsed.reason = parse_id(type, text, parsed.argument.group);
            break;
        case ArgumentForm::value:
            parsed.reason = parse_value(type, text, parsed.argument, &Argument::number, parse_plain_number);
            break;
        case ArgumentForm::rate:
            parsed.reason = parse_value(type, text, parsed.argument, &Argument::number, parse_rate);
            break;
        case ArgumentForm::user:
            parsed.reason = parse_value(type, text, parsed.argument, &Argument::user, parse_user);
            break;
    }
    return parsed;
}

}  // namespace bandfs
