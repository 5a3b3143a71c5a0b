// control/config.cc - reads the structure of a file by hand, and every key by the tables of config_keys.h.
#include "control/config.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <set>
#include <utility>

#include <toml++/toml.h>

#include "bandfs/device_group.h"
#include "bandfs/mount_groups.h"
#include "control/config_keys.h"
#include "control/message_grammar.h"
#include "control/nearest.h"
#include "disk/disk_name.h"
#include "sys/result.h"
#include "sys/whole_file.h"

namespace bandfs {
namespace {

constexpr std::size_t kLongestFile = std::size_t{1} << 20;  // bytes

ConfigPlace place_of(const toml::source_region& where) {
    return {where.begin.line, where.begin.column};
}

/// Without "//", ".", ".." and a slash at its end.
std::string plain_path(std::string_view path) {
    std::string plain = std::filesystem::path(path).lexically_normal().string();
    while (plain.size() > 1 && plain.back() == '/') plain.pop_back();
    return plain;
}

std::string in_quotes(std::string_view text) {
    return "\"" + std::string(text) + "\"";
}

// Each gives the reason why `node` is no value for this key; empty when it is.

std::string convert_text(const toml::node& node, ConfigValue& ret_value) {
    if (!node.is_string()) return "must be a string";
    ret_value.text = node.as_string()->get();
    return ret_value.text.find('\0') == std::string::npos ? "" : "must not contain a zero byte";
}

/// A string as it is; a whole number in digits.
std::string convert_text_or_number(const toml::node& node, ConfigValue& ret_value) {
    if (node.is_string()) return convert_text(node, ret_value);
    if (!node.is_integer()) return "must be a string or a whole number";
    const std::int64_t whole = node.as_integer()->get();
    if (whole < 0) return "must not be negative";
    ret_value.text = std::to_string(whole);
    return {};
}

std::string convert_rate(const toml::node& node, ConfigValue& ret_value) {
    if (std::string reason = convert_text_or_number(node, ret_value); !reason.empty()) return reason;
    const std::string reason = parse_rate(ret_value.text, ret_value.whole);
    return reason.empty() ? "" : "is wrong: " + reason;
}

std::string convert_whole(const ConfigKey& key, const toml::node& node, ConfigValue& ret_value) {
    if (!node.is_integer()) return "must be a whole number";
    const std::int64_t whole = node.as_integer()->get();
    ret_value.whole = static_cast<std::uint64_t>(whole);
    const bool within = whole >= 0 && ret_value.whole >= key.min && ret_value.whole <= key.max;
    return within ? "" : "must be " + std::to_string(key.min) + " to " + std::to_string(key.max);
}

std::string convert_seconds(const ConfigKey& key, const toml::node& node, ConfigValue& ret_value) {
    const std::optional<double> seconds = node.is_number() ? node.value<double>() : std::nullopt;
    const bool within = seconds && *seconds >= static_cast<double>(key.min) && *seconds <= static_cast<double>(key.max);
    if (!within) return "must be a number from " + std::to_string(key.min) + " to " + std::to_string(key.max);
    ret_value.seconds = *seconds;
    return {};
}

std::string convert(const ConfigKey& key, const toml::node& node, ConfigValue& ret_value) {
    switch (key.form) {
        case ConfigForm::text:
            return convert_text(node, ret_value);
        case ConfigForm::id:
            return convert_text_or_number(node, ret_value);
        case ConfigForm::rate:
            return convert_rate(node, ret_value);
        case ConfigForm::whole:
            return convert_whole(key, node, ret_value);
        case ConfigForm::seconds:
            return convert_seconds(key, node, ret_value);
    }
    return "has no form";
}

/// A key of one table, with what the reader of a table has to know of it.
template <typename Target>
class Reader {
public:
    Reader(std::span<const ConfigKeyOf<Target>> keys, std::vector<ConfigProblem>& problems)
        : keys_(keys), problems_(problems) {}

