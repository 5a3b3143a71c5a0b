// disk/space_watch.h - whether a file system is so full that a write might take what it keeps for root.
//
// ext4 keeps some blocks (5 % unless mkfs or tune2fs says otherwise) for root, and asks at each write whose it is. The
// daemon is root, so the writes of ordinary callers have to be made with their ids there; but changing ids costs
// microseconds, and most file systems are not full.
#pragma once

#include <atomic>
#include <cstdint>

#include "sys/clock.h"

namespace bandfs {

/// One per mount and file system below it. Thread-safe, lock-free.
class SpaceWatch {
public:
    /// Before `bytes` are written through `fd`: whether some of them might come out of a reserve. Asks the file system
    /// only now and then while there is much room. False for file systems without a reserve.
    bool near_reserve(int fd, std::uint64_t bytes);

private:
    std::atomic<std::int64_t> room_{0};  ///< bytes that may be written before it is asked again
    std::atomic<TimeNs> ask_at_{0};      ///< and until when, since others write there, too
};

}  // namespace bandfs
