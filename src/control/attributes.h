// control/attributes.h - what can be seen and set of a mount and of a group: one table each. A row is a file of the
// control directory and the xattr of the same name, so that the two cannot differ.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "control/event_log.h"
#include "control/messages.h"
#include "control/mount_info.h"
#include "control/snapshot.h"

namespace bandfs {

/// What a mount's attributes are read from.
struct MountView {
    const MountInfo& info;
    const MountSnapshot& snapshot;
    const EventLog& log;
    unsigned debug_level;
    const MountOptions& options;
    const GroupOwners& owners;
};

/// An attribute is set by the message of its name, when there is one. `read` is nullptr of a message that leaves no
/// value behind (attach, detach, reset).
struct MountAttribute {
    std::string_view name;
    std::string (*read)(const MountView& view);

    bool settable() const { return find_message(name) != nullptr; }
};

/// What a group's attributes are read from.
struct GroupView {
    GroupType type;
    const GroupSnapshot& group;
    std::optional<uid_t> owner;
    const RuleList* rules;  ///< nullptr: there are none
};

/// The same of one group; the message that sets it takes [ID:] and a value, and is given the id.
struct GroupAttribute {
    std::string_view name;
    std::string (*read)(const GroupView& view);

    bool settable() const { return find_message(name) != nullptr; }
};

/// A value of one line ends without a newline; files add it, xattrs do not.
std::span<const MountAttribute> mount_attributes();
std::span<const GroupAttribute> group_attributes();

const MountAttribute* find_mount_attribute(std::string_view name);
const GroupAttribute* find_group_attribute(std::string_view name);

}  // namespace bandfs
