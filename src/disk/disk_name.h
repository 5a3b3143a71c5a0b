// disk/disk_name.h - which disk a directory is on: the device group of a mount that names none.
//
// Two directories get the same name exactly when their I/O ends on the same disk, as far as this machine can know:
// - a partition: its whole disk, sda2 -> "sda"
// - dm (LVM, LUKS), md: the disk below when there is one alone, else itself, "dm-0", "md0"
// - loop: itself; what it stands on may be anything, and who made it wanted a disk
// - btrfs: the disk of its devices when that is one, else "btrfs-" and the start of its UUID
// - zfs: the pool, "zfs-tank"
// - nfs, cifs, ceph, 9p and the like: the server, "nfs-fileserver"
// - overlay: the disk of its upper directory, where new data goes
// - anything else: its type and device number, "tmpfs-0:27", "fuse.sshfs-0:45"
#pragma once

#include <string>

#include "sys/block_view.h"

namespace bandfs {

/// The longest name of a device group, in bytes.
inline constexpr std::size_t kMaxDeviceGroupName = 32;

/// A name of 1 to kMaxDeviceGroupName bytes that is_device_group_name() accepts, for a directory on this mount.
std::string disk_name(const BlockView& view, const MountEntry& mount);

/// Whether a name can be that of a device group: 1 to 32 bytes, no blank, control character or slash, and no dot at its
/// start (it names files in the runtime directory, and a word of a status line).
bool is_device_group_name(std::string_view name);

}  // namespace bandfs
