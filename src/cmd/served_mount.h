// cmd/served_mount.h - one mount in its server, from the offer to the last trace of it.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>

#include "cmd/mount_config.h"
#include "cmd/mount_request.h"
#include "cmd/outcome.h"
#include "control/control_tree.h"
#include "control/event_log.h"
#include "control/mount_info.h"
#include "fuse/filesystem.h"
#include "fuse/session.h"
#include "sys/clock.h"
#include "sys/unique_fd.h"

namespace bandfs {

/// One mount. The thread that prepares it also serves it and waits for its end; leave(), device() and filesystem() may
/// be called from others meanwhile.
///
///   prepared --serve()--> serving --unmounted, or leave()--> wait_until_gone() returns; then destroy
///
/// Who wakes whom: the session's receivers report ready and ended, leave() reports that the mount shall go; all three
/// end a wait on changed_. Whoever waits for an end that somebody else has to bring (the kernel, the disk) has a
/// deadline.
class ServedMount {
public:
    /// Opens SOURCE and attaches the groups. `source` is a descriptor of that directory; the mount may cover it later.
    static Outcome<std::unique_ptr<ServedMount>> prepare(const MountRequest& request, AskedMount asked, MountInfo info,
                                                         const UniqueFd& source, std::shared_ptr<Gate> gate,
                                                         Resolver& callers);
    ~ServedMount();

    /// Serves /dev/fuse and returns when the mount answers. `watch` is kept open until the end (auto_unmount).
    Outcome<Done> serve(UniqueFd device, UniqueFd watch, dev_t mounted, TimeNs deadline);

    /// Returns when the kernel has nothing more to ask: unmounted, or told to leave().
    void wait_until_gone();

    /// Lets everything held pass, waits for it and for what is in flight, unmounts. Returns at once.
    void leave();

    /// Takes the mount out of the name space without waiting for anything, for a server that leaves at once.
    void detach();

    dev_t device() const { return device_; }
    /// Whether the mount was in this process's mount table and is there no more: it ends, unless it is still in use.
    bool is_unmounted() const;
    const MountInfo& info() const { return info_; }
    Filesystem& filesystem() { return filesystem_; }
    ControlTree* control() { return control_.get(); }  ///< nullptr: it has none

    /// As it was asked for when it was mounted.
    const AskedMount& asked() const { return asked_; }
    /// What was last made of that and the configuration file. Guarded by the server.
    const MountRequest& request() const { return request_; }
    void set_request(MountRequest request) { request_ = std::move(request); }
    /// Puts a line into its log.
    void remember(const std::string& line) { events_.add(line); }
    /// Puts a line into its log and the server's, which may be a warning.
    void note(const std::string& line, bool warns = false);

private:
    ServedMount(const MountRequest& request, AskedMount asked, MountInfo info, std::shared_ptr<Gate> gate,
                Resolver& callers);

    void make_data_plane(const MountRequest& request);
    Outcome<Done> make_groups(const MountRequest& request);
    void expire_groups();
    void watch_floors();
    void follow_remount();
    void note_descriptors_gone();
    void finish_and_unmount();

    const AskedMount asked_;
    MountRequest request_;
    const MountInfo info_;
    const bool allow_root_, debug_;
    EventLog events_;
    Filesystem filesystem_;
    std::unique_ptr<ControlTree> control_;
    std::unique_ptr<Session> session_;
    UniqueFd watch_;
    std::atomic<dev_t> device_{0};           ///< st_dev, 0 before it is mounted
    std::atomic<bool> was_in_table_{false};  ///< not so when it was mounted in another mount namespace
    std::atomic<TimeNs> said_descriptors_gone_{-kSayAgain};
    bool floors_scaled_ = false;  ///< of the thread that waits, as the next
    std::optional<AccessTimes> shown_times_;

    static constexpr TimeNs kSayAgain = 60 * kSecond;

    std::mutex mutex_;
    std::condition_variable changed_;
    bool ready_ = false;  ///< guarded by mutex_, as the next two
    bool ended_ = false;
    bool leaving_ = false;
};

}  // namespace bandfs
