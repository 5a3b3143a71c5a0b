// control/control_tree.cc
#include "control/control_tree.h"

#include <sys/stat.h>

#include <cerrno>
#include <utility>

namespace bandfs {
namespace {

constexpr std::string_view kXattrPrefix = "user.bandfs.";
constexpr std::string_view kGroups = "groups";

// The sticky bit makes the kernel answer EPERM, not EACCES, when somebody else sets a user.* xattr of a directory.
constexpr mode_t kAttributedDirectory = 01755;
constexpr mode_t kPlainDirectory = 0755;
// Of a group whose parent has an owner: who may is for us to say.
constexpr mode_t kDelegatedDirectory = 0777;

/// The name after the prefix; empty when the xattr is none of ours.
std::string_view attribute_name(std::string_view xattr) {
    return xattr.starts_with(kXattrPrefix) ? xattr.substr(kXattrPrefix.size()) : std::string_view();
}

std::string as_file(std::string value) {
    if (!value.empty() && value.back() != '\n') value += '\n';
    return value;
}

Status status_of(const MessageResult& result) {
    if (result.ok()) return {};
    return Errno{result.code};
}

}  // namespace

/// A path, resolved.
struct ControlPlace {
    enum class Kind { root, root_file, groups, group, group_file };

    Kind kind = Kind::root;
    const MountAttribute* mount_attribute = nullptr;  ///< of root_file
    const GroupAttribute* group_attribute = nullptr;  ///< of group_file
    std::optional<GroupId> group;                     ///< of group and group_file; nullopt: the default group

