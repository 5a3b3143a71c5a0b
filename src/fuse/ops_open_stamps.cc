#include "fuse/ops_open_stamps.h"

#include <algorithm>
#include <utility>

#include "sys/clock.h"

namespace bandfs {
namespace {

/// Two changes within this time may leave the same time stamp: a tick of the kernel's clock at 100 Hz, twice.
constexpr TimeNs kGrain = 20'000'000;
/// The same where times come in whole seconds, or in two as on FAT.
constexpr TimeNs kCoarseGrain = 2'000'000'000;

}  // namespace

bool OpenStamps::unchanged(std::uint64_t node, const struct stat& now, TimeNs realtime, bool read_counts) {
    Stamp stamp{node,
                now.st_ino,
                now.st_size,
                nanoseconds_of(now.st_mtim),
                nanoseconds_of(now.st_ctim),
                read_counts ? nanoseconds_of(now.st_atim) : 0};
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
