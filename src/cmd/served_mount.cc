#include "cmd/served_mount.h"

#include <sys/mount.h>

#include <chrono>
#include <cmath>

#include <spdlog/spdlog.h>

#include "cmd/log.h"
#include "cmd/mount_places.h"
#include "disk/disk_io.h"
#include "disk/disk_volume.h"
#include "fuse/backing_locks.h"
#include "fuse/data_job_caller.h"
#include "gate/data_plane.h"
#include "sys/clock.h"
#include "sys/daemon.h"
#include "sys/fuse_mount.h"
#include "sys/magic_links.h"
#include "sys/mount_table.h"
#include "sys/tuning.h"

namespace bandfs {
namespace {

constexpr TimeNs kDrainFor = 30 * kSecond;     // of one told to leave: then the disk is taken for dead
constexpr TimeNs kServeOnFor = 3 * kSecond;    // of that, callers may go on so long
constexpr TimeNs kDrainSlice = kSecond;        // between two looks of an unmounted one
constexpr std::chrono::seconds kLookEvery{5};  // for groups and descriptors nobody uses, floors too high, and remounts
constexpr double kGiven = 0.99;                // part of a floor
constexpr TimeNs kDetachedFor = 2 * kSecond;   // for callers that still have files open, after a detach

std::chrono::nanoseconds until(TimeNs deadline) {
    return std::chrono::nanoseconds(std::max<TimeNs>(deadline - now_ns(), 0));
}

}  // namespace

ServedMount::ServedMount(const MountRequest& request, AskedMount asked, MountInfo info, std::shared_ptr<Gate> gate,
                         Resolver& callers)
    : asked_(std::move(asked)),
      request_(request),
      info_(std::move(info)),
      allow_root_(request.allow_root),
      debug_(request.debug) {
    filesystem_.options = request.mount;
    filesystem_.options.max_read = request.max_read.value_or(0);
    if (request.mount.backing_locks) filesystem_.locks = std::make_shared<BackingLocks>();
    filesystem_.gate = std::move(gate);
    filesystem_.type = request.type;
    filesystem_.callers = &callers;
}

Outcome<std::unique_ptr<ServedMount>> ServedMount::prepare(const MountRequest& request, AskedMount asked,
                                                           MountInfo info, const UniqueFd& source,
                                                           std::shared_ptr<Gate> gate, Resolver& callers) {
    const WriteBackKind kind = volume_of(source.get()).kind;
    info.write_back = name_of(kind);
    std::unique_ptr<ServedMount> mount(
        new ServedMount(request, std::move(asked), std::move(info), std::move(gate), callers));
    // A file system of another kind may keep a thread waiting for a network, which that of a ring must not.
    mount->filesystem_.options.rings &= !request.max_threads && kind != WriteBackKind::synchronous;
    // Elsewhere times come from another clock, and tell nothing about who has changed a file; and who wants to know at
    // each read has the kernel ask.
    MountOptions& options = mount->filesystem_.options;
    if (options.kept_pages == KeptPages::unchanged && options.attr_timeout_s > 0 && kind != WriteBackKind::synchronous)
        options.kept_pages = KeptPages::unchanged_by_others;
    auto tree = Tree::open({.source = "/proc/self/fd/" + std::to_string(source.get())});
    if (!tree) return system_failure(ExitCode::source, mount->info_.source, tree.error());
    mount->filesystem_.tree = std::move(*tree);
    mount->filesystem_.tree->set_access_times({.noatime = (request.kernel_flags & MS_NOATIME) != 0,
                                               .nodiratime = (request.kernel_flags & MS_NODIRATIME) != 0,
                                               .relatime = (request.kernel_flags & MS_RELATIME) != 0});
    if (auto path = path_of_descriptor(source.get())) mount->filesystem_.source_path = std::move(*path);
    mount->make_data_plane(request);
    if (!request.mount.control_name.empty()) {
        ControlHooks hooks;
        hooks.logged = [where = mount->info_.mountpoint](const std::string& line, bool applied) {
            spdlog::log(applied ? spdlog::level::info : spdlog::level::warn, "{}: {}", where, line);
        };
        hooks.message.set_debug = set_log_level;
        mount->control_ =
            std::make_unique<ControlTree>(mount->filesystem_, mount->info_, mount->events_, std::move(hooks));
        mount->filesystem_.control = mount->control_.get();
    }
    if (auto attached = mount->make_groups(request); !attached) return attached.failure();
    const std::string hidden = what_is_hidden(source.get(), mount->info_.source, request.mount.control_name);
    if (!hidden.empty()) mount->note(hidden, true);
    return mount;
}

void ServedMount::make_data_plane(const MountRequest& request) {
    filesystem_.gate->with([&](DeviceGroup& device_group) {
        filesystem_.groups = std::make_unique<MountGroups>(device_group, request.weight.value_or(kDefaultWeight));
    });
    DataPlaneSettings settings{.unit_size = request.mount.unit_size};
    if (request.dirty_mib) settings.dirty_bytes = std::uint64_t{*request.dirty_mib} << 20;
    filesystem_.data = std::make_unique<DataPlane>(*filesystem_.gate, *filesystem_.groups, DiskIo::system(), settings);
    filesystem_.automatic.set_in_debt(
        [this](GroupId id) { return filesystem_.data->dirty_bytes(DirtyOwner(id)) != 0; });
    filesystem_.tree->set_relief([this] {
        if (filesystem_.data->relieve()) return true;
        note_descriptors_gone();
        return false;
    });
}

Outcome<Done> ServedMount::make_groups(const MountRequest& request) {
    const WantedGroups nothing{.type = request.type};
    MountChange change{.name = info_.mountpoint,
                       .filesystem = &filesystem_,
                       .owners = control_ ? &control_->owners() : nullptr,
                       .before = &nothing,
                       .after = &request.wanted};
    std::vector<std::string> of_device;
    const std::string refusal = reconfigure(*filesystem_.gate, {}, {&change, 1}, true, of_device);
    if (!refusal.empty()) return Failure{ExitCode::usage, refusal};
    return Done{};
}

void ServedMount::note_descriptors_gone() {
    const TimeNs now = now_ns();
    TimeNs said = said_descriptors_gone_;
    if (now - said < kSayAgain || !said_descriptors_gone_.compare_exchange_strong(said, now)) return;
    note("no more files can be opened: the server may have " + std::to_string(descriptor_limit()) +
             " descriptors (RLIMIT_NOFILE)",
         true);
}

void ServedMount::note(const std::string& line, bool warns) {
    remember(line);
    spdlog::log(warns ? spdlog::level::warn : spdlog::level::info, "{}: {}", info_.mountpoint, line);
}

ServedMount::~ServedMount() {
    session_.reset();
    filesystem_.handles.close_all();
    // Nothing can come any more: what is left has to end before its groups can go, however long the disk takes. Who
    // does not want to wait for it sends the second SIGTERM.
    if (filesystem_.data != nullptr) {
        while (!filesystem_.data->drain(now_ns() + kDrainSlice)) {
        }
        filesystem_.data.reset();
    }
    if (filesystem_.groups == nullptr) return;
    filesystem_.gate->with([&](DeviceGroup&) { filesystem_.groups.reset(); });
}

Outcome<Done> ServedMount::serve(UniqueFd device, UniqueFd watch, dev_t mounted, TimeNs deadline) {
    watch_ = std::move(watch);
    SessionSettings settings;
    if (allow_root_) settings.libfuse_options.push_back("allow_root");
    if (debug_) settings.libfuse_options.push_back("debug");
    if (request_.max_read) settings.libfuse_options.push_back("max_read=" + std::to_string(*request_.max_read));
    settings.most_receivers = request_.max_threads.value_or(0);
    settings.rings = filesystem_.options.rings;
    settings.idle_receivers = request_.max_idle_threads.value_or(0);
    auto session = Session::create(filesystem_, std::move(device), settings);
    if (!session) return system_failure(ExitCode::mount, info_.mountpoint, session.error());
    session_ = std::move(*session);
    device_ = mounted;
    filesystem_.tree->refuse_device(mounted);

    const auto report = [this](bool& what) {
        std::lock_guard lock(mutex_);
        what = true;
        changed_.notify_all();
    };
    if (const Status started = session_->start([=, this] { report(ready_); }, [=, this] { report(ended_); });
        !started) {
        return system_failure(ExitCode::system, info_.mountpoint, started.error());
    }
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, until(deadline), [this] { return ready_ || ended_ || leaving_; });
    // Once it has answered it is served, also when it was unmounted or told to leave in the same moment.
    if (!ready_) {
        if (leaving_) return Failure{ExitCode::server, "the server is leaving"};
        if (ended_) return Failure{ExitCode::mount, "the kernel ended the mount before it answered"};
        return Failure{ExitCode::server, "the kernel did not start the mount in time"};
    }
    lock.unlock();
    was_in_table_ = !fuse_mount_point(mounted).empty();
    follow_remount();
    if (const Status set = set_readahead(mounted, filesystem_.options.readahead_kib); !set) {
        spdlog::info("{}: readahead stays as the kernel has it: {}", info_.mountpoint, words_of(set.error()));
    }
    return Done{};
}

