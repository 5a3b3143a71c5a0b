// sys/mount_table.h - what is mounted where, as /proc/self/mountinfo says.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sys/result.h"

namespace bandfs {

/// One line of mountinfo, its octal escapes undone.
struct MountEntry {
    int id = 0;
    int parent = 0;
    dev_t device = 0;  ///< st_dev of what is in it
    std::string root;  ///< the directory of the file system that is mounted
    std::string mount_point;
    std::string options;        ///< of the mount: "rw,nosuid"
    std::string type;           ///< "ext4", "fuse.bandfs"
    std::string source;         ///< "/dev/sda2", "host:/export"
    std::string super_options;  ///< of the file system: "rw,upperdir=/u"
};

/// The entries of a mountinfo text, in its order (a later entry covers an earlier one at the same place). Lines that
/// are not of the documented form are left out.
std::vector<MountEntry> parse_mount_table(std::string_view mountinfo);
Result<std::vector<MountEntry>> read_mount_table();

/// The mount that a descriptor stands on, exactly (by its mount id); ENOENT when this process cannot see it.
Result<MountEntry> mount_of(int fd);

/// The mount of a FUSE file system of this st_dev, nullopt when this process cannot see one. Does not ask the file
/// system, and reads the table only when it has changed. Thread-safe.
std::optional<MountEntry> fuse_mount(dev_t device);
/// Where that is, "" when it cannot be seen.
std::string fuse_mount_point(dev_t device);

/// Whether `fd` is the root of the mount of this id, and that shows its file system from its root on.
bool is_whole_file_system(int fd, int mount_id);

/// The value of `key=` in a comma-separated list of options, "" when it is not there.
std::string_view mount_option(std::string_view options, std::string_view key);

/// Whether `name`, without a value, is in such a list.
bool has_mount_option(std::string_view options, std::string_view name);

}  // namespace bandfs