    /// Reads every key of `table` but those in `structure`, which somebody else reads.
    void read(const toml::table& table, std::string_view where, std::span<const std::string_view> structure,
              Target& target) {
        for (auto&& [key, node] : table) {
            const std::string_view name = key.str();
            if (std::ranges::find(structure, name) != structure.end()) continue;
            const auto known = std::ranges::find_if(keys_, [&](const auto& row) { return row.key.name == name; });
            if (known == keys_.end()) {
                report(key.source(), unknown(name, where, structure));
                continue;
            }
            take(*known, node, target);
        }
        for (const auto& row : keys_) {
            if (row.key.required && !table.contains(row.key.name)) {
                report(table.source(), std::string(where) + " lacks " + in_quotes(row.key.name));
            }
        }
    }

private:
    void report(const toml::source_region& where, std::string text) {
        problems_.push_back({where.begin.line, where.begin.column, std::move(text)});
    }

    std::string unknown(std::string_view name, std::string_view where, std::span<const std::string_view> structure) {
        std::vector<std::string_view> names(structure.begin(), structure.end());
        for (const auto& row : keys_) names.push_back(row.key.name);
        std::string text = "unknown key " + in_quotes(name) + " in " + std::string(where);
        if (const std::string nearest = nearest_name(name, names); !nearest.empty()) {
            text += "; did you mean " + in_quotes(nearest) + "?";
        }
        return text;
    }

    void take(const ConfigKeyOf<Target>& row, const toml::node& node, Target& target) {
        ConfigValue value;
        std::string reason = convert(row.key, node, value);
        if (reason.empty()) reason = row.take(target, value);
        if (!reason.empty()) report(node.source(), in_quotes(row.key.name) + " " + reason);
    }

    std::span<const ConfigKeyOf<Target>> keys_;
    std::vector<ConfigProblem>& problems_;
};

/// What a policy has.
struct PolicyAbilities {
    bool cost = true, limits = true, parents = true;
};

PolicyAbilities abilities_of(const std::string& policy) {
    const auto device_group = DeviceGroup::create({}, policy);
    if (device_group == nullptr) return {};
    MountGroups groups(*device_group, kDefaultWeight);
    PolicyAbilities abilities;
    abilities.cost = !device_group->policy_parameter("cost").empty();
    abilities.limits = device_group->set_ceiling(groups.default_group(), 1) == Error::none;
    abilities.parents = groups.attach(1, kDefaultWeight, &groups.default_group()) == Error::none;
    return abilities;
}

/// Reads the file's tables and checks what no key can tell alone.
class ConfigReader {
public:
    explicit ConfigReader(ParsedConfig& result) : result_(result) {}

    void read(const toml::table& file) {
        static constexpr std::array<std::string_view, 2> kTables{"device_group", "mount"};
        if (const toml::node* const node = file.get("device_group")) read_device_groups(*node);
        if (const toml::node* const node = file.get("mount")) read_mounts(*node);
        for (auto&& [key, node] : file) {
            if (std::ranges::find(kTables, key.str()) != kTables.end()) continue;
            std::string text = "unknown key " + in_quotes(key.str());
            if (const std::string nearest = nearest_name(key.str(), kTables); !nearest.empty()) {
                text += "; did you mean " + in_quotes(nearest) + "?";
            }
            report(key.source(), std::move(text));
        }
    }

private:
    void report(const toml::source_region& where, std::string text) {
        result_.problems.push_back({where.begin.line, where.begin.column, std::move(text)});
    }

    void read_device_groups(const toml::node& node) {
        const toml::table* const tables = node.as_table();
        if (!tables) return report(node.source(), "device groups are written as [device_group.NAME]");
        for (auto&& [key, each] : *tables) {
            const toml::table* const table = each.as_table();
            if (!table) {
                report(key.source(), "a device group is written as [device_group." + std::string(key.str()) + "]");
                continue;
            }
            read_device_group(key, *table);
        }
    }

