#include "fuse/access_time.h"

#include <sys/statvfs.h>

#include "sys/clock.h"

namespace bandfs {

bool read_sets_access_time(const struct stat& now, unsigned long mount_flags, TimeNs realtime) {
    constexpr TimeNs kDay = 86'400 * kSecond;
    if ((mount_flags & (ST_NOATIME | ST_RDONLY)) != 0) return false;
    if ((mount_flags & ST_RELATIME) == 0) return true;
    const TimeNs accessed = nanoseconds_of(now.st_atim);
    return accessed <= nanoseconds_of(now.st_mtim) || accessed <= nanoseconds_of(now.st_ctim) ||
           accessed <= realtime - kDay;
}

bool spares_access_time(const Tree& tree, int fd) {
    if (tree.noatime() || !tree.relatime()) return tree.noatime();
    struct stat now {};
    return ::fstat(fd, &now) == 0 && !read_sets_access_time(now, ST_RELATIME, time_of_day_ns());
}

}  // namespace bandfs
