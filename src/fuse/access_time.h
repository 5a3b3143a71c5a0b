// fuse/access_time.h - when a read sets the time of the last access.
#pragma once

#include <sys/stat.h>

#include "bandfs/unit.h"
#include "disk/tree.h"

namespace bandfs {

/// Whether a read of a file that is as `now` says would set the time of its last access, on a file system mounted with
/// these flags of statvfs(2): always but with ST_NOATIME and ST_RDONLY, and with ST_RELATIME only where that time is
/// older than the last change, or than a day. `realtime` is the time of day in nanoseconds.
bool read_sets_access_time(const struct stat& now, unsigned long mount_flags, TimeNs realtime);

/// Whether the time of the last access of what `fd` is open on is to stay through a read now, since this mount was
/// asked for noatime, or for relatime; whatever the mount below does.
bool spares_access_time(const Tree& tree, int fd);

}  // namespace bandfs