bool ServedMount::is_unmounted() const {
    return was_in_table_ && fuse_mount_point(device_).empty();
}

void ServedMount::wait_until_gone() {
    std::unique_lock lock(mutex_);
    while (!changed_.wait_for(lock, kLookEvery, [this] { return ended_ || leaving_; })) {
        lock.unlock();
        expire_groups();
        watch_floors();
        follow_remount();
        if (!lineage_needs_file(filesystem_)) filesystem_.tree->drop_unused_descriptors();
        lock.lock();
    }
    const bool unmounted = ended_;
    lock.unlock();
    if (unmounted) return;
    finish_and_unmount();
}

/// Groups that came into being by themselves leave when nobody uses them; those of processes when these are gone.
void ServedMount::expire_groups() {
    AutoGroups& automatic = filesystem_.automatic;
    if (!automatic.in_use()) return;
    const GroupType type = filesystem_.type.load();
    const bool of_processes = type == GroupType::pid || type == GroupType::pgrp;
    automatic.expire(*filesystem_.gate, *filesystem_.groups, now_ns(),
                     [&](GroupId id) { return !of_processes || filesystem_.callers->is_gone(type, id); });
}

/// Floors that come to more than the disk does are scaled down: who relies on his has to know.
void ServedMount::watch_floors() {
    double floors = 0, scale = 1;
    filesystem_.gate->with([&](DeviceGroup& device_group) {
        device_group.policy_figures([&](std::string_view name, double value) {
            if (name == "floors") floors = value;
            if (name == "floor_scale") scale = value;
        });
    });
    const bool scaled = scale < kGiven;
    if (std::exchange(floors_scaled_, scaled) == scaled) return;
    const std::string event = scaled ? "the floors (min) of all groups, " + std::to_string(std::llround(floors)) +
                                           " bytes/s, are more than the disk does: each gets " +
                                           std::to_string(std::llround(100 * scale)) + " % of its own"
                                     : "the floors (min) of all groups are given in full";
    note(event, true);
}

