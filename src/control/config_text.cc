// control/config_text.cc
#include "control/config_text.h"

#include <array>
#include <charconv>
#include <cstdio>
#include <string_view>

namespace bandfs {
namespace {

/// The escape of a control character in a TOML string.
std::string escaped(unsigned char byte) {
    char text[8];
    std::snprintf(text, sizeof text, "\\u%04x", byte);
    return text;
}

/// A TOML string. What is not UTF-8 cannot stand in one and becomes '?'.
std::string quoted_text(std::string_view text) {
    std::string quoted = "\"";
    for (std::size_t i = 0; i < text.size();) {
        const auto byte = static_cast<unsigned char>(text[i]);
        const std::size_t length = byte < 0x80 ? 1 : byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc2 ? 2 : 0;
        bool whole = length != 0 && i + length <= text.size();
        for (std::size_t j = 1; whole && j < length; ++j)
            whole = (static_cast<unsigned char>(text[i + j]) & 0xc0) == 0x80;
        if (!whole || byte == 0x7f || byte < 0x20) {
            quoted += whole ? escaped(byte) : "?";
            ++i;
            continue;
        }
        if (byte == '"' || byte == '\\') quoted += '\\';
        quoted += text.substr(i, length);
        i += length;
    }
    return quoted + "\"";
}

std::string number_text(double value) {
    std::array<char, 32> text;
    return {text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr};
}

class Writer {
public:
    void head(const std::string& line) { text_ += "\n" + begin_ + line + "\n"; }
    void set(std::string_view key, std::string_view value) { line(key, quoted_text(value)); }
    void set_number(std::string_view key, std::uint64_t value) { line(key, std::to_string(value)); }
    void set_number(std::string_view key, double value) { line(key, number_text(value)); }
    /// From here on lines are comments, or not.
    void comment(bool on) { begin_ = on ? "# " : ""; }
    void prose(const std::string& line) { text_ += "# " + line + "\n"; }
    std::string take() { return std::move(text_); }

private:
    void line(std::string_view key, const std::string& value) {
        text_.append(begin_).append(key).append(" = ").append(value).append("\n");
    }

    std::string text_;
    std::string begin_;
};

/// How a group of that id is written; empty when the type would not know it.
std::string written_id(GroupType type, GroupId id) {
    const std::string name = describe_group_id(type, id);
    return parse_group_id(type, name) ? name : "";
}

void write_group(Writer& writer, GroupType type, const GroupSnapshot& group, const GroupOwners& owners) {
    const std::string id = written_id(type, group.id);
    writer.comment(id.empty());
    writer.head("[[mount.group]]");
    writer.set("id", id.empty() ? std::to_string(group.id) : id);
    writer.set_number("weight", std::uint64_t{group.weight});
    if (group.parent) writer.set("parent", written_id(type, *group.parent));
    if (const auto owner = owners.find(group.id); owner != owners.end())
        writer.set("owner", std::to_string(owner->second));
    if (group.floor != 0) writer.set_number("min", group.floor);
    if (group.ceiling != 0) writer.set_number("max", group.ceiling);
    writer.comment(false);
}

void write_rules(Writer& writer, const RuleList& rules) {
    for (const Rule& rule : rules.rules()) {
        writer.head("[[mount.rule]]");
        writer.set("group", rule.group);
        if (rule.uid) writer.set("uid", std::to_string(*rule.uid));
        if (rule.gid) writer.set("gid", std::to_string(*rule.gid));
        if (rule.cgroup) writer.set("cgroup", *rule.cgroup);
        if (rule.program) writer.set("program", *rule.program);
        if (rule.path) writer.set("path", *rule.path);
    }
}

}  // namespace

std::string config_text(const MountInfo& info, const MountSnapshot& snapshot, const MountOptions& options,
                        const GroupOwners& owners) {
    Writer writer;
    writer.prose("What is in force now.");
    writer.head("[device_group." + quoted_text(info.device_group) + "]");
    writer.set("policy", snapshot.policy);
    if (!snapshot.cost.empty()) writer.set("cost", snapshot.cost);
    writer.set_number("io_throttle", std::uint64_t{snapshot.io_throttle});
    writer.set_number("io_limit", std::uint64_t{snapshot.io_limit});
    writer.set_number("token", snapshot.token_base);
    if (snapshot.held_bytes_limit >= kMiB) writer.set_number("held_max", snapshot.held_bytes_limit / kMiB);
    writer.set_number("hold", static_cast<std::uint64_t>(snapshot.gate.longest_hold_ns / kSecond));

    writer.head("[[mount]]");
    writer.set("source", info.source);
    writer.set("mountpoint", info.mountpoint);
    writer.set("device_group", info.device_group);
    writer.set("type", name_of(snapshot.type));
    const GroupSnapshot& others = snapshot.groups.front();
    writer.set_number("weight", std::uint64_t{others.weight});
    if (others.floor != 0) writer.set_number("min", others.floor);
    if (others.ceiling != 0) writer.set_number("max", others.ceiling);
    if (snapshot.auto_weight != 0) writer.set_number("auto", std::uint64_t{snapshot.auto_weight});
    writer.set_number("auto_max", std::uint64_t{snapshot.auto_max});
    writer.set_number("unit_size", std::uint64_t{options.unit_size});
    if (snapshot.dirty_bound_set && snapshot.dirty_bound >= kMiB)
        writer.set_number("dirty", snapshot.dirty_bound / kMiB);
    writer.set_number("readahead", std::uint64_t{options.readahead_kib});
    writer.set_number("attr_timeout", options.attr_timeout_s);
    writer.set_number("entry_timeout", options.entry_timeout_s);
    writer.set("control", options.control_name.empty() ? "none" : options.control_name);
    if (!info.options.empty()) writer.set("options", info.options);
    if (snapshot.rules && snapshot.type == GroupType::rules) write_rules(writer, *snapshot.rules);
    for (const GroupSnapshot& group : snapshot.groups) {
        if (!group.is_default && !group.is_auto) write_group(writer, snapshot.type, group, owners);
    }
    return writer.take();
}

}  // namespace bandfs
