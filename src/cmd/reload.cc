// cmd/reload.cc
#include "cmd/reload.h"

#include <mutex>
#include <utility>

#include <spdlog/spdlog.h>

#include "control/reconfigure.h"

namespace bandfs {
namespace {

/// Settings of the device group: what each mount states, which must not differ.
class Statements {
public:
    void add(const std::string& mount, const DeviceRequest& device) {
        add(mount, "policy", wanted_.policy, device.policy);
        add(mount, "cost", wanted_.cost, device.cost);
        add(mount, "io_throttle", wanted_.io_throttle, device.io_throttle);
        add(mount, "io_limit", wanted_.io_limit, device.io_limit);
        add(mount, "token", wanted_.token, device.token);
        add(mount, "held_max", wanted_.held_max_mib, device.held_max_mib);
        add(mount, "hold", wanted_.hold_s, device.hold_s);
    }

    /// What somebody stated before and nobody does now goes back to its default.
    void forget(const DeviceRequest& before) {
        const DeviceGroupSettings defaults;
        // A high mark that was raised with the low one goes with it.
        const bool raised = before.io_throttle && !wanted_.io_throttle;
        if (raised && !wanted_.io_limit) wanted_.io_limit = defaults.io_limit;
        forget(wanted_.policy, before.policy, std::string("default"));
        forget(wanted_.io_throttle, before.io_throttle, defaults.io_throttle);
        forget(wanted_.io_limit, before.io_limit, defaults.io_limit);
        forget(wanted_.token, before.token, defaults.token_base);
        forget(wanted_.held_max_mib, before.held_max_mib, defaults.held_bytes_limit / kMiB);
        forget(wanted_.hold_s, before.hold_s, kDefaultHold);
    }

    const DeviceRequest& wanted() const { return wanted_; }
    const std::string& conflict() const { return conflict_; }

private:
    template <typename Value>
    void add(const std::string& mount, const char* name, std::optional<Value>& wanted,
             const std::optional<Value>& stated) {
        if (!stated) return;
        if (wanted && *wanted != *stated) {
            conflict_ = mount + ": its " + name + " differs from that of another mount of the device group";
        }
        wanted = stated;
    }

    template <typename Value>
    static void forget(std::optional<Value>& wanted, const std::optional<Value>& before, Value otherwise) {
        if (before && !wanted) wanted = std::move(otherwise);
    }

