// control/config_keys.cc
#include "control/config_keys.h"

#include <array>
#include <bit>

#include "bandfs/device_group.h"
#include "gate/auto_groups.h"

namespace bandfs {
namespace {

template <typename Names>
std::string one_of(const Names& names) {
    std::string text;
    for (const std::string_view name : names) text += (text.empty() ? "must be one of " : ", ") + std::string(name);
    return text;
}

template <typename Target, auto kMember>
std::string take_whole(Target& target, const ConfigValue& value) {
    target.*kMember = value.whole;
    return {};
}

template <typename Target, auto kMember>
std::string take_seconds(Target& target, const ConfigValue& value) {
    target.*kMember = value.seconds;
    return {};
}

template <typename Target, auto kMember>
std::string take_text(Target& target, const ConfigValue& value) {
    if (value.text.empty()) return "must not be empty";
    target.*kMember = value.text;
    return {};
}

template <auto kMember>
std::string take_path(ConfiguredMount& mount, const ConfigValue& value) {
    if (!value.text.starts_with('/')) return "must be an absolute path";
    mount.*kMember = value.text;
    return {};
}

std::string take_policy(ConfiguredDeviceGroup& device_group, const ConfigValue& value) {
    for (const std::string_view name : DeviceGroup::policy_names()) {
        if (name != value.text) continue;
        device_group.policy = value.text;
        return {};
    }
    return one_of(DeviceGroup::policy_names());
}

std::string take_cost(ConfiguredDeviceGroup& device_group, const ConfigValue& value) {
    if (value.text != "bytes" && value.text != "time") return "must be \"bytes\" or \"time\"";
    device_group.cost = value.text;
    return {};
}

std::string take_owner(ConfiguredGroup& group, const ConfigValue& value) {
    const Parsed<std::uint64_t> uid = parse_group_id(GroupType::user, value.text);
    if (!uid) return "is wrong: " + uid.reason();
    group.owner = value.text;
    return {};
}

std::string take_type(ConfiguredMount& mount, const ConfigValue& value) {
    const Parsed<GroupType> type = parse_group_type(value.text);
    if (!type) return "is wrong: " + type.reason();
    mount.type = *type;
    return {};
}

std::string take_unit_size(ConfiguredMount& mount, const ConfigValue& value) {
    if (!std::has_single_bit(value.whole)) return "must be a power of two";
    mount.unit_size = value.whole;
    return {};
}

std::string take_control(ConfiguredMount& mount, const ConfigValue& value) {
    const std::string& name = value.text;
    if (name.empty() || name == "." || name == ".." || name.size() > 255 || name.find('/') != std::string::npos) {
        return "must be a file name of 1 to 255 bytes, or \"none\"";
    }
    mount.control = name;
    return {};
}

std::string take_rule_group(ConfiguredRule& rule, const ConfigValue& value) {
    const Parsed<std::uint64_t> id = rule_group_id(value.text);
    if (!id) return "is wrong: " + id.reason();
    rule.rule.group = value.text;
    return {};
}

std::string take_uid(ConfiguredRule& rule, const ConfigValue& value) {
    return set_condition(rule.rule, "uid", value.text);
}
std::string take_gid(ConfiguredRule& rule, const ConfigValue& value) {
    return set_condition(rule.rule, "gid", value.text);
}
std::string take_cgroup(ConfiguredRule& rule, const ConfigValue& value) {
    return set_condition(rule.rule, "cgroup", value.text);
}
std::string take_program(ConfiguredRule& rule, const ConfigValue& value) {
    return set_condition(rule.rule, "program", value.text);
}
std::string take_file(ConfiguredRule& rule, const ConfigValue& value) {
    return set_condition(rule.rule, "path", value.text);
}

using DG = ConfiguredDeviceGroup;
using CM = ConfiguredMount;
using CG = ConfiguredGroup;
using CR = ConfiguredRule;
using enum ConfigForm;

constexpr std::array kDeviceGroupKeys{
    ConfigKeyOf<DG>{{"policy", text, false, "", "\"default\"", 0, 0, "How the next unit is chosen."}, take_policy},
    ConfigKeyOf<DG>{{"cost", text, false, "", "\"bytes\"", 0, 0,
                     "What the policy fair shares out: \"bytes\", or the disk's \"time\"."},
                    take_cost},
    ConfigKeyOf<DG>{{"io_throttle", whole, false, "units", "4", 1, kMaxInFlight, "Units in flight, low mark."},
                    take_whole<DG, &DG::io_throttle>},
    ConfigKeyOf<DG>{{"io_limit", whole, false, "units", "128", 1, kMaxInFlight, "Units in flight, high mark."},
                    take_whole<DG, &DG::io_limit>},
    ConfigKeyOf<DG>{{"token", whole, false, "tokens", "2048", 1, kMaxTokenBase,
                     "What the groups share in one epoch of the policy weight."},
                    take_whole<DG, &DG::token>},
    ConfigKeyOf<DG>{{"held_max", whole, false, "MiB", "64", 1, kMaxHeldBytes / kMiB,
                     "What each group may have in held requests; its further ones wait in turn."},
                    take_whole<DG, &DG::held_max_mib>},
    ConfigKeyOf<DG>{
        {"hold", whole, false, "seconds", "30", 1, 3600, "The longest that a request is held; then it passes."},
        take_whole<DG, &DG::hold_s>},
};

constexpr std::array kMountKeys{
    ConfigKeyOf<CM>{{"source", text, true, "", "", 0, 0, "The directory to mount."}, take_path<&CM::source>},
    ConfigKeyOf<CM>{{"mountpoint", text, true, "", "", 0, 0, "Where to mount it."}, take_path<&CM::mountpoint>},
    ConfigKeyOf<CM>{{"device_group", text, false, "", "", 0, 0,
                     "One of the device groups of this file; the disk below the source when there is none."},
                    take_text<CM, &CM::device_group>},
    ConfigKeyOf<CM>{{"type", text, false, "", "\"none\"", 0, 0, "Which property of a caller is its group id."},
                    take_type},
    ConfigKeyOf<CM>{{"weight", whole, false, "", "100", 1, kMaxWeight, "Weight of the default group."},
                    take_whole<CM, &CM::weight>},
    ConfigKeyOf<CM>{{"min", rate, false, "bytes per second", "0", 0, 0,
                     "What the policy fair guarantees the default group, with K, M, G or T if wanted; 0: nothing."},
                    take_whole<CM, &CM::min>},
    ConfigKeyOf<CM>{{"max", rate, false, "bytes per second", "0", 0, 0,
                     "What the policy fair holds the default group to, with K, M, G or T if wanted; 0: no bound."},
                    take_whole<CM, &CM::max>},
    ConfigKeyOf<CM>{{"auto", whole, false, "", "0", 0, kMaxWeight,
                     "Weight of the groups that come into being with the first request of a caller; 0: none do."},
                    take_whole<CM, &CM::auto_weight>},
    ConfigKeyOf<CM>{{"auto_max", whole, false, "groups", "100000", 1, AutoGroups::kMost,
                     "How many groups may have come into being by themselves."},
                    take_whole<CM, &CM::auto_max>},
    ConfigKeyOf<CM>{{"unit_size", whole, false, "bytes", "131072", 4096, 1 << 20,
                     "Size of the pieces that reads and writes are scheduled in, a power of two."},
                    take_unit_size},
    ConfigKeyOf<CM>{{"dirty", whole, false, "MiB", "", 1, 65536,
                     "What a group may have written and not yet on the disk, before its writers wait; 1/64 of memory, "
                     "at most 64, and more where the disk is fast, when it is not given."},
                    take_whole<CM, &CM::dirty_mib>},
    ConfigKeyOf<CM>{
        {"readahead", whole, false, "KiB", "4096", 0, 1 << 20, "How far the kernel reads ahead (root only)."},
        take_whole<CM, &CM::readahead_kib>},
    ConfigKeyOf<CM>{
        {"attr_timeout", seconds, false, "seconds", "1.0", 0, 86400, "How long the kernel keeps attributes."},
        take_seconds<CM, &CM::attr_timeout_s>},
    ConfigKeyOf<CM>{{"entry_timeout", seconds, false, "seconds", "1.0", 0, 86400, "How long the kernel keeps names."},
                    take_seconds<CM, &CM::entry_timeout_s>},
    ConfigKeyOf<CM>{
        {"control", text, false, "", "\".bandfs\"", 0, 0, "Name of the control directory; \"none\": there is none."},
        take_control},
    ConfigKeyOf<CM>{{"options", text, false, "", "", 0, 0, "Further mount options, as after -o."},
                    take_text<CM, &CM::options>},
};

constexpr std::array kGroupKeys{
    ConfigKeyOf<CG>{
        {"id", id, true, "", "", 0, 0, "Whom the group takes: a name or number that the mount's type knows."},
        take_text<CG, &CG::id>},
    ConfigKeyOf<CG>{{"weight", whole, false, "", "100", 1, kMaxWeight, "Weight of the group."},
                    take_whole<CG, &CG::weight>},
    ConfigKeyOf<CG>{{"parent", id, false, "", "", 0, 0,
                     "The id of a group that stands before this one, of whose share it has a part."},
                    take_text<CG, &CG::parent>},
    ConfigKeyOf<CG>{{"owner", id, false, "", "", 0, 0, "The user who sets the weights of the group's children."},
                    take_owner},
    ConfigKeyOf<CG>{{"min", rate, false, "bytes per second", "0", 0, 0,
                     "What the policy fair guarantees the group, with K, M, G or T if wanted; 0: nothing."},
                    take_whole<CG, &CG::min>},
    ConfigKeyOf<CG>{{"max", rate, false, "bytes per second", "0", 0, 0,
                     "What the policy fair holds the group to, with K, M, G or T if wanted; 0: no bound."},
                    take_whole<CG, &CG::max>},
};

constexpr std::array kRuleKeys{
    ConfigKeyOf<CR>{{"group", text, true, "", "", 0, 0, "The group that the rule gives, by its name."},
                    take_rule_group},
    ConfigKeyOf<CR>{{"uid", id, false, "", "", 0, 0, "The rule is for callers of this user."}, take_uid},
    ConfigKeyOf<CR>{{"gid", id, false, "", "", 0, 0, "The rule is for callers of this group of users."}, take_gid},
    ConfigKeyOf<CR>{{"cgroup", text, false, "", "", 0, 0, "The rule is for callers in cgroups with such a path."},
                    take_cgroup},
    ConfigKeyOf<CR>{
        {"program", text, false, "", "", 0, 0, "The rule is for callers that run a program of such a name."},
        take_program},
    ConfigKeyOf<CR>{{"path", text, false, "", "", 0, 0, "The rule is for files with such a path below the source."},
                    take_file},
};

}  // namespace

std::span<const ConfigKeyOf<ConfiguredDeviceGroup>> device_group_keys() {
    return kDeviceGroupKeys;
}
std::span<const ConfigKeyOf<ConfiguredMount>> mount_keys() {
    return kMountKeys;
}
std::span<const ConfigKeyOf<ConfiguredGroup>> group_keys() {
    return kGroupKeys;
}

std::span<const ConfigKeyOf<ConfiguredRule>> rule_keys() {
    return kRuleKeys;
}

std::vector<PlacedConfigKey> config_keys() {
    std::vector<PlacedConfigKey> all;
    for (const auto& row : kDeviceGroupKeys) all.push_back({"[device_group.NAME]", &row.key});
    for (const auto& row : kMountKeys) all.push_back({"[[mount]]", &row.key});
    for (const auto& row : kGroupKeys) all.push_back({"[[mount.group]]", &row.key});
    for (const auto& row : kRuleKeys) all.push_back({"[[mount.rule]]", &row.key});
    return all;
}

}  // namespace bandfs
