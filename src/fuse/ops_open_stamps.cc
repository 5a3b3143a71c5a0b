#include "fuse/ops_open_stamps.h"

#include <sys/statvfs.h>

#include <algorithm>
#include <utility>

namespace bandfs {
namespace {

/// Two changes within this time may leave the same time stamp: a tick of the kernel's clock at 100 Hz, twice.
constexpr TimeNs kGrain = 20'000'000;
/// The same where times come in whole seconds, or in two as on FAT.
constexpr TimeNs kCoarseGrain = 2'000'000'000;
constexpr TimeNs kDay = 86'400'000'000'000;

TimeNs nanoseconds(const timespec& time) {
    return static_cast<TimeNs>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

bool read_sets_access_time(const struct stat& now, unsigned long mount_flags, TimeNs realtime) {
    if ((mount_flags & (ST_NOATIME | ST_RDONLY)) != 0) return false;
    if ((mount_flags & ST_RELATIME) == 0) return true;
    const TimeNs accessed = nanoseconds(now.st_atim);
    return accessed <= nanoseconds(now.st_mtim) || accessed <= nanoseconds(now.st_ctim) || realtime - accessed >= kDay;
}

bool OpenStamps::unchanged(std::uint64_t node, const struct stat& now, TimeNs realtime, bool read_counts) {
    Stamp stamp{node,
                now.st_ino,
                now.st_size,
                nanoseconds(now.st_mtim),
                nanoseconds(now.st_ctim),
                read_counts ? nanoseconds(now.st_atim) : 0};
    const bool coarse = now.st_mtim.tv_nsec == 0 && now.st_ctim.tv_nsec == 0;
    const bool settled =
        std::max({stamp.mtime, stamp.ctime, stamp.accessed}) < realtime - (coarse ? kCoarseGrain : kGrain);

    const std::size_t place = (node * 0x9e3779b97f4a7c15u) >> 50;
    static_assert(kPlaces == std::size_t{1} << (64 - 50));
    std::lock_guard lock(locks_[place % kLocks]);
    Stamp before = std::exchange(places_[place], settled ? stamp : Stamp{});
    if (!read_counts) before.accessed = 0;
    return before == stamp;
}

}  // namespace bandfs
