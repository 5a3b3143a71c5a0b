// cmd/mount_request.h - what somebody asked for when mounting: the options of one mount, understood and within range.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "caller/resolver.h"
#include "cmd/option_string.h"
#include "cmd/outcome.h"
#include "fuse/filesystem.h"

namespace bandfs {

/// `group=ID:WEIGHT`.
struct GroupRequest {
    std::string id;  ///< as written: "1000", "alice"
    std::uint64_t weight = 100;
};

/// What the device group shall have; each empty one means: whatever it has, its default when it is new.
struct DeviceRequest {
    std::optional<std::uint32_t> io_throttle;
    std::optional<std::uint32_t> io_limit;
    std::optional<std::string> policy;
    std::optional<std::uint64_t> token;
    std::optional<std::uint32_t> hold_s;
};

struct MountRequest {
    std::optional<std::string> devgroup;
    DeviceRequest device;

    GroupType type = GroupType::none;
    std::uint32_t weight = 100;  ///< of the default group
    std::vector<GroupRequest> groups;
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
    std::optional<std::string> fsname;
    std::string subtype = "bandfs";
};

/// Understands every option, by the table of cmd/option_table.h. A failure names the option, its value and the reason.
Outcome<MountRequest> parse_mount_request(const std::vector<WrittenOption>& options);

}  // namespace bandfs