    void read_device_group(const toml::key& key, const toml::table& table) {
        ConfiguredDeviceGroup device_group;
        device_group.place = place_of(key.source());
        device_group.name = key.str();
        if (!is_device_group_name(device_group.name)) {
            report(
                key.source(),
                "the name of a device group must be 1 to 32 bytes without blanks, control characters and slashes, and "
                "not begin with a dot");
        }
        Reader(device_group_keys(), result_.problems)
            .read(table, "[device_group." + device_group.name + "]", {}, device_group);
        if (device_group.io_throttle && device_group.io_limit && *device_group.io_limit < *device_group.io_throttle) {
            report(table.get("io_limit")->source(),
                   "\"io_limit\" must not be less than io_throttle, " + std::to_string(*device_group.io_throttle));
        }
        if (device_group.policy && device_group.cost && !abilities_of(*device_group.policy).cost) {
            report(table.get("cost")->source(), "the policy " + *device_group.policy + " has no cost");
        }
        result_.config.device_groups.push_back(std::move(device_group));
    }

    /// Calls `read` with every table of an array of tables, which is written as `header`.
    template <typename Read>
    void each_table(const toml::node& node, const std::string& what, const std::string& header, Read read) {
        const toml::array* const tables = node.as_array();
        if (!tables) return report(node.source(), what + "s are written as " + header);
        for (const toml::node& each : *tables) {
            if (const toml::table* const table = each.as_table()) {
                read(*table);
            } else {
                report(each.source(), "a " + what + " is written as " + header);
            }
        }
    }

    void read_mounts(const toml::node& node) {
        each_table(node, "mount", "[[mount]]", [&](const toml::table& table) { read_mount(table); });
    }

    void read_mount(const toml::table& table) {
        static constexpr std::array<std::string_view, 2> kStructure{"group", "rule"};
        ConfiguredMount mount;
        mount.place = place_of(table.source());
        if (const toml::node* const options = table.get("options")) mount.options_place = place_of(options->source());
        Reader(mount_keys(), result_.problems).read(table, "[[mount]]", kStructure, mount);
        const ConfiguredDeviceGroup* const device_group =
            mount.device_group ? result_.config.find_device_group(*mount.device_group) : nullptr;
        policy_ = device_group ? device_group->policy.value_or("") : "";
        can_ = policy_.empty() ? PolicyAbilities{} : abilities_of(policy_);
        check_limits(mount, table);
        if (!mount.mountpoint.empty() && !mountpoints_.insert(mount.mountpoint).second) {
            report(table.get("mountpoint")->source(),
                   in_quotes(mount.mountpoint) + " is the mountpoint of another mount");
        }
        if (mount.device_group && !device_group) {
            report(table.get("device_group")->source(),
                   "there is no [device_group." + *mount.device_group + "] in this file");
        }
        if (const toml::node* const groups = table.get("group")) read_groups(*groups, mount);
        if (const toml::node* const rules = table.get("rule")) read_rules(*rules, mount);
        result_.config.mounts.push_back(std::move(mount));
    }

    void read_rules(const toml::node& node, ConfiguredMount& mount) {
        static const std::string header = "[[mount.rule]]";
        if (node.is_array() && mount.type != GroupType::rules)
            report(node.source(), "rules need the \"type\" rules in their [[mount]]");
        each_table(node, "rule", header, [&](const toml::table& table) {
            ConfiguredRule rule;
            Reader(rule_keys(), result_.problems).read(table, header, {}, rule);
            if (mount.rules.size() == kMostRules) report(table.source(), "there are more than 64 rules");
            mount.rules.push_back(std::move(rule));
        });
    }

    void read_groups(const toml::node& node, ConfiguredMount& mount) {
        static const std::string header = "[[mount.group]]";
        std::set<std::uint64_t> ids;
        each_table(node, "group", header, [&](const toml::table& table) {
            ConfiguredGroup group;
            Reader(group_keys(), result_.problems).read(table, header, {}, group);
            check_limits(group, table);
            check_ids(mount, group, table, ids);
            mount.groups.push_back(std::move(group));
        });
    }

