// disk/descriptor_share.h - how many of the process's descriptors open files may take, so that some are left for what
// needs one for a moment only.
#pragma once

#include <atomic>
#include <cstdint>

#include "sys/result.h"
#include "sys/unique_fd.h"

namespace bandfs {

/// Who has files open cannot take the last descriptors: names are looked up, removed and listed with those. The kernel
/// gives out the lowest number that is free, so a number tells how many are taken, by all mounts of the process
/// together. Thread-safe.
class DescriptorShare {
public:
    /// Of so many (RLIMIT_NOFILE), a sixteenth is kept from files, and half of that from directories.
    explicit DescriptorShare(std::uint64_t limit)
        : files_(static_cast<int>(limit - limit / 16)), directories_(static_cast<int>(limit - limit / 32)) {}

    /// EMFILE in place of a descriptor that is beyond what may be open.
    Result<UniqueFd> granted(Result<UniqueFd> opened, bool directory) {
        if (!opened) return opened;
        note(opened->get());
        return opened->get() < (directory ? directories_ : files_) ? std::move(opened) : Errno{EMFILE};
    }
    /// Whether a descriptor may be kept for long that is not a caller's.
    bool may_keep(int descriptor) const { return descriptor < (files_ + directories_) / 2; }
    /// Whether a file may be made, which cannot be taken back. `any` is a descriptor.
    bool has_room_for_file(int any);
    /// A file was made.
    void note(int descriptor) { last_.store(descriptor, std::memory_order_relaxed); }

private:
    const int files_, directories_;
    std::atomic<int> last_ = 0;  ///< that was opened
};

}  // namespace bandfs
