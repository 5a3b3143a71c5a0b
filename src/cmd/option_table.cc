#include "cmd/option_table.h"

#include <sys/mount.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <sstream>

#include "bandfs/device_group.h"
#include "disk/disk_name.h"

namespace bandfs {
namespace {

constexpr std::uint64_t kMaxWeight = 1'000'000;

template <typename Names>
std::string one_of(const Names& names) {
    std::string list = "must be one of";
    const char* separator = " ";
    for (const std::string_view name : names) {
        list.append(separator).append(name);
        separator = ", ";
    }
    return list;
}

std::string take_devgroup(MountRequest& request, const OptionValue& value) {
    if (!is_device_group_name(value.text)) {
        return "must be 1 to 32 bytes without blanks, control characters and slashes, and not begin with a dot";
    }
    request.devgroup = value.text;
    return {};
}

std::string take_type(MountRequest& request, const OptionValue& value) {
    const Parsed<GroupType> type = parse_group_type(value.text);
    if (!type) return type.reason();
    request.type = *type;
    return {};
}

std::string take_policy(MountRequest& request, const OptionValue& value) {
    const auto names = DeviceGroup::policy_names();
    if (std::find(names.begin(), names.end(), value.text) == names.end()) return one_of(names);
    request.device.policy = value.text;
    return {};
}

std::string take_cost(MountRequest& request, const OptionValue& value) {
    if (value.text != "bytes" && value.text != "time") return "must be bytes or time";
    request.device.cost = value.text;
    return {};
}

std::string take_config(MountRequest& request, const OptionValue& value) {
    if (value.text.empty()) return "must be the path of a file, or none";
    request.config = value.text;
    return {};
}

std::string take_group(MountRequest& request, const OptionValue& value) {
    const std::size_t colon = value.text.rfind(':');
    if (colon == std::string_view::npos || colon == 0) return "must be ID:WEIGHT";
    const std::string weight(value.text.substr(colon + 1));
    const bool digits =
        !weight.empty() && weight.size() <= 7 && weight.find_first_not_of("0123456789") == std::string::npos;
    const std::uint64_t number = digits ? std::stoull(weight) : 0;
    if (number < 1 || number > kMaxWeight) return "must be ID:WEIGHT with a weight from 1 to 1000000";
    request.groups.push_back({std::string(value.text.substr(0, colon)), number});
    return {};
}

std::string take_unit_size(MountRequest& request, const OptionValue& value) {
    if (!std::has_single_bit(value.whole)) return "must be a power of two from 4096 to 1048576";
    request.mount.unit_size = static_cast<std::uint32_t>(value.whole);
    return {};
}

std::string take_control(MountRequest& request, const OptionValue& value) {
    const std::string_view name = value.text;
    if (name == "none") {
        request.mount.control_name.clear();
        return {};
    }
    if (name.empty() || name == "." || name == ".." || name.size() > 255 || name.find('/') != std::string_view::npos) {
        return "must be a file name of 1 to 255 bytes, or none";
    }
    request.mount.control_name = name;
    return {};
}

std::string take_transport(MountRequest& request, const OptionValue& value) {
    if (value.text != "auto" && value.text != "dev") return "must be one of dev, auto";
    request.mount.rings = value.text == "auto";
    return {};
}

std::string take_locks(MountRequest& request, const OptionValue& value) {
    if (value.text != "kernel" && value.text != "backing") return "must be one of kernel, backing";
    request.mount.backing_locks = value.text == "backing";
    return {};
}

std::string take_subtype(MountRequest& request, const OptionValue& value) {
    const bool plain = !value.text.empty() && value.text.size() <= 64 &&
                       value.text.find_first_of("/, \t\n\\") == std::string_view::npos;
    if (!plain) return "must be 1 to 64 bytes without blanks, commas, slashes and backslashes";
    request.subtype = value.text;
    return {};
}

std::string take_fsname(MountRequest& request, const OptionValue& value) {
    if (value.text.empty()) return "must not be empty";
    request.fsname = value.text;
    return {};
}

std::string take_umask(MountRequest& request, const OptionValue& value) {
    mode_t bits = 0;
    const char* const end = value.text.data() + value.text.size();
    const auto [stopped, error] = std::from_chars(value.text.data(), end, bits, 8);
    if (error != std::errc{} || stopped != end || bits > 0777)
        return "must be permissions as an octal number, 0 to 777";
    request.mount.shown.umask = bits;
    return {};
}

std::string take_uid(MountRequest& request, const OptionValue& value) {
    const auto id = parse_group_id(GroupType::user, value.text);
    if (!id) return "must be a user, by name or number";
    request.mount.shown.uid = static_cast<uid_t>(*id);
    return {};
}

std::string take_gid(MountRequest& request, const OptionValue& value) {
    const auto id = parse_group_id(GroupType::gid, value.text);
    if (!id) return "must be a group of users, by name or number";
    request.mount.shown.gid = static_cast<gid_t>(*id);
    return {};
}

template <KeptPages Which>
std::string take_kept_pages(MountRequest& request, const OptionValue&) {
    request.mount.kept_pages = Which;
    return {};
}

// `Path` leads from the request to the member that takes the value: &MountRequest::device, &DeviceRequest::io_limit.

template <auto... Path>
std::string take_whole(MountRequest& request, const OptionValue& value) {
    (request.*....*Path) = static_cast<std::uint32_t>(value.whole);
    return {};
}

template <auto... Path>
std::string take_seconds(MountRequest& request, const OptionValue& value) {
    (request.*....*Path) = value.seconds;
    return {};
}

template <auto... Path>
std::string take_flag(MountRequest& request, const OptionValue&) {
    (request.*....*Path) = true;
    return {};
}

/// What every mount of bandfs does.
std::string take_nothing(MountRequest&, const OptionValue&) {
    return {};
}

using R = MountRequest;
using D = DeviceRequest;
using M = MountOptions;
using enum OptionForm;
using enum OptionTopic;

constexpr Option kOptions[] = {
    {"devgroup", text, scheduling, "NAME", "the disk below SOURCE", 0, 0,
     "The device group: mounts of one name share one scheduler.", take_devgroup},
    {"io_throttle", whole, scheduling, "N", "4", 1, kMaxInFlight,
     "Units in flight, low mark: below it groups without tokens get new ones.",
     take_whole<&R::device, &D::io_throttle>},
    {"io_limit", whole, scheduling, "N", "128", 1, kMaxInFlight,
     "Units in flight, high mark: nothing is issued beyond it.", take_whole<&R::device, &D::io_limit>},
    {"policy", text, scheduling, "NAME", "default", 0, 0, "How the next unit is chosen.", take_policy},
    {"cost", text, scheduling, "bytes|time", "bytes", 0, 0, "What the policy fair shares out.", take_cost},
    {"token", whole, scheduling, "N", "2048", 1, kMaxWeight, "Tokens of one epoch, for the policy weight.",
     take_whole<&R::device, &D::token>},
    {"held_max", whole, scheduling, "MIB", "64", 1, kMaxHeldBytes / kMiB,
     "What a group may have in held requests; its further ones wait in turn.",
     take_whole<&R::device, &D::held_max_mib>},
    {"hold", whole, scheduling, "SECONDS", "30", 1, 3600, "The longest that a request is held; then it passes.",
     take_whole<&R::device, &D::hold_s>},
    {"type", text, scheduling, "TYPE", "none", 0, 0, "Which property of a caller is its group id.", take_type},
    {"weight", whole, scheduling, "N", "100", 1, kMaxWeight, "Weight of the default group.", take_whole<&R::weight>},
    {"group", text, scheduling, "ID:WEIGHT", "", 0, 0, "Attaches a group; may be given many times.", take_group},
    {"auto", whole, scheduling, "WEIGHT", "0", 0, kMaxWeight,
     "Groups of this weight come into being with the first request of a caller; 0: none do.",
     take_whole<&R::auto_weight>},
    {"auto_max", whole, scheduling, "N", "100000", 1, AutoGroups::kMost,
     "How many groups may have come into being by themselves.", take_whole<&R::auto_max>},
    {"unit_size", whole, scheduling, "BYTES", "131072", 4096, 1 << 20,
     "Size of the pieces that reads and writes are scheduled in, a power of two.", take_unit_size},
    {"dirty", whole, scheduling, "MIB", "1/64 of memory, at most 64, and more where the disk is fast", 1, 65536,
     "What a group may have written and not yet on the disk, before its writers wait.", take_whole<&R::dirty_mib>},
    {"config", text, mount, "FILE", "/etc/bandfs/bandfs.toml", 0, 0,
     "The configuration file, which options override; none: there is none.", take_config},
    {"readahead", whole, mount, "KIB", "4096", 0, 1 << 20, "How far the kernel reads ahead in the mount (root only).",
     take_whole<&R::mount, &M::readahead_kib>},
    {"attr_timeout", seconds, mount, "SECONDS", "1", 0, 86400, "How long the kernel keeps attributes.",
     take_seconds<&R::mount, &M::attr_timeout_s>},
    {"entry_timeout", seconds, mount, "SECONDS", "1", 0, 86400, "How long the kernel keeps names.",
     take_seconds<&R::mount, &M::entry_timeout_s>},
    {"negative_timeout", seconds, mount, "SECONDS", "entry_timeout", 0, 86400,
     "How long the kernel keeps that a name is not there.", take_seconds<&R::mount, &M::negative_timeout_s>},
    {"kernel_cache", flag, mount, "", "", 0, 0, "The kernel keeps pages of a file even when it is changed below.",
     take_kept_pages<KeptPages::always>},
    {"auto_cache", flag, mount, "", "on", 0, 0, "It drops those of a file that was changed below.",
     take_kept_pages<KeptPages::unchanged>},
    {"noauto_cache", flag, mount, "", "", 0, 0, "It drops those of every file that is opened.",
     take_kept_pages<KeptPages::never>},
    {"ac_attr_timeout", seconds, mount, "SECONDS", "0, always", 0, 86400,
     "How old what auto_cache goes by may be at an open.", take_nothing},
    {"direct_io", flag, mount, "", "", 0, 0, "The kernel keeps no pages of files.",
     take_flag<&R::mount, &M::direct_io>},
    {"uid", text, mount, "USER", "", 0, 0, "Everything is shown as this user's.", take_uid},
    {"gid", text, mount, "GROUP", "", 0, 0, "Everything is shown as this group's.", take_gid},
    {"umask", text, mount, "OCTAL", "", 0, 0, "Everything is shown with all permissions but these.", take_umask},
    {"control", text, mount, "NAME", ".bandfs", 0, 0, "Name of the control directory; none: there is none.",
     take_control},
    {"locks", text, mount, "kernel|backing", "kernel", 0, 0,
     "Locks are among the mount's callers (kernel) or on the files below (backing).", take_locks},
    {"allow_other", flag, mount, "", "", 0, 0, "Everybody may use the mount, not its owner alone.",
     take_flag<&R::allow_other>},
    {"allow_root", flag, mount, "", "", 0, 0, "The owner and root may use the mount.", take_flag<&R::allow_root>},
    {"auto_unmount", flag, mount, "", "", 0, 0, "The mount is taken down even when the server is killed.",
     take_flag<&R::auto_unmount>},
    {"default_permissions", flag, mount, "", "always on", 0, 0, "The kernel checks permissions.", take_nothing},
    {"use_ino", flag, mount, "", "always on", 0, 0, "Inode numbers are those below.", take_nothing},
    {"readdir_ino", flag, mount, "", "always on", 0, 0, "So they are in listings.", take_nothing},
    {"hard_remove", flag, mount, "", "always on", 0, 0, "Removed files leave no .fuse_hidden behind.", take_nothing},
    {"noforget", flag, mount, "", "always on", 0, 0, "Handles of files (NFS) stay good when caches are dropped.",
     take_nothing},
    {"remember", whole, mount, "SECONDS", "always on", 0, 0xffffffff, "So they do for this long.", take_nothing},
    {"no_rofd_flush", flag, mount, "", "always on", 0, 0, "A close has nothing to write.", take_nothing},
    {"max_read", whole, mount, "BYTES", "", 4096, 1 << 20, "The largest read that the kernel sends.",
     take_whole<&R::max_read>},
    {"clone_fd", flag, mount, "", "always on", 0, 0, "Each thread that receives requests has its own /dev/fuse.",
     take_nothing},
    {"transport", text, mount, "dev|auto", "dev", 0, 0,
     "Requests come through /dev/fuse (dev), or over io_uring where the kernel offers that (auto).", take_transport},
    {"max_threads", whole, mount, "N", "66 to 68, by processors", 1, 1000, "Threads that receive requests, at most.",
     take_whole<&R::max_threads>},
    {"max_idle_threads", whole, mount, "N", "10", 1, 1000, "Of these, so many stay when there is nothing to do.",
     take_whole<&R::max_idle_threads>},
    {"fsname", text, mount, "NAME", "SOURCE", 0, 0, "What the mount table shows as the source.", take_fsname},
    {"subtype", text, mount, "NAME", "bandfs", 0, 0, "The type in the mount table is fuse.NAME.", take_subtype},
    {"remount", flag, mount, "", "", 0, 0, "Changes the flags of a mount that is there (root only).",
     take_flag<&R::remount>},
    {"debug", flag, mount, "", "", 0, 0, "As -d: show every request, stay in the foreground.", take_flag<&R::debug>},
};

// fusermount3 3.14 refuses the last three; an ordinary user's mount goes without them.
constexpr KernelFlag kKernelFlags[] = {
    {"rw", MS_RDONLY, false, true},         {"ro", MS_RDONLY, true, true},
    {"suid", MS_NOSUID, false, true},       {"nosuid", MS_NOSUID, true, true},
    {"dev", MS_NODEV, false, true},         {"nodev", MS_NODEV, true, true},
    {"exec", MS_NOEXEC, false, true},       {"noexec", MS_NOEXEC, true, true},
    {"async", MS_SYNCHRONOUS, false, true}, {"sync", MS_SYNCHRONOUS, true, true},
    {"atime", MS_NOATIME, false, true},     {"noatime", MS_NOATIME, true, true},
    {"dirsync", MS_DIRSYNC, true, true},    {"nodiratime", MS_NODIRATIME, true, false},
    {"relatime", MS_RELATIME, true, false}, {"lazytime", MS_LAZYTIME, true, false},
};

constexpr std::string_view kIgnored[] = {"_netdev", "nofail", "noauto",  "auto",     "user",    "users",
                                         "nouser",  "owner",  "comment", "defaults", "nonempty"};

struct ForeignOption {
    std::string_view name;
    std::string_view why;
};
constexpr std::string_view kOfItsOwn = "bandfs says this to the kernel itself";
constexpr std::string_view kNoDevice = "SOURCE is a directory, not a block device";
constexpr ForeignOption kForeign[] = {
    {"modules", "it is for file systems of libfuse's high-level API"},
    {"blkdev", kNoDevice},
    {"blksize", kNoDevice},
    {"fd", kOfItsOwn},
    {"rootmode", kOfItsOwn},
    {"user_id", kOfItsOwn},
    {"group_id", kOfItsOwn},
};

void line(std::ostringstream& out, const std::string& head, std::string_view sentence, const std::string& note) {
    constexpr std::size_t kColumn = 26;
    out << "  " << head << std::string(head.size() < kColumn ? kColumn - head.size() : 1, ' ') << sentence << note
        << '\n';
}

}  // namespace

std::span<const Option> mount_options() {
    return kOptions;
}
std::span<const KernelFlag> kernel_flags() {
    return kKernelFlags;
}

bool is_ignored_option(std::string_view name) {
    if (name.starts_with("x-") || name.starts_with("X-")) return true;
    return std::find(std::begin(kIgnored), std::end(kIgnored), name) != std::end(kIgnored);
}

std::string_view why_never(std::string_view name) {
    const auto* const found = std::ranges::find(kForeign, name, &ForeignOption::name);
    return found == std::end(kForeign) ? std::string_view() : found->why;
}

std::string options_help() {
    std::ostringstream out;
    for (const auto& [topic, title] : {std::pair{scheduling, "Scheduling"}, std::pair{mount, "The mount"}}) {
        out << title << ":\n";
        for (const Option& option : kOptions) {
            if (option.topic != topic) continue;
            const std::string head = option.metavar.empty()
                                         ? std::string(option.name)
                                         : std::string(option.name) + "=" + std::string(option.metavar);
            line(out, head, option.sentence,
                 option.default_value.empty() ? "" : " [" + std::string(option.default_value) + "]");
        }
        out << '\n';
    }
    out << "Types:\n ";
    for (const std::string_view name : group_type_names()) out << ' ' << name;
    out << "\n\nPolicies:\n ";
    for (const std::string_view name : DeviceGroup::policy_names()) out << ' ' << name;
    out << "\n\nFlags of the mount:\n ";
    for (const KernelFlag& flag : kKernelFlags) out << ' ' << flag.name;
    out << "\n\nAccepted and ignored:\n ";
    for (const std::string_view name : kIgnored) out << ' ' << name;
    out << " x-*\n";
    return out.str();
}

}  // namespace bandfs
