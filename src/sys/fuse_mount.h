// sys/fuse_mount.h - making and taking down the kernel's side of a FUSE mount: by mount(2), or through fusermount3.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "sys/result.h"
#include "sys/unique_fd.h"

namespace bandfs {

struct FuseMountSettings {
    std::string mountpoint;                   ///< absolute path of a directory
    std::string source;                       ///< what the mount table shows as the mounted thing
    std::string subtype;                      ///< "bandfs" makes the type "fuse.bandfs"
    unsigned long flags = 0;                  ///< of mount(2)
    std::vector<std::string> kernel_options;  ///< "allow_other", "max_read=65536"
    std::vector<std::string> flag_options;    ///< the flags as options, for fusermount3: "ro", "noatime"
};

/// Opens /dev/fuse and mounts it; needs CAP_SYS_ADMIN.
Result<UniqueFd> mount_fuse(const FuseMountSettings& settings);

/// Mounts through the setuid helper fusermount3. `ret_said` is its complaint when it fails (written on failure alone);
/// ENOENT: there is no fusermount3, EPERM: it refused.
Result<UniqueFd> mount_through_fusermount(const FuseMountSettings& settings, std::string& ret_said);

/// What tells mount(2) when a read counts as an access, where `asked` does not: the same as on the mount of `source`.
unsigned long access_time_flag(unsigned long asked, int source);

/// Gives the mount at this path these flags of mount(2), in place of those that it has; needs CAP_SYS_ADMIN. EBUSY: it
/// is to become read-only and files are open for writing.
Status change_mount_flags(const std::string& mountpoint, unsigned long flags);

/// Detaches the mount at this path (as `umount -l`): by umount2(2), for others than root through fusermount3.
Status unmount_fuse(const std::string& mountpoint);

/// Starts a process that takes this mount down when the last copy of the returned descriptor is closed, however its
/// holder ends. (fusermount3 3.14 promises the same with auto_unmount, and fails where the mount is not open to
/// everybody.)
Result<UniqueFd> watch_mount(dev_t device);

/// Whether a descriptor is an open /dev/fuse; whether it is mounted only reading from it tells.
bool is_fuse_device(int fd);

}  // namespace bandfs
