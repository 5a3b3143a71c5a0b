#include "caller/rules.h"

#include <fnmatch.h>

#include <algorithm>
#include <array>
#include <map>
#include <mutex>

#include "caller/id_text.h"
#include "caller/task_text.h"

namespace bandfs {
namespace {

constexpr std::size_t kLongestName = 64;
constexpr std::size_t kLongestGlob = 1024;

/// Names of groups by their ids, of the whole process. Only who may make groups adds to it.
struct KnownNames {
    std::mutex mutex;
    std::map<std::uint64_t, std::string> by_id;
};
KnownNames& known_names() {
    static KnownNames names;
    return names;
}

/// FNV-1a, 64 bits: the same name has the same id in every process.
std::uint64_t hash_of(std::string_view name) {
    std::uint64_t hash = 0xcbf29ce484222325U;
    for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
    return hash == 0 ? 1 : hash;
}

bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_name_character(char c) {
    return is_letter(c) || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-' || c == '@';
}

bool matches(const std::string& glob, const std::string& text) {
    return ::fnmatch(glob.c_str(), text.c_str(), FNM_NOESCAPE) == 0;
}

std::string glob_flaw(std::string_view glob) {
    if (glob.empty()) return "is empty";
    if (glob.size() > kLongestGlob) return "is too long";
    const bool plain = std::ranges::none_of(glob, [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte <= 0x20 || byte == 0x7f || c == ';';
    });
    return plain ? "" : "has a blank, a semicolon or a control character in it; ? stands for one";
}

std::string take_glob(std::optional<std::string>& ret, std::string_view value) {
    if (std::string flaw = glob_flaw(value); !flaw.empty()) return flaw;
    ret = std::string(value);
    return {};
}

std::string take_program(std::optional<std::string>& ret, std::string_view value) {
    constexpr std::size_t kLongestProgram = 15;  // TASK_COMM_LEN, less the 0 behind it
    if (value.size() > kLongestProgram && value.find_first_of("*?[") == std::string_view::npos) {
        return "is longer than the 15 bytes that the kernel knows of a name; a * can stand for the rest";
    }
    return take_glob(ret, value);
}

std::string take_path(std::optional<std::string>& ret, std::string_view value) {
    if (!value.empty() && value.find_first_of("/*?[") != 0) return "must begin with / (SOURCE), or with a pattern";
    return take_glob(ret, value);
}

template <typename Number>
std::string take_id(std::optional<Number>& ret, GroupType type, std::string_view value) {
    const Parsed<std::uint64_t> id = parse_group_id(type, value);
    if (!id) return "is wrong: " + id.reason();
    ret = static_cast<Number>(*id);
    return {};
}

/// The conditions, in the order in which they are written.
struct Condition {
    std::string_view name;
    std::string (*take)(Rule& rule, std::string_view value);
    std::string (*text)(const Rule& rule);  ///< empty when the rule has none
};

template <typename Number>
std::string number_text(const std::optional<Number>& number) {
    return number ? std::to_string(*number) : "";
}

constexpr std::array kConditions{
    Condition{"uid", [](Rule& r, std::string_view v) { return take_id(r.uid, GroupType::user, v); },
              [](const Rule& r) { return number_text(r.uid); }},
    Condition{"gid", [](Rule& r, std::string_view v) { return take_id(r.gid, GroupType::gid, v); },
              [](const Rule& r) { return number_text(r.gid); }},
    Condition{"cgroup", [](Rule& r, std::string_view v) { return take_glob(r.cgroup, v); },
              [](const Rule& r) { return r.cgroup.value_or(""); }},
    Condition{"program", [](Rule& r, std::string_view v) { return take_program(r.program, v); },
              [](const Rule& r) { return r.program.value_or(""); }},
    Condition{"path", [](Rule& r, std::string_view v) { return take_path(r.path, v); },
              [](const Rule& r) { return r.path.value_or(""); }},
};

/// The reason why a line is no rule; empty when it is.
std::string parse_rule(std::string_view line, Rule& ret) {
    std::vector<std::string_view> words;
    for (const std::string_view word : split(line, ' ')) {
        if (!word.empty()) words.push_back(word);
    }
    const Parsed<std::uint64_t> id = rule_group_id(words.front());
    if (!id) return id.reason();
    ret.group = words.front();
    for (std::size_t i = 1; i < words.size(); ++i) {
        const std::size_t equals = words[i].find('=');
        if (equals == std::string_view::npos) return quoted(words[i]) + " is no condition: one would be uid=0";
        const std::string_view name = words[i].substr(0, equals);
        if (std::string reason = set_condition(ret, name, words[i].substr(equals + 1)); !reason.empty()) {
            return std::string(name) + " " + reason;
        }
    }
    return {};
}

}  // namespace

Parsed<std::uint64_t> rule_group_id(std::string_view name) {
    const bool fits = !name.empty() && name.size() <= kLongestName && is_letter(name.front()) &&
                      std::ranges::all_of(name, is_name_character) && name != "default" && name != "none";
    if (!fits) {
        return ParseError{EINVAL, quoted(name) +
                                      " is no name of a group: 1 to 64 letters, digits, '.', '_', '-' and "
                                      "'@', a letter first"};
    }
    return hash_of(name);
}

std::string rule_group_name(std::uint64_t id) {
    KnownNames& known = known_names();
    const std::lock_guard lock(known.mutex);
    const auto found = known.by_id.find(id);
    return found == known.by_id.end() ? std::to_string(id) : found->second;
}

void keep_rule_group(std::string_view name) {
    const Parsed<std::uint64_t> id = rule_group_id(name);
    if (!id) return;
    KnownNames& known = known_names();
    const std::lock_guard lock(known.mutex);
    known.by_id.try_emplace(*id, name);
}

RuleList::RuleList(std::vector<Rule> rules) : rules_(std::move(rules)) {
    static std::atomic<unsigned> made{0};
    number_ = static_cast<std::uint8_t>(made.fetch_add(1) % 255 + 1);
    for (const Rule& rule : rules_) {
        keep_rule_group(rule.group);
        ids_.push_back(*rule_group_id(rule.group));
        asks_task_ = asks_task_ || rule.asks_task();
        asks_path_ = asks_path_ || rule.path.has_value();
    }
}

std::uint64_t RuleList::match_task(std::string_view cgroup, std::string_view program) const {
    const std::string cgroup_text(cgroup), program_text(program);
    std::uint64_t bits = 0;
    for (std::size_t i = 0; i < rules_.size(); ++i) {
        const Rule& rule = rules_[i];
        const bool holds = (!rule.cgroup || matches(*rule.cgroup, cgroup_text)) &&
                           (!rule.program || matches(*rule.program, program_text));
        if (holds) bits |= std::uint64_t{1} << i;
    }
    return bits;
}

std::optional<std::uint64_t> RuleList::first(const CallerIds& caller, std::optional<std::uint64_t> task,
                                             std::string_view path) const {
    const std::string path_text(asks_path_ ? path : std::string_view());
    for (std::size_t i = 0; i < rules_.size(); ++i) {
        const Rule& rule = rules_[i];
        if (rule.asks_task() && (task.value_or(0) >> i & 1) == 0) continue;
        if (rule.uid && *rule.uid != caller.uid) continue;
        if (rule.gid && *rule.gid != caller.gid) continue;
        if (rule.path && (path_text.empty() || !matches(*rule.path, path_text))) continue;
        return ids_[i];
    }
    return std::nullopt;
}

std::string set_condition(Rule& rule, std::string_view name, std::string_view value) {
    for (const Condition& condition : kConditions) {
        if (condition.name != name) continue;
        if (!condition.text(rule).empty()) return "is given twice";
        return condition.take(rule, value);
    }
    return "is no condition: those are uid, gid, cgroup, program and path";
}

Parsed<std::shared_ptr<const RuleList>> parse_rules(std::string_view text) {
    std::string lines(text);
    std::ranges::replace(lines, ';', '\n');
    std::ranges::replace(lines, '\t', ' ');
    std::vector<Rule> rules;
    for (const std::string_view line : split(lines, '\n')) {
        if (line.find_first_not_of(" \r") == std::string_view::npos) continue;
        if (rules.size() == kMostRules) return ParseError{EINVAL, "there are more than 64 rules"};
        Rule rule;
        if (std::string reason = parse_rule(line, rule); !reason.empty()) {
            return ParseError{EINVAL, "rule " + std::to_string(rules.size() + 1) + ": " + reason};
        }
        rules.push_back(std::move(rule));
    }
    auto list = std::make_shared<const RuleList>(std::move(rules));
    if (rules_text(*list).size() > kLongestRules) return ParseError{EINVAL, "the rules are longer than 4096 bytes"};
    return std::shared_ptr<const RuleList>(std::move(list));
}

std::string rule_text(const Rule& rule) {
    std::string text = rule.group;
    for (const Condition& condition : kConditions) {
        const std::string value = condition.text(rule);
        if (!value.empty()) text += " " + std::string(condition.name) + "=" + value;
    }
    return text;
}

std::string rules_text(const RuleList& rules) {
    std::string text;
    for (const Rule& rule : rules.rules()) text += rule_text(rule) + "\n";
    return text;
}

}  // namespace bandfs