    template <typename Limited>
    void check_limits(const Limited& limited, const toml::table& table) {
        if (!can_.limits) {
            const std::string none = "the policy " + policy_ + " has no min and max";
            if (limited.min.value_or(0) != 0) report(table.get("min")->source(), none);
            if (limited.max.value_or(0) != 0) report(table.get("max")->source(), none);
        }
        if (!limited.min || !limited.max || *limited.max == 0 || *limited.min <= *limited.max) return;
        report(table.get("max")->source(), "\"max\" must not be less than min, " + std::to_string(*limited.min));
    }

    /// The ids of a group that stands behind those with `ids`.
    void check_ids(const ConfiguredMount& mount, const ConfiguredGroup& group, const toml::table& table,
                   std::set<std::uint64_t>& ids) {
        const GroupType type = mount.type.value_or(GroupType::none);
        if (group.parent && !can_.parents) {
            report(table.get("parent")->source(), "the policy " + policy_ + " has no parents");
        } else if (group.parent) {
            const Parsed<std::uint64_t> parent = parse_group_id(type, *group.parent);
            if (!parent || !ids.contains(*parent)) {
                report(table.get("parent")->source(),
                       in_quotes(*group.parent) + " is no group that stands before this one");
            }
        }
        if (group.id.empty()) return;
        const toml::source_region& where = table.get("id")->source();
        if (type == GroupType::none) return report(where, "groups need a \"type\" in their [[mount]] other than none");
        const Parsed<std::uint64_t> number = parse_group_id(type, group.id);
        if (!number) return report(where, number.reason());
        if (!ids.insert(*number).second)
            report(where, in_quotes(group.id) + " is the id of another group of this mount");
    }

    ParsedConfig& result_;
    std::set<std::string> mountpoints_;
    std::string policy_;   ///< of the mount that is being read; empty: the file does not say
    PolicyAbilities can_;  ///< and what it has
};

ParsedConfig failed(ConfigProblem problem) {
    ParsedConfig result;
    result.problems.push_back(std::move(problem));
    return result;
}

}  // namespace

const ConfiguredDeviceGroup* Config::find_device_group(std::string_view name) const {
    const auto found = std::ranges::find(device_groups, name, &ConfiguredDeviceGroup::name);
    return found == device_groups.end() ? nullptr : &*found;
}

const ConfiguredMount* Config::find_mount(std::string_view source, std::string_view mountpoint) const {
    const auto found = std::ranges::find_if(mounts, [&](const ConfiguredMount& mount) {
        return plain_path(mount.mountpoint) == plain_path(mountpoint) && plain_path(mount.source) == plain_path(source);
    });
    return found == mounts.end() ? nullptr : &*found;
}

std::string describe(const ConfigProblem& problem, std::string_view file) {
    std::string text(file);
    if (problem.line != 0) text += ":" + std::to_string(problem.line) + ":" + std::to_string(problem.column);
    return text + ": " + problem.text;
}

ParsedConfig parse_config(std::string_view text) {
    ParsedConfig result;
    try {
        const toml::table file = toml::parse(text);
        ConfigReader(result).read(file);
    } catch (const toml::parse_error& error) {
        const toml::source_position& where = error.source().begin;
        return failed({where.line, where.column, std::string(error.description())});
    }
    std::ranges::stable_sort(result.problems, {},
                             [](const ConfigProblem& problem) { return std::pair(problem.line, problem.column); });
    return result;
}

ParsedConfig read_config(const std::string& path) {
    const Result<std::string> text = read_whole_file(path, kLongestFile);
    if (text) return parse_config(*text);
    ParsedConfig result = failed({0, 0, std::strerror(text.code())});
    result.unreadable = text.code() == ENOENT || text.code() == ENOTDIR || text.code() == EACCES;
    return result;
}

}  // namespace bandfs
