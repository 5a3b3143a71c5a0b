// control/attributes.cc
#include "control/attributes.h"

#include <algorithm>
#include <array>

#include "control/config_text.h"
#include "control/metrics.h"
#include "control/status.h"

namespace bandfs {
namespace {

constexpr std::array kMountAttributes{
    MountAttribute{"status", [](const MountView& v) { return status_text(v.info, v.snapshot); }},
    MountAttribute{"table", [](const MountView& v) { return table_text(v.info, v.snapshot); }},
    MountAttribute{"status.json", [](const MountView& v) { return status_json(v.info, v.snapshot); }},
    MountAttribute{"metrics", [](const MountView& v) { return metrics_text(v.info, v.snapshot); }},
    MountAttribute{"config", [](const MountView& v) { return config_text(v.info, v.snapshot, v.options, v.owners); }},
    MountAttribute{"log", [](const MountView& v) { return v.log.text(); }},
    MountAttribute{"policy", [](const MountView& v) { return v.snapshot.policy; }},
    MountAttribute{"type", [](const MountView& v) { return std::string(name_of(v.snapshot.type)); }},
    MountAttribute{"io_throttle", [](const MountView& v) { return std::to_string(v.snapshot.io_throttle); }},
    MountAttribute{"io_limit", [](const MountView& v) { return std::to_string(v.snapshot.io_limit); }},
    MountAttribute{"weight", [](const MountView& v) { return std::to_string(v.snapshot.groups.front().weight); }},
    MountAttribute{"min", [](const MountView& v) { return std::to_string(v.snapshot.groups.front().floor); }},
    MountAttribute{"max", [](const MountView& v) { return std::to_string(v.snapshot.groups.front().ceiling); }},
    MountAttribute{"token", [](const MountView& v) { return std::to_string(v.snapshot.token_base); }},
    MountAttribute{"held_max", [](const MountView& v) { return std::to_string(v.snapshot.held_bytes_limit / kMiB); }},
    MountAttribute{"dirty", [](const MountView& v) { return std::to_string(v.snapshot.dirty_bound / kMiB); }},
    MountAttribute{"debug", [](const MountView& v) { return std::to_string(v.debug_level); }},
    MountAttribute{"cost", [](const MountView& v) { return v.snapshot.cost; }},
    MountAttribute{"auto", [](const MountView& v) { return std::to_string(v.snapshot.auto_weight); }},
    MountAttribute{"auto_max", [](const MountView& v) { return std::to_string(v.snapshot.auto_max); }},
    MountAttribute{"rules", [](const MountView& v) { return v.snapshot.rules ? rules_text(*v.snapshot.rules) : ""; }},
    MountAttribute{"attach", nullptr},
    MountAttribute{"detach", nullptr},
    MountAttribute{"owner", nullptr},
    MountAttribute{"reset", nullptr},
};

/// An id, or a user, or none.
template <typename Number>
std::string text_or_none(const std::optional<Number>& number) {
    return number ? std::to_string(*number) : "none";
}

/// Whom the group takes: its type and id, or the rules that give it.
std::string members_text(const GroupView& view) {
    if (view.group.is_default) return "everybody else";
    const std::string name = describe_group_id(view.type, view.group.id);
    if (view.type != GroupType::rules) return std::string(name_of(view.type)) + " " + name;
    std::string text;
    for (const Rule& rule : view.rules != nullptr ? view.rules->rules() : std::vector<Rule>()) {
        if (rule.group == name) text += rule_text(rule) + "\n";
    }
    return text;
}

constexpr std::array kGroupAttributes{
    GroupAttribute{"id", [](const GroupView& v) { return id_text(v.group); }},
    GroupAttribute{
        "name",
        [](const GroupView& v) { return v.group.is_default ? "default" : describe_group_id(v.type, v.group.id); }},
    GroupAttribute{"parent", [](const GroupView& v) { return text_or_none(v.group.parent); }},
    GroupAttribute{"owner", [](const GroupView& v) { return text_or_none(v.owner); }},
    GroupAttribute{"weight", [](const GroupView& v) { return std::to_string(v.group.weight); }},
    GroupAttribute{"min", [](const GroupView& v) { return std::to_string(v.group.floor); }},
    GroupAttribute{"max", [](const GroupView& v) { return std::to_string(v.group.ceiling); }},
    GroupAttribute{"members", members_text},
    GroupAttribute{"stat", [](const GroupView& v) { return group_stat_text(v.group); }},
};

template <typename Table>
auto find_in(const Table& table, std::string_view name) -> decltype(table.data()) {
    const auto found = std::ranges::find_if(table, [&](const auto& row) { return row.name == name; });
    return found == table.end() ? nullptr : &*found;
}

}  // namespace

std::span<const MountAttribute> mount_attributes() {
    return kMountAttributes;
}
std::span<const GroupAttribute> group_attributes() {
    return kGroupAttributes;
}
const MountAttribute* find_mount_attribute(std::string_view name) {
    return find_in(kMountAttributes, name);
}
const GroupAttribute* find_group_attribute(std::string_view name) {
    return find_in(kGroupAttributes, name);
}

}  // namespace bandfs