    DeviceRequest wanted_;
    std::string conflict_;
};

bool same_further(const MountOptions& before, const MountOptions& after) {
    return before.negative_timeout_s == after.negative_timeout_s && before.kept_pages == after.kept_pages &&
           before.direct_io == after.direct_io && before.shown == after.shown &&
           before.backing_locks == after.backing_locks && before.rings == after.rings;
}

/// What cannot change while the mount lives, and would.
std::string fixed_settings(const MountRequest& before, const MountRequest& after) {
    std::string names;
    const auto compare = [&](const char* name, bool same) {
        if (!same) names += (names.empty() ? "" : ", ") + std::string(name);
    };
    compare("unit_size", before.mount.unit_size == after.mount.unit_size);
    compare("dirty", before.dirty_mib == after.dirty_mib);
    compare("readahead", before.mount.readahead_kib == after.mount.readahead_kib);
    compare("attr_timeout", before.mount.attr_timeout_s == after.mount.attr_timeout_s);
    compare("entry_timeout", before.mount.entry_timeout_s == after.mount.entry_timeout_s);
    compare("control", before.mount.control_name == after.mount.control_name);
    compare("options", before.kernel_flags == after.kernel_flags && before.allow_other == after.allow_other &&
                           before.allow_root == after.allow_root && before.auto_unmount == after.auto_unmount &&
                           before.max_read == after.max_read && before.max_threads == after.max_threads &&
                           before.max_idle_threads == after.max_idle_threads && before.fsname == after.fsname &&
                           before.subtype == after.subtype && same_further(before.mount, after.mount));
    return names;
}

/// A group setting that was stated before and is not now goes back to its default.
WantedGroups with_defaults(WantedGroups after, const WantedGroups& before) {
    if (before.weight && !after.weight) after.weight = kDefaultWeight;
    if (before.min && !after.min) after.min = 0;
    if (before.max && !after.max) after.max = 0;
    if (before.auto_weight && !after.auto_weight) after.auto_weight = 0;
    if (before.auto_max && !after.auto_max) after.auto_max = AutoGroups::kMost;
    if (before.rules && !after.rules) after.rules = std::make_shared<const RuleList>();
    return after;
}

}  // namespace

Outcome<ReloadedMount> read_again(ServedMount* mount, const AskedMount& asked, const std::string& device_group) {
    const auto config = MountConfig::read(asked, true);
    if (!config) return config.failure();
    auto request = config->request(device_group);
    if (!request) return Failure{ExitCode::config, asked.mountpoint + ": " + request.failure().message};
    ReloadedMount reloaded{mount, std::move(*request), {}};
    if (const auto named = config->device_group(); named && *named != device_group) {
        reloaded.note = asked.mountpoint + ": device_group " + *named + " is for the next time it is mounted";
    }
    return reloaded;
}

Outcome<std::vector<std::string>> apply_reload(DeviceService& service, std::span<ReloadedMount> mounts, bool apply,
                                               const std::string& who) {
    Statements statements;
    for (const ReloadedMount& each : mounts) {
        const MountRequest& request = each.request ? *each.request : each.mount->request();
        statements.add(each.mount->info().mountpoint, request.device);
    }
    if (!statements.conflict().empty()) return Failure{ExitCode::config, statements.conflict()};
    for (const ReloadedMount& each : mounts) statements.forget(each.mount->request().device);
    const DeviceRequest& device = statements.wanted();

    std::vector<std::unique_lock<std::mutex>> quiet;  // no message meanwhile
    std::vector<WantedGroups> after;
    after.reserve(mounts.size());
    std::vector<MountChange> changes;
    for (const ReloadedMount& each : mounts) {
        ServedMount& mount = *each.mount;
        if (mount.control() != nullptr) quiet.push_back(mount.control()->hold_changes());
        const WantedGroups& before = mount.request().wanted;
        after.push_back(each.request ? with_defaults(each.request->wanted, before) : before);
        GroupOwners* const owners = mount.control() != nullptr ? &mount.control()->owners() : nullptr;
        // A mount that is not reloaded has nothing configured as far as this goes: it stays as messages have made it.
        static const WantedGroups kNothing;
        changes.push_back({.name = mount.info().mountpoint,
                           .filesystem = &mount.filesystem(),
                           .owners = owners,
                           .before = each.request ? &before : &kNothing,
                           .after = each.request ? &after.back() : &kNothing});
    }
    std::vector<std::string> of_device;
    const std::string refusal = reconfigure(*service.gate(), device, changes, apply, of_device);
    quiet.clear();
    if (!refusal.empty()) return Failure{ExitCode::config, refusal};
    if (device.hold_s && *device.hold_s != service.hold_s()) {
        of_device.push_back("hold " + std::to_string(service.hold_s()) + " -> " + std::to_string(*device.hold_s));
        if (apply) service.set_hold(*device.hold_s);
    }

    std::vector<std::string> lines;
    for (const std::string& line : of_device) lines.push_back("device group " + service.name() + ": " + line);
    for (std::size_t i = 0; i < mounts.size(); ++i) {
        ReloadedMount& each = mounts[i];
        if (!each.request) continue;
        for (const std::string& line : changes[i].changes) lines.push_back(changes[i].name + ": " + line);
        if (const std::string fixed = fixed_settings(each.mount->request(), *each.request); !fixed.empty()) {
            lines.push_back(changes[i].name + ": for the next time it is mounted: " + fixed);
        }
        if (!each.note.empty()) lines.push_back(each.note);
        if (!apply) continue;
        for (const std::string& line : of_device) each.mount->note("reload by " + who + ": " + line);
        for (const std::string& line : changes[i].changes) each.mount->note("reload by " + who + ": " + line);
        each.mount->set_request(std::move(*each.request));
    }
    return lines;
}

}  // namespace bandfs