/// What is read below goes by flags that a remount may have changed. What was asked for when it was mounted is not
/// always in the table (an ordinary user's nodiratime), and relatime also where nobody asked for it: a change tells.
void ServedMount::follow_remount() {
    const auto mount = fuse_mount(device_);
    if (!mount) return;
    const AccessTimes shown{.noatime = has_mount_option(mount->options, "noatime"),
                            .nodiratime = has_mount_option(mount->options, "nodiratime"),
                            .relatime = has_mount_option(mount->options, "relatime")};
    if (shown_times_ && *shown_times_ != shown) filesystem_.tree->set_access_times(shown);
    shown_times_ = shown;
}

void ServedMount::finish_and_unmount() {
    // A large read or write comes in pieces, so more is taken at first: mostly there is a moment without any.
    const TimeNs now = now_ns();
    filesystem_.leaving = !filesystem_.data->drain(now + kServeOnFor);
    if (filesystem_.leaving && !filesystem_.data->drain(now + kDrainFor)) {
        spdlog::warn("{}: requests are still in flight after {} s", info_.mountpoint, kDrainFor / kSecond);
    }
    detach();
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, until(now_ns() + kDetachedFor), [this] { return ended_; });
    lock.unlock();
    session_->stop();
}

void ServedMount::leave() {
    std::lock_guard lock(mutex_);
    leaving_ = true;
    changed_.notify_all();
}

void ServedMount::detach() {
    const std::string where = device_ == 0 ? "" : fuse_mount_point(device_);
    if (where.empty()) return;
    if (const Status detached = unmount_fuse(where); !detached) {
        spdlog::warn("{}: cannot be unmounted: {}", where, words_of(detached.error()));
    }
}

}  // namespace bandfs
