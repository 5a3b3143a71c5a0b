// cmd/mount_config.cc - a file's settings become options in front of those of the command line, so that there is one
// way in which a mount is asked for and one order in which the later word counts.
#include "cmd/mount_config.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "sys/whole_file.h"

namespace bandfs {
namespace {

constexpr std::size_t kProblemsShown = 5;

/// What a file has keys for, or what is about the file itself.
constexpr std::array<std::string_view, 20> kKeyedOptions{
    "auto_max", "held_max",

    "config",   "devgroup", "io_throttle", "io_limit",     "policy",        "cost",
    "token",    "hold",     "type",        "weight",       "group",         "unit_size",
    "dirty",    "auto",     "readahead",   "attr_timeout", "entry_timeout", "control"};

/// The value of the last option of that name.
std::optional<std::string> last_of(const std::vector<WrittenOption>& options, std::string_view name) {
    std::optional<std::string> value;
    for (const WrittenOption& option : options) {
        if (option.name == name && option.value) value = option.value;
    }
    return value;
}

std::string number_text(double value) {
    std::array<char, 32> text;
    return {text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr};
}

class OptionList {
public:
    void add(const char* name, const std::optional<std::string>& value) {
        if (value) options_.push_back({name, *value});
    }
    void add(const char* name, const std::optional<std::uint64_t>& value) {
        if (value) options_.push_back({name, std::to_string(*value)});
    }
    void add(const char* name, const std::optional<double>& value) {
        if (value) options_.push_back({name, number_text(*value)});
    }
    void add(std::vector<WrittenOption> more) {
        for (WrittenOption& option : more) options_.push_back(std::move(option));
    }
    std::vector<WrittenOption> take() { return std::move(options_); }

private:
    std::vector<WrittenOption> options_;
};

}  // namespace

std::string flaw_of_options(const ConfiguredMount& mount) {
    const auto options = split_options(mount.options.value_or(""));
    const bool names_file = std::ranges::any_of(options, [](const WrittenOption& it) { return it.name == "config"; });
    return names_file ? "option config: a file cannot name another" : "";
}

std::string problems_text(const ParsedConfig& parsed, const std::string& path) {
    std::string text;
    std::size_t shown = 0;
    for (const ConfigProblem& problem : parsed.problems) {
        if (++shown > kProblemsShown) {
            return text + "\n(and " + std::to_string(parsed.problems.size() - kProblemsShown) + " more)";
        }
        text += (text.empty() ? "" : "\n") + describe(problem, path);
    }
    return text;
}

std::vector<WrittenOption> options_of(const ConfiguredMount& mount, const ConfiguredDeviceGroup* device_group) {
    OptionList list;
    if (device_group != nullptr) {
        list.add("policy", device_group->policy);
        list.add("cost", device_group->cost);
        list.add("io_throttle", device_group->io_throttle);
        list.add("io_limit", device_group->io_limit);
        list.add("token", device_group->token);
        list.add("held_max", device_group->held_max_mib);
        list.add("hold", device_group->hold_s);
    }
    list.add("devgroup", mount.device_group);
    if (mount.type) list.add("type", std::string(name_of(*mount.type)));
    list.add("weight", mount.weight);
    list.add("auto", mount.auto_weight);
    list.add("auto_max", mount.auto_max);
    list.add("unit_size", mount.unit_size);
    list.add("dirty", mount.dirty_mib);
    list.add("readahead", mount.readahead_kib);
    list.add("attr_timeout", mount.attr_timeout_s);
    list.add("entry_timeout", mount.entry_timeout_s);
    list.add("control", mount.control);
    if (mount.options) list.add(split_options(*mount.options));
    return list.take();
}

ConfiguredGroups groups_of(const ConfiguredMount& mount) {
    ConfiguredGroups configured{mount.min, mount.max, {}, {}};
    for (const ConfiguredGroup& group : mount.groups) {
        configured.groups.push_back({group.id, group.weight.value_or(kDefaultWeight), group.parent, group.owner,
                                     group.min.value_or(0), group.max.value_or(0)});
    }
    for (const ConfiguredRule& each : mount.rules) configured.rules.push_back(each.rule);
    return configured;
}

Outcome<MountConfig> MountConfig::read(const AskedMount& mount_asked, bool must_have_it) {
    MountConfig made;
    made.options_ = mount_asked.options;
    const std::optional<std::string> asked = last_of(mount_asked.options, "config");
    if (asked == "none") return made;
    made.path_ = asked.value_or(std::string(kSystemConfig));
    ParsedConfig parsed = read_config(made.path_);
    if (!asked && parsed.unreadable) return made;  // not there, or not for this user
    if (!parsed.ok()) return Failure{ExitCode::config, problems_text(parsed, made.path_)};
    const ConfiguredMount* const mount = parsed.config.find_mount(mount_asked.source, mount_asked.mountpoint);
    if (mount == nullptr && asked && must_have_it) {
        return Failure{ExitCode::config, made.path_ + ": there is no [[mount]] with source " + mount_asked.source +
                                             " and mountpoint " + mount_asked.mountpoint};
    }
    if (mount != nullptr) {
        if (const std::string flaw = flaw_of_options(*mount); !flaw.empty()) {
            const ConfigPlace& at = mount->options_place;
            return Failure{ExitCode::config, describe({at.line, at.column, flaw}, made.path_)};
        }
        made.mount_ = *mount;
    }
    made.config_ = std::move(parsed.config);
    return made;
}

std::optional<std::string> MountConfig::device_group() const {
    const auto named = last_of(options_, "devgroup");
    if (named || !mount_) return named;
    const auto further = last_of(split_options(mount_->options.value_or("")), "devgroup");
    return further ? further : mount_->device_group;
}

std::vector<WrittenOption> MountConfig::all_options() const {
    std::vector<WrittenOption> all = split_options(mount_ ? mount_->options.value_or("") : "");
    all.insert(all.end(), options_.begin(), options_.end());
    return all;
}

Outcome<MountRequest> MountConfig::request(const std::string& device_group) const {
    const ConfiguredDeviceGroup* const settings = config_ ? config_->find_device_group(device_group) : nullptr;
    std::vector<WrittenOption> all = options_of(mount_.value_or(ConfiguredMount{}), settings);
    all.insert(all.end(), options_.begin(), options_.end());
    auto request = parse_mount_request(all, mount_ ? groups_of(*mount_) : ConfiguredGroups{});
    if (!request && !path_.empty() && mount_) {
        return Failure{request.failure().code, request.failure().message + " (with " + path_ + ")"};
    }
    return request;
}

std::string further_options(const std::vector<WrittenOption>& options) {
    std::string text;
    for (const WrittenOption& option : options) {
        const bool keyed = std::ranges::find(kKeyedOptions, option.name) != kKeyedOptions.end();
        if (!keyed) text += (text.empty() ? "" : ",") + written(option);
    }
    return text;
}

}  // namespace bandfs
