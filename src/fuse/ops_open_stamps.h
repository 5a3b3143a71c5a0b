// fuse/ops_open_stamps.h - whether a file is still what it was when it was opened before, and is to stay so when it is
// read.
#pragma once

#include <sys/stat.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>

#include "bandfs/unit.h"

namespace bandfs {

/// Remembers size and times of files as they were opened, so that the kernel may keep its pages of one that has not
/// changed. Thread-safe. Of fixed size: a file whose place another one took counts as changed.
class OpenStamps {
public:
    OpenStamps() : places_(std::make_unique<Stamp[]>(kPlaces)) {}

    /// Whether the file is as it was at the last call for this node; remembers how it is now. Where `read_counts`
    /// (read_sets_access_time), the time of the last access is part of that: once it stays, whatever is read, it does
    /// not move here. `realtime` is the time of day in nanoseconds from before `now` was read: a change so recent that
    /// another one could leave the same times is not remembered.
    bool unchanged(std::uint64_t node, const struct stat& now, TimeNs realtime, bool read_counts = false);

private:
    struct Stamp {
        std::uint64_t node = 0;  ///< 0: none
        std::uint64_t inode = 0;
        std::int64_t size = 0;
        TimeNs mtime = 0;
        TimeNs ctime = 0;
        TimeNs accessed = 0;  ///< 0: it does not matter
        friend bool operator==(const Stamp&, const Stamp&) = default;
    };
    static constexpr std::size_t kPlaces = 16384;  // 768 KiB
    static constexpr std::size_t kLocks = 16;

    std::unique_ptr<Stamp[]> places_;  ///< place p is guarded by locks_[p % kLocks]
    std::array<std::mutex, kLocks> locks_;
};

}  // namespace bandfs
