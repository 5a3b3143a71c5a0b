// control/messages.h - the messages that change a mount: one table, from which files, xattrs, help and manuals follow.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "bandfs/group.h"
#include "control/message_grammar.h"
#include "fuse/filesystem.h"

namespace bandfs {

/// What became of a message.
struct MessageResult {
    int code = 0;        ///< 0, or the errno of a message that was refused and changed nothing
    std::string detail;  ///< what changed ("100 -> 30"), or the reason of the refusal

    bool ok() const { return code == 0; }
};

/// What messages change beside the scheduler.
struct MessageHooks {
    std::function<void(unsigned level)> set_debug;  ///< 0 as configured, 1 debug, 2 trace
};

/// The users to whom groups were given: they set the weights of these groups' children.
using GroupOwners = std::map<GroupId, uid_t>;

/// Where a message is applied.
struct MessageContext {
    Filesystem& filesystem;
    MessageHooks& hooks;
    unsigned& debug_level;
    GroupOwners& owners;
};

/// Who may send a message, beside root and the owner of the mount.
enum class Sender {
    mount_owner,    ///< nobody
    parents_owner,  ///< the owner of the parent of the group that it changes
};

struct ControlMessage {
    std::string_view name;
    ArgumentForm form;
    std::string_view argument;  ///< as a manual writes it: "[ID:]N"
    std::string_view help;      ///< one sentence
    Sender sender;
    MessageResult (*apply)(MessageContext& context, const Argument& argument);
};

/// Every message there is.
std::span<const ControlMessage> messages();
const ControlMessage* find_message(std::string_view name);

/// Parses and applies. Calls for one mount must not overlap. `detail` of a refusal names message, argument and reason.
MessageResult send_message(MessageContext& context, std::string_view name, std::string_view argument);

}  // namespace bandfs
