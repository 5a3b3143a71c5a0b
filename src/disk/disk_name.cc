#include "disk/disk_name.h"

#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>

namespace bandfs {
namespace {

constexpr std::size_t kUuidStart = 18;  // 8-4-4: enough to tell file systems apart, short enough for a name
constexpr int kMaxDepth = 16;           // of devices on devices; more is a loop in what we were told

constexpr std::array<std::string_view, 9> kNetworkTypes = {"nfs", "nfs4",     "cifs", "smb3",     "ceph",
                                                           "9p",  "virtiofs", "afs",  "glusterfs"};

/// Any text to a legal name.
std::string as_name(std::string_view text) {
    std::string name;
    for (const char c : text.substr(0, kMaxDeviceGroupName)) {
        const bool plain = static_cast<unsigned char>(c) > ' ' && c != '/' && c != 0x7f;
        name += plain ? c : '-';
    }
    if (name.empty()) return "unnamed";
    if (name.front() == '.') name.front() = '-';
    return name;
}

/// The disk that a device stands on: the one whole disk of all it is made of; itself when they are several.
std::string disk_below(const BlockView& view, const BlockFacts& device, int depth) {
    if (!device.parent.empty()) {
        const auto whole = view.by_name(device.parent);
        return whole && depth < kMaxDepth ? disk_below(view, *whole, depth + 1) : device.parent;
    }
    std::set<std::string> disks;
    for (const std::string& slave : device.slaves) {
        const auto facts = view.by_name(slave);
        disks.insert(facts && depth < kMaxDepth ? disk_below(view, *facts, depth + 1) : slave);
    }
    return disks.size() == 1 ? *disks.begin() : device.name;
}

/// "host:/export", "//host/share", "a,b:/": the part that names the machine.
std::string server_of(std::string_view source) {
    if (source.starts_with("//")) {
        source.remove_prefix(2);
        return std::string(source.substr(0, source.find('/')));
    }
    const std::size_t path = source.find(":/");
    return std::string(source.substr(0, path));
}

std::optional<std::string> btrfs_name(const BlockView& view, const MountEntry& mount) {
    const auto number = view.number_of_node(mount.source);
    const auto device = number ? view.by_number(*number) : std::nullopt;
    if (!device) return std::nullopt;
    const auto whole = view.btrfs_with(device->name);
    if (!whole) return disk_below(view, *device, 0);
    std::set<std::string> disks;
    for (const std::string& name : whole->devices) {
        const auto facts = view.by_name(name);
        disks.insert(facts ? disk_below(view, *facts, 0) : name);
    }
    return disks.size() == 1 ? *disks.begin() : "btrfs-" + whole->uuid.substr(0, kUuidStart);
}

std::string name_at(const BlockView& view, const MountEntry& mount, int depth) {
    if (mount.type == "btrfs") {
        if (auto name = btrfs_name(view, mount)) return *name;
    }
    if (const auto device = view.by_number(mount.device)) return disk_below(view, *device, 0);
    if (mount.type == "zfs") return "zfs-" + mount.source.substr(0, mount.source.find('/'));
    if (std::find(kNetworkTypes.begin(), kNetworkTypes.end(), mount.type) != kNetworkTypes.end()) {
        const std::string type = mount.type == "nfs4" ? "nfs" : mount.type;
        return type + "-" + server_of(mount.source);
    }
    if (mount.type == "overlay" && depth < kMaxDepth) {
        const std::string upper(mount_option(mount.super_options, "upperdir"));
        const auto below = upper.empty() ? std::nullopt : view.mount_of_directory(upper);
        if (below && below->device != mount.device) return name_at(view, *below, depth + 1);
    }
    return mount.type + "-" + std::to_string(major(mount.device)) + ":" + std::to_string(minor(mount.device));
}

}  // namespace

std::string disk_name(const BlockView& view, const MountEntry& mount) {
    return as_name(name_at(view, mount, 0));
}

bool is_device_group_name(std::string_view name) {
    if (name.empty() || name.size() > kMaxDeviceGroupName || name.front() == '.') return false;
    return std::all_of(name.begin(), name.end(),
                       [](char c) { return static_cast<unsigned char>(c) > ' ' && c != '/' && c != 0x7f; });
}

}  // namespace bandfs
