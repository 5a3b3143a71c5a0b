#include "caller/task_text.h"

#include <algorithm>
#include <charconv>
#include <csignal>

namespace bandfs {
namespace {

/// Flags of a task (include/linux/sched.h); the same since Linux 2.6.
constexpr unsigned long kExiting = 0x4;
constexpr unsigned long kSignalled = 0x400;

constexpr std::uint64_t kKillBit = std::uint64_t{1} << (SIGKILL - 1);

std::string_view trimmed(std::string_view text) {
    const std::size_t from = text.find_first_not_of(" \t\n");
    if (from == std::string_view::npos) return {};
    return text.substr(from, text.find_last_not_of(" \t\n") - from + 1);
}

template <typename Number>
std::optional<Number> number_in(std::string_view text, int base = 10) {
    Number value{};
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value, base);
    if (error != std::errc() || stop != end) return std::nullopt;
    return value;
}

/// mountinfo writes blanks, and the backslash itself, as three octal digits.
std::string unescaped(std::string_view text) {
    std::string plain;
    for (std::size_t at = 0; at < text.size(); ++at) {
        const auto code = text[at] == '\\' ? number_in<unsigned>(text.substr(at + 1, 3), 8) : std::nullopt;
        plain += code ? static_cast<char>(*code) : text[at];
        if (code) at += 3;
    }
    return plain;
}

std::optional<CgroupMount> parse_cgroup_mount(std::string_view line) {
    const std::size_t dash = line.find(" - ");
    if (dash == std::string_view::npos) return std::nullopt;
    const std::vector<std::string_view> place = split(line.substr(0, dash), ' ');
    const std::vector<std::string_view> system = split(line.substr(dash + 3), ' ');
    if (place.size() < 5 || system.size() < 3) return std::nullopt;
    CgroupMount mount{unescaped(place[4]), unescaped(place[3]), system[0] == "cgroup2", {}};
    if (!mount.unified && system[0] != "cgroup") return std::nullopt;
    if (!mount.unified)
        for (const std::string_view option : split(system[2], ',')) mount.controllers.emplace_back(option);
    return mount;
}

}  // namespace

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    for (std::size_t from = 0; from <= text.size();) {
        const std::size_t to = std::min(text.find(separator, from), text.size());
        parts.push_back(text.substr(from, to - from));
        from = to + 1;
    }
    return parts;
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
    return number_in<std::uint64_t>(text);
}

std::optional<TaskStat> parse_stat(std::string_view text) {
    // A program's name may hold blanks and parentheses: fields are counted from the last one that closes.
    const std::size_t name_end = text.rfind(')');
    if (name_end == std::string_view::npos) return std::nullopt;
    const std::vector<std::string_view> fields = split(trimmed(text.substr(name_end + 1)), ' ');
    const auto field = [&](std::size_t number) { return fields[number - 3]; };  // as proc(5) counts: state is 3
    if (fields.size() < 37 || field(3).size() != 1) return std::nullopt;
    const auto flags = number_in<unsigned long>(field(9));
    const auto threads = number_in<long>(field(20));
    const auto pending = number_in<std::uint64_t>(field(31));
    const auto cpu = number_in<unsigned>(field(39));
    if (!flags || !threads || !pending || !cpu) return std::nullopt;
    return TaskStat{field(3).front(), (*flags & kExiting) != 0,   (*flags & kSignalled) != 0,
                    *threads,         (*pending & kKillBit) != 0, *cpu};
}

std::optional<std::string_view> status_value(std::string_view status, std::string_view key) {
    for (std::size_t from = 0; from < status.size();) {
        const std::size_t to = std::min(status.find('\n', from), status.size());
        const std::string_view line = status.substr(from, to - from);
        if (line.starts_with(key) && line.substr(key.size()).starts_with(':'))
            return trimmed(line.substr(key.size() + 1));
        from = to + 1;
    }
    return std::nullopt;
}

bool status_kill_pending(std::string_view status) {
    const auto waits_in = [&](std::string_view key) {
        const auto value = status_value(status, key);
        return value && (number_in<std::uint64_t>(*value, 16).value_or(0) & kKillBit) != 0;
    };
    return waits_in("SigPnd") || waits_in("ShdPnd");
}

std::optional<pid_t> status_process(std::string_view status) {
    const auto value = status_value(status, "Tgid");
    return value ? number_in<pid_t>(*value) : std::nullopt;
}

std::vector<gid_t> status_groups(std::string_view status) {
    std::vector<gid_t> groups;
    for (const std::string_view word : split(status_value(status, "Groups").value_or(""), ' '))
        if (const auto gid = number_in<gid_t>(word)) groups.push_back(*gid);
    return groups;
}

std::optional<std::string_view> cgroup_path(std::string_view text, std::string_view controller) {
    for (const std::string_view line : split(text, '\n')) {  // "4:memory:/path", "0::/path"
        const std::size_t first = line.find(':');
        const std::size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
        if (second == std::string_view::npos) continue;
        const std::string_view names = line.substr(first + 1, second - first - 1);
        const std::vector<std::string_view> controllers = split(names, ',');
        const bool is_it = controller.empty()
                               ? line.starts_with("0::")
                               : std::find(controllers.begin(), controllers.end(), controller) != controllers.end();
        if (is_it) return line.substr(second + 1);
    }
    return std::nullopt;
}

std::vector<unsigned> parse_number_list(std::string_view text, std::size_t most) {
    std::vector<unsigned> numbers;
    for (const std::string_view range : split(trimmed(text), ',')) {
        const std::size_t dash = range.find('-');
        const auto first = number_in<unsigned>(range.substr(0, dash));
        const auto last = dash == std::string_view::npos ? first : number_in<unsigned>(range.substr(dash + 1));
        if (!first || !last) continue;
        for (std::uint64_t number = *first; number <= *last && numbers.size() < most; ++number)
            numbers.push_back(static_cast<unsigned>(number));
    }
    return numbers;
}

std::vector<CgroupMount> parse_cgroup_mounts(std::string_view mountinfo) {
    std::vector<CgroupMount> mounts;
    for (const std::string_view line : split(mountinfo, '\n'))
        if (auto mount = parse_cgroup_mount(line)) mounts.push_back(std::move(*mount));
    return mounts;
}

}  // namespace bandfs
