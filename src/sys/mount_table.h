// sys/mount_table.h - what /proc/self/mountinfo says about mounts.
#pragma once

namespace bandfs {

/// Whether `fd` is the root of a mount that shows a file system from its root on.
bool is_whole_file_system(int fd, int mount_id);

}  // namespace bandfs
