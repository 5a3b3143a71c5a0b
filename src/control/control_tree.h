// control/control_tree.h - `.bandfs`: a small control file system in the manner of cgroupfs.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "control/attributes.h"
#include "control/event_log.h"
#include "control/messages.h"
#include "control/mount_info.h"
#include "fuse/control_port.h"
#include "fuse/filesystem.h"
#include "sys/clock.h"

namespace bandfs {

struct ControlPlace;

/// What the daemon wants to know and do when a mount is controlled.
struct ControlHooks {
    /// A message was applied (who changed what) or refused (and why), as one line; called with no lock of the
    /// scheduler.
    std::function<void(const std::string& line, bool applied)> logged;
    MessageHooks message;
};

/// The control directory of one mount. Thread-safe.
///
///   status table status.json metrics config log      reports, read-only
///   policy cost type io_throttle io_limit weight min max auto auto_max rules token held_max dirty
///   debug
///                                                     settings: reading gives the value, writing sends the message
///   attach detach owner reset                         messages without a value, write-only
///   groups/                                           mkdir attaches, rmdir detaches
///   groups/NAME/{id,name,parent,owner,weight,min,max,members,stat}      one group; "default" is the default group
///
/// Every file is also an xattr of its directory ("user.bandfs.weight" of "" or of "groups/1000"). NAME may be any name
/// that the mount's type knows; the group's own is that of group_directory_name().
///
/// Who may: root and the mount's owner set, everybody reads; the owner of a group sets the weights of its children in
/// their directories, which are open to everybody as far as the kernel is concerned. Errors of a change, in this order:
/// EPERM the caller may not; ENODATA (xattr), ENOENT (file) no such name; EROFS read-only; EINVAL, EEXIST, EBUSY as the
/// message answers. What is refused has changed nothing.
///
/// Invariant: changes of a mount are applied one at a time (changes_), so that the type by which an id was read is
/// still the mount's type when the message is applied.
class ControlTree : public ControlPort {
public:
    /// `filesystem` and `log` outlive the tree; its gate and groups are there.
    ControlTree(Filesystem& filesystem, MountInfo info, EventLog& log, ControlHooks hooks);

    /// Sends a message, as `setfattr -n user.bandfs.NAME -v ARGUMENT .bandfs` does: checks who may, applies, logs.
    MessageResult send(std::string_view name, std::string_view argument, const ControlCaller& who);

    const MountInfo& info() const { return info_; }

    /// While this is held no message is applied; owners() may be read and changed.
    std::unique_lock<std::mutex> hold_changes() { return std::unique_lock(changes_); }
    GroupOwners& owners() { return owners_; }

    Result<ControlNode> look(std::string_view path) override;
    Result<std::vector<ControlName>> list(std::string_view path) override;
    Result<std::string> read(std::string_view path) override;
    Status write(std::string_view path, std::string_view text, bool goes_on, const ControlCaller& who) override;
    Status make_directory(std::string_view path, const ControlCaller& who) override;
    Status remove_directory(std::string_view path, const ControlCaller& who) override;
    Result<std::vector<std::string>> list_xattrs(std::string_view path) override;
    Result<std::string> get_xattr(std::string_view path, std::string_view name) override;
    Status set_xattr(std::string_view path, std::string_view name, std::string_view value,
                     const ControlCaller& who) override;

private:
    Result<ControlPlace> find(std::string_view path);
    Result<ControlPlace> find_group(std::string_view name);
    std::optional<GroupSnapshot> group_snapshot(const std::optional<GroupId>& id);
    Result<std::string> value_of(const MountAttribute& attribute);
    Result<std::string> value_of(const GroupAttribute& attribute, const ControlPlace& place);
    ControlNode directory_node(std::string path, mode_t mode) const;
    ControlNode file_node(std::string path, bool readable, bool settable) const;
    bool may_change(const ControlCaller& who) const;
    std::optional<uid_t> owner_of(const std::optional<GroupId>& group);
    std::optional<uid_t> owner_of_parent(const ControlPlace& place);
    bool may_set(const ControlPlace& place, std::string_view attribute, const ControlCaller& who);
    MessageResult apply(std::string_view name, std::string_view argument, const ControlCaller& who);
    bool is_told(const ControlCaller& who);
    std::string rules_in_force() const;
    MessageResult forbidden(std::string_view name, const ControlCaller& who);
    MessageResult logged(std::string_view name, const ControlCaller& who, MessageResult result);
    Status send_to_group(const ControlPlace& place, std::string_view message, std::string_view value,
                         const ControlCaller& who);

    Filesystem& filesystem_;
    const MountInfo info_;
    EventLog& log_;
    ControlHooks hooks_;

    mutable std::mutex changes_;  ///< taken before the gate's lock
    unsigned debug_level_ = 0;    ///< guarded by changes_
    GroupOwners owners_;          ///< guarded by changes_
    std::set<uid_t> told_;        ///< who may not, and was logged of late; guarded by changes_, as the next
    TimeNs told_since_ = 0;

    static constexpr TimeNs kTellAgain = 60 * kSecond;
    static constexpr std::size_t kToldUsers = 10;
};

}  // namespace bandfs
