// sys/identity.h - doing a system call as somebody else would: with their ids, groups, umask and without CAP_FSETID.
//
// A daemon that runs as root makes files for its callers. The kernel decides owner, group, quota, set-group-id and
// default ACLs of a new file from the thread that makes it, so the thread takes on the caller's ids for that one call.
// Only what decides about the new file changes: the capabilities stay (SECBIT_NO_SETUID_FIXUP), permission was checked
// before.
#pragma once

#include <sys/types.h>

#include <vector>

#include "sys/result.h"

namespace bandfs {

/// For whom a call is made.
struct Identity {
    uid_t uid = 0;
    gid_t gid = 0;
    mode_t umask = 0;
    /// Whether `groups` and `keeps_setid` matter to this call: where set-group-id bits are given or may fall.
    bool decides_setid = false;
    bool keeps_setid = true;      ///< the caller has CAP_FSETID
    std::vector<gid_t> groups{};  ///< supplementary ones
};

/// While it lives, this thread makes files as `who`. An unprivileged process has nobody else's identity to take: there
/// only the umask changes. Does not nest. The thread gets a umask and file system context of its own the first time.
class ActingAs {
public:
    explicit ActingAs(const Identity& who);
    ~ActingAs();
    ActingAs(const ActingAs&) = delete;
    ActingAs& operator=(const ActingAs&) = delete;

private:
    const bool uid_changed_;
    const bool gid_changed_;
    const bool setid_changed_;
};

/// Keeps capabilities over changes of fsuid, for the calling thread and those it starts afterwards: to be called before
/// CAP_SETPCAP is dropped and the first thread is started. True when this process can take on identities (root's
/// powers).
bool prepare_identities();

/// For a thread that begins: one that was started by a thread that was acting as somebody would go on so.
void act_as_oneself();

/// Whether this thread, of any process, has a capability (CAP_...) that counts for the whole machine; false when it is
/// gone.
bool thread_has_capability(pid_t tid, int capability);
/// Whether it is sure that a thread that acts as this user on files has not this capability, in any user namespace: not
/// when it is gone or out of sight, or when something acts for it by other credentials (overlayfs by its mounter's).
bool thread_lacks_capability(pid_t tid, uid_t acts_as, int capability);

}  // namespace bandfs
