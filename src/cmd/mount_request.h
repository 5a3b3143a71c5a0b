// cmd/mount_request.h - what somebody asked for when mounting: the options of one mount, understood and within range.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "caller/resolver.h"
#include "cmd/option_string.h"
#include "cmd/outcome.h"
#include "control/reconfigure.h"
#include "fuse/filesystem.h"

namespace bandfs {

/// `group=ID:WEIGHT`, and what only a configuration file can say of a group.
struct GroupRequest {
    std::string id;  ///< as written: "1000", "alice"
    std::uint64_t weight = 100;
    std::optional<std::string> parent;  ///< an id, as written
    std::optional<std::string> owner;   ///< a user, as written
    std::uint64_t min = 0;              ///< bytes per second, as `max`
    std::uint64_t max = 0;
};

/// What the device group shall have; each empty one means: whatever it has, its default when it is new.
struct DeviceRequest : WantedScheduler {
    std::optional<std::uint32_t> hold_s;
};

struct MountRequest {
    std::optional<std::string> config;  ///< the configuration file: its path, or "none"
    std::optional<std::string> devgroup;
    DeviceRequest device;

    GroupType type = GroupType::none;
    std::optional<std::uint32_t> weight;                 ///< of the default group
    std::vector<GroupRequest> groups;                    ///< of the options
    std::optional<std::uint32_t> auto_weight, auto_max;  ///< see AutoGroups
    WantedGroups wanted;  ///< the groups of the options and of the configuration file, understood
    MountOptions mount;
    std::optional<std::uint32_t> dirty_mib;

    unsigned long kernel_flags = 0;         ///< of mount(2)
    std::vector<std::string> flag_options;  ///< the same as options that fusermount3 knows
    bool allow_other = false;
    bool allow_root = false;
    bool auto_unmount = false;
    bool suid = false;  ///< "suid" and "dev" were asked for
    bool dev = false;
    bool debug = false;
    bool remount = false;  ///< only the flags of mount(2) are to be changed, of a mount that is there
    std::optional<std::uint32_t> max_read;
    std::optional<std::uint32_t> max_threads, max_idle_threads;
    std::optional<std::string> fsname;
    std::string subtype = "bandfs";
};

/// Whether each option is right by itself.
Outcome<Done> check_options(const std::vector<WrittenOption>& options);

/// What a configuration file says of the groups of a mount.
struct ConfiguredGroups {
    std::optional<std::uint64_t> min;  ///< of the default group, as `max`
    std::optional<std::uint64_t> max;
    std::vector<GroupRequest> groups;  ///< a parent before its children
    std::vector<Rule> rules;
};

/// Understands every option, by the table of cmd/option_table.h, of which later ones override earlier ones; the group
/// options add to `configured`, or override a weight there. A failure names the option, its value and the reason.
Outcome<MountRequest> parse_mount_request(const std::vector<WrittenOption>& options,
                                          const ConfiguredGroups& configured = {});

}  // namespace bandfs
