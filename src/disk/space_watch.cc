#include "disk/space_watch.h"

#include <sys/statvfs.h>

namespace bandfs {

namespace {

// With less room than this every write is asked for. Others than bandfs may write as much until it is asked again.
constexpr std::uint64_t kAmple = 256u << 20;
constexpr TimeNs kAskEveryNs = 100 * kMillisecond;

}  // namespace

bool SpaceWatch::near_reserve(int fd, std::uint64_t bytes) {
    const TimeNs now = now_ns();
    const auto taken = static_cast<std::int64_t>(bytes);
    if (room_.fetch_sub(taken, std::memory_order_relaxed) >= taken && now < ask_at_.load(std::memory_order_relaxed))
        return false;
    struct statvfs figures {};
    if (::fstatvfs(fd, &figures) != 0) return true;
    ask_at_.store(now + kAskEveryNs, std::memory_order_relaxed);
    if (figures.f_bfree == figures.f_bavail && figures.f_bfree != 0) {
        room_.store(INT64_MAX / 2, std::memory_order_relaxed);
        return false;
    }
    const std::uint64_t available = figures.f_bavail * figures.f_frsize;
    const bool near = available < kAmple + bytes;
    room_.store(near ? 0 : static_cast<std::int64_t>(available - kAmple), std::memory_order_relaxed);
    return near;
}

}  // namespace bandfs
