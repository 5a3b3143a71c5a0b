#include "cmd/mount_request.h"

#include <sys/mount.h>

#include <algorithm>
#include <charconv>

#include "cmd/option_table.h"
#include "control/nearest.h"

namespace bandfs {
namespace {

Failure wrong(const WrittenOption& option, const std::string& reason) {
    return {ExitCode::usage,
            "option " + (option.value ? option.name + "=" + *option.value : option.name) + ": " + reason};
}

template <typename Number>
bool read_number(std::string_view text, Number& ret) {
    const char* end = text.data() + text.size();
    const auto [stopped, error] = std::from_chars(text.data(), end, ret);
    return error == std::errc{} && stopped == end && !text.empty();
}

/// The value in the option's form; the reason when it is not.
std::string read_value(const Option& option, std::string_view text, OptionValue& ret) {
    ret.text = text;
    const std::string range = " from " + std::to_string(option.min) + " to " + std::to_string(option.max);
    if (option.form == OptionForm::whole) {
        if (!read_number(text, ret.whole) || ret.whole < option.min || ret.whole > option.max) {
            return "must be a whole number" + range;
        }
    } else if (option.form == OptionForm::seconds) {
        const bool number = read_number(text, ret.seconds);
        // Written so that not-a-number fails.
        if (!number ||
            !(ret.seconds >= static_cast<double>(option.min) && ret.seconds <= static_cast<double>(option.max))) {
            return "must be a number of seconds" + range;
        }
    }
    return {};
}

void apply(const KernelFlag& flag, MountRequest& request) {
    request.kernel_flags = flag.sets ? request.kernel_flags | flag.flag : request.kernel_flags & ~flag.flag;
    if (flag.flag == MS_NOSUID) request.suid = !flag.sets;
    if (flag.flag == MS_NODEV) request.dev = !flag.sets;
    if (flag.helper_knows) request.flag_options.emplace_back(flag.name);
}

std::string nearest_option(std::string_view name) {
    std::vector<std::string_view> names;
    for (const Option& option : mount_options()) names.push_back(option.name);
    for (const KernelFlag& flag : kernel_flags()) names.push_back(flag.name);
    return nearest_name(name, names);
}

bool is_mount_option(std::string_view name) {
    return std::ranges::find(mount_options(), name, &Option::name) != mount_options().end();
}

/// The reason why this option cannot be taken, "" when it was.
std::string take_option(const WrittenOption& written, MountRequest& request) {
    // "auto" is fstab's word, and with a value an option of ours.
    if (is_ignored_option(written.name) && !(written.value && is_mount_option(written.name))) return {};
    for (const KernelFlag& flag : kernel_flags()) {
        if (flag.name != written.name) continue;
        if (written.value) return "takes no value";
        apply(flag, request);
        return {};
    }
    for (const Option& option : mount_options()) {
        if (option.name != written.name) continue;
        if (option.form == OptionForm::flag && written.value) return "takes no value";
        if (option.form != OptionForm::flag && !written.value) return "needs a value: " + std::string(option.metavar);
        OptionValue value;
        if (written.value) {
            if (std::string reason = read_value(option, *written.value, value); !reason.empty()) return reason;
        }
        return option.take(request, value);
    }
    if (const std::string_view why = why_never(written.name); !why.empty()) return std::string(why);
    const std::string nearest = nearest_option(written.name);
    return nearest.empty() ? "there is no such option" : "there is no such option; did you mean " + nearest + "?";
}

std::string no_id(const std::string& id, GroupType type) {
    return "'" + id + "' is no id of the type " + std::string(name_of(type));
}

/// The file's groups, understood.
Outcome<Done> take_configured(const ConfiguredGroups& configured, MountRequest& request) {
    WantedGroups& wanted = request.wanted;
    wanted.min = configured.min;
    wanted.max = configured.max;
    for (const GroupRequest& group : configured.groups) {
        const std::string where = "group " + group.id + " of the configuration file: ";
        WantedGroup made{.weight = group.weight, .min = group.min, .max = group.max};
        const auto id = parse_group_id(request.type, group.id);
        if (!id) return Failure{ExitCode::usage, where + no_id(group.id, request.type)};
        made.id = *id;
        if (request.type == GroupType::rules) keep_rule_group(group.id);
        if (group.parent) {
            const auto parent = parse_group_id(request.type, *group.parent);
            if (!parent) return Failure{ExitCode::usage, where + "parent " + no_id(*group.parent, request.type)};
            made.parent = *parent;
        }
        if (group.owner) {
            const auto owner = parse_group_id(GroupType::user, *group.owner);
            if (!owner) return Failure{ExitCode::usage, where + "there is no user '" + *group.owner + "'"};
            made.owner = static_cast<uid_t>(*owner);
        }
        wanted.groups.push_back(made);
    }
    return Done{};
}

/// What only all options together show.
Outcome<Done> check_whole(const ConfiguredGroups& configured, MountRequest& request) {
    if (request.allow_other && request.allow_root) {
        return Failure{ExitCode::usage, "option allow_root: cannot be given together with allow_other"};
    }
    request.wanted.type = request.type;
    if (request.weight) request.wanted.weight = *request.weight;
    request.wanted.auto_weight = request.auto_weight;
    request.wanted.auto_max = request.auto_max;
    if (!configured.rules.empty()) request.wanted.rules = std::make_shared<const RuleList>(configured.rules);
    if (auto taken = take_configured(configured, request); !taken) return taken;
    std::vector<WantedGroup>& wanted = request.wanted.groups;
    std::vector<std::uint64_t> ids;
    for (const GroupRequest& group : request.groups) {
        const WrittenOption as_written{"group", group.id + ":" + std::to_string(group.weight)};
        if (request.type == GroupType::none) return wrong(as_written, "needs a type other than none");
        const auto id = parse_group_id(request.type, group.id);
        if (!id) return wrong(as_written, no_id(group.id, request.type));
        if (std::find(ids.begin(), ids.end(), *id) != ids.end())
            return wrong(as_written, "the same group is given twice");
        ids.push_back(*id);
        if (request.type == GroupType::rules) keep_rule_group(group.id);
        const auto known = std::ranges::find(wanted, *id, &WantedGroup::id);
        if (known != wanted.end()) {
            known->weight = group.weight;
        } else {
            wanted.push_back({.id = *id, .weight = group.weight});
        }
    }
    return Done{};
}

Outcome<Done> take_options(const std::vector<WrittenOption>& options, MountRequest& request) {
    for (const WrittenOption& option : options) {
        if (const std::string reason = take_option(option, request); !reason.empty()) return wrong(option, reason);
    }
    return Done{};
}

}  // namespace

Outcome<Done> check_options(const std::vector<WrittenOption>& options) {
    MountRequest request;
    return take_options(options, request);
}

Outcome<MountRequest> parse_mount_request(const std::vector<WrittenOption>& options,
                                          const ConfiguredGroups& configured) {
    MountRequest request;
    request.kernel_flags = MS_NOSUID | MS_NODEV;
    if (auto taken = take_options(options, request); !taken) return taken.failure();
    if (auto whole = check_whole(configured, request); !whole) return whole.failure();
    return request;
}

}  // namespace bandfs