    bool is_directory() const { return kind == Kind::root || kind == Kind::groups || kind == Kind::group; }
};

ControlTree::ControlTree(Filesystem& filesystem, MountInfo info, EventLog& log, ControlHooks hooks)
    : filesystem_(filesystem), info_(std::move(info)), log_(log), hooks_(std::move(hooks)) {}

// ---- paths

Result<ControlPlace> ControlTree::find(std::string_view path) {
    ControlPlace place;
    if (path.empty()) return place;
    const std::size_t slash = path.find('/');
    const std::string_view first = path.substr(0, slash);
    if (first != kGroups) {
        place.mount_attribute = find_mount_attribute(first);
        if (!place.mount_attribute) return Errno{ENOENT};
        if (slash != std::string_view::npos) return Errno{ENOTDIR};
        place.kind = ControlPlace::Kind::root_file;
        return place;
    }
    if (slash == std::string_view::npos) {
        place.kind = ControlPlace::Kind::groups;
        return place;
    }
    const std::string_view below = path.substr(slash + 1);
    const std::size_t second_slash = below.find('/');
    Result<ControlPlace> group = find_group(below.substr(0, second_slash));
    if (!group || second_slash == std::string_view::npos) return group;
    const std::string_view file = below.substr(second_slash + 1);
    group->group_attribute = find_group_attribute(file.substr(0, file.find('/')));
    if (!group->group_attribute) return Errno{ENOENT};
    if (file.find('/') != std::string_view::npos) return Errno{ENOTDIR};
    group->kind = ControlPlace::Kind::group_file;
    return group;
}

Result<ControlPlace> ControlTree::find_group(std::string_view name) {
    ControlPlace place;
    place.kind = ControlPlace::Kind::group;
    if (name == "default") return place;
    const ParsedArgument parsed = parse_argument(ArgumentForm::id, filesystem_.type.load(), name);
    if (!parsed.ok()) return Errno{ENOENT};
    place.group = parsed.argument.group;
    const bool attached =
        filesystem_.gate->with([&](DeviceGroup&) { return filesystem_.groups->find(*place.group) != nullptr; });
    if (!attached) return Errno{ENOENT};
    return place;
}

std::optional<GroupSnapshot> ControlTree::group_snapshot(const std::optional<GroupId>& id) {
    return filesystem_.gate->with([&](DeviceGroup&) -> std::optional<GroupSnapshot> {
        const Group* const group = id ? filesystem_.groups->find(*id) : &filesystem_.groups->default_group();
        if (!group) return std::nullopt;
        return snapshot_of(*group);
    });
}

// ---- looking

ControlNode ControlTree::directory_node(std::string path, mode_t mode) const {
    return {std::move(path), true, mode, info_.owner, info_.owner_group};
}

ControlNode ControlTree::file_node(std::string path, bool readable, bool settable) const {
    const mode_t mode = (readable ? 0444 : 0) | (settable ? 0200 : 0);
    return {std::move(path), false, mode, info_.owner, info_.owner_group};
}

Result<ControlNode> ControlTree::look(std::string_view path) {
    const Result<ControlPlace> place = find(path);
    if (!place) return place.error();
    switch (place->kind) {
        case ControlPlace::Kind::root:
            return directory_node("", kAttributedDirectory);
        case ControlPlace::Kind::groups:
            return directory_node(std::string(kGroups), kPlainDirectory);
        case ControlPlace::Kind::root_file: {
            const MountAttribute& attribute = *place->mount_attribute;
            return file_node(std::string(attribute.name), attribute.read != nullptr, attribute.settable());
        }
        case ControlPlace::Kind::group:
        case ControlPlace::Kind::group_file:
            break;
    }
    std::string own_path = std::string(kGroups) + "/" + group_directory_name(filesystem_.type.load(), place->group);
    const bool delegated = owner_of_parent(*place).has_value();
    if (place->kind == ControlPlace::Kind::group) {
        return directory_node(std::move(own_path), delegated ? kDelegatedDirectory : kAttributedDirectory);
    }
    const GroupAttribute& attribute = *place->group_attribute;
    ControlNode node = file_node(own_path.append("/").append(attribute.name), true, attribute.settable());
    if (delegated && attribute.settable()) node.mode |= 0022;
    return node;
}

Result<std::vector<ControlName>> ControlTree::list(std::string_view path) {
    const Result<ControlPlace> place = find(path);
    if (!place) return place.error();
    std::vector<ControlName> names;
    switch (place->kind) {
        case ControlPlace::Kind::root:
            for (const MountAttribute& row : mount_attributes()) names.push_back({std::string(row.name), false});
            names.push_back({std::string(kGroups), true});
            return names;
        case ControlPlace::Kind::groups: {
            const MountSnapshot snapshot = take_snapshot(filesystem_);
            for (const GroupSnapshot& group : snapshot.groups) {
                const auto id = group.is_default ? std::nullopt : std::optional<GroupId>(group.id);
                names.push_back({group_directory_name(snapshot.type, id), true});
            }
            return names;
        }
        case ControlPlace::Kind::group:
            for (const GroupAttribute& row : group_attributes()) names.push_back({std::string(row.name), false});
            return names;
        case ControlPlace::Kind::root_file:
        case ControlPlace::Kind::group_file:
            break;
    }
    return Errno{ENOTDIR};
}

// ---- reading

Result<std::string> ControlTree::value_of(const MountAttribute& attribute) {
    if (!attribute.read) return Errno{ENODATA};
    const MountSnapshot snapshot = take_snapshot(filesystem_);
    unsigned debug_level = 0;
    GroupOwners owners;
    {
        const std::lock_guard lock(changes_);
        debug_level = debug_level_;
        owners = owners_;
    }
    return attribute.read({info_, snapshot, log_, debug_level, filesystem_.options, owners});
}

Result<std::string> ControlTree::value_of(const GroupAttribute& attribute, const ControlPlace& place) {
    const std::optional<GroupSnapshot> snapshot = group_snapshot(place.group);
    if (!snapshot) return Errno{ENOENT};
    const std::shared_ptr<const RuleList> rules = filesystem_.rules.get();
    return attribute.read({filesystem_.type.load(), *snapshot, owner_of(place.group), rules.get()});
}

Result<std::string> ControlTree::read(std::string_view path) {
    const Result<ControlPlace> place = find(path);
    if (!place) return place.error();
    if (place->is_directory()) return Errno{EISDIR};
    if (place->kind == ControlPlace::Kind::root_file && !place->mount_attribute->read) return Errno{EACCES};
    Result<std::string> value = place->kind == ControlPlace::Kind::root_file
                                    ? value_of(*place->mount_attribute)
                                    : value_of(*place->group_attribute, *place);
    if (!value) return value;
    return as_file(std::move(*value));
}

Result<std::vector<std::string>> ControlTree::list_xattrs(std::string_view path) {
    const Result<ControlPlace> place = find(path);
    if (!place) return place.error();
    std::vector<std::string> names;
    const auto add = [&](const auto& row) {
        if (row.read && row.settable()) names.push_back(std::string(kXattrPrefix).append(row.name));
    };
    if (place->kind == ControlPlace::Kind::root) {
        const bool has_cost = filesystem_.gate->with(
            [](DeviceGroup& device_group) { return !device_group.policy_parameter("cost").empty(); });
        for (const MountAttribute& row : mount_attributes()) {
            if (row.name != "cost" || has_cost) add(row);  // without a value it could not be restored
        }
    } else if (place->kind == ControlPlace::Kind::group) {
        for (const GroupAttribute& row : group_attributes()) add(row);
    }
    return names;
}

Result<std::string> ControlTree::get_xattr(std::string_view path, std::string_view name) {
    const Result<ControlPlace> place = find(path);
    if (!place) return place.error();
    if (place->kind == ControlPlace::Kind::root) {
        const MountAttribute* const attribute = find_mount_attribute(attribute_name(name));
        return attribute ? value_of(*attribute) : Errno{ENODATA};
    }
    if (place->kind == ControlPlace::Kind::group) {
        const GroupAttribute* const attribute = find_group_attribute(attribute_name(name));
        return attribute ? value_of(*attribute, *place) : Errno{ENODATA};
    }
    return Errno{ENODATA};
}

// ---- changing

bool ControlTree::may_change(const ControlCaller& who) const {
    return who.uid == 0 || who.uid == info_.owner;
}

std::optional<uid_t> ControlTree::owner_of(const std::optional<GroupId>& group) {
    const std::lock_guard lock(changes_);
    const auto found = group ? owners_.find(*group) : owners_.end();
    return found == owners_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<uid_t> ControlTree::owner_of_parent(const ControlPlace& place) {
    const std::optional<GroupId> parent = filesystem_.gate->with([&](DeviceGroup&) -> std::optional<GroupId> {
        const Group* const group = place.group ? filesystem_.groups->find(*place.group) : nullptr;
        if (!group || !group->parent()) return std::nullopt;
        return group->parent()->id();
    });
    return owner_of(parent);
}

std::string ControlTree::rules_in_force() const {
    const auto rules = filesystem_.rules.get();
    return rules ? rules_text(*rules) : "";
}

bool ControlTree::may_set(const ControlPlace& place, std::string_view attribute, const ControlCaller& who) {
    if (may_change(who)) return true;
    const ControlMessage* const message = find_message(attribute);
    return message && message->sender == Sender::parents_owner && owner_of_parent(place) == who.uid;
}

/// Whether a refusal is said. Whoever tries again and again must not fill the logs, nor push out what they have.
bool ControlTree::is_told(const ControlCaller& who) {
    if (may_change(who)) return true;
    const TimeNs now = now_ns();
    const std::lock_guard lock(changes_);
    if (now - told_since_ >= kTellAgain) {
        told_.clear();
        told_since_ = now;
    }
    return told_.size() < kToldUsers && told_.insert(who.uid).second;
}

MessageResult ControlTree::logged(std::string_view name, const ControlCaller& who, MessageResult result) {
    if (!result.ok() && !is_told(who)) return result;
    const std::string line =
        EventLog::one_line(std::string(name) + " by uid " + std::to_string(who.uid) + ", thread " +
                           std::to_string(who.tid) + (result.ok() ? ": " : ", refused: ") + result.detail);
    log_.add(line);
    if (hooks_.logged) hooks_.logged(line, result.ok());
    return result;
}

MessageResult ControlTree::apply(std::string_view name, std::string_view argument, const ControlCaller& who) {
    std::unique_lock lock(changes_);
    MessageContext context{filesystem_, hooks_.message, debug_level_, owners_};
    MessageResult result = send_message(context, name, argument);
    lock.unlock();
    return logged(name, who, std::move(result));
}

MessageResult ControlTree::forbidden(std::string_view name, const ControlCaller& who) {
    return logged(find_message(name) != nullptr ? name : "unknown message", who,
                  {EPERM, "only root and the owner of the mount may send messages"});
}

MessageResult ControlTree::send(std::string_view name, std::string_view argument, const ControlCaller& who) {
    if (may_change(who)) return apply(name, argument, who);
    return forbidden(name, who);
}

Status ControlTree::send_to_group(const ControlPlace& place, std::string_view message, std::string_view value,
                                  const ControlCaller& who) {
    const std::string id = place.group ? std::to_string(*place.group) : "default";
    return status_of(apply(message, id + ":" + std::string(value), who));
}

Status ControlTree::write(std::string_view path, std::string_view text, bool goes_on, const ControlCaller& who) {
    const Result<ControlPlace> place = find(path);
    if (!place) return place.error();
    if (place->is_directory()) return Errno{EISDIR};
    const bool of_mount = place->kind == ControlPlace::Kind::root_file;
    const std::string_view name = of_mount ? place->mount_attribute->name : place->group_attribute->name;
    if (!may_set(*place, name, who)) return status_of(forbidden(name, who));
    if (of_mount) {
        const MountAttribute& attribute = *place->mount_attribute;
        if (!attribute.settable()) return Errno{EROFS};
        // Programs write their lines one by one.
        if (goes_on && attribute.name == "rules")
            return status_of(send("rules", rules_in_force() + std::string(text), who));
        return status_of(send(attribute.name, text, who));
    }
    if (!place->group_attribute->settable()) return Errno{EROFS};
    return send_to_group(*place, place->group_attribute->name, text, who);
}

Status ControlTree::set_xattr(std::string_view path, std::string_view name, std::string_view value,
                              const ControlCaller& who) {
    const Result<ControlPlace> place = find(path);
    if (!place) return place.error();
    const std::string_view attribute = attribute_name(name);
    if (!may_set(*place, attribute, who)) return status_of(forbidden(attribute, who));
    if (place->kind == ControlPlace::Kind::root) {
        if (attribute.empty()) return Errno{ENODATA};
        const MountAttribute* const row = find_mount_attribute(attribute);
        if (row != nullptr && !row->settable()) return Errno{EROFS};
        return status_of(send(attribute, value, who));  // as the message of that name: EINVAL when there is none
    }
    if (place->kind == ControlPlace::Kind::group) {
        const GroupAttribute* const row = find_group_attribute(attribute);
        if (row == nullptr) return Errno{ENODATA};
        if (!row->settable()) return Errno{EROFS};
        return send_to_group(*place, attribute, value, who);
    }
    return Errno{ENODATA};
}

Status ControlTree::make_directory(std::string_view path, const ControlCaller& who) {
    if (!may_change(who)) return status_of(forbidden("attach", who));
    if (find(path)) return Errno{EEXIST};
    const std::size_t slash = path.find('/');
    if (path.substr(0, slash) != kGroups || path.find('/', slash + 1) != std::string_view::npos) return Errno{EPERM};
    return status_of(send("attach", path.substr(slash + 1), who));
}

Status ControlTree::remove_directory(std::string_view path, const ControlCaller& who) {
    const Result<ControlPlace> place = find(path);
    if (!place) return place.error();
    if (!place->is_directory()) return Errno{ENOTDIR};
    if (!may_change(who)) return status_of(forbidden("detach", who));
    if (place->kind != ControlPlace::Kind::group || !place->group) return Errno{EPERM};
    return status_of(send("detach", std::to_string(*place->group), who));
}

}  // namespace bandfs
