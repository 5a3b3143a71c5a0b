// disk/descriptor_share.h - how many of the process's descriptors open files may take, so that some are left for what
// needs one for a moment only.
#pragma once

#include <cstdint>

#include "sys/result.h"
#include "sys/unique_fd.h"

namespace bandfs {

/// Who has files open cannot take the last descriptors: names are looked up, removed and listed with those. The kernel
/// gives out the lowest number that is free, so a number tells how many are taken, by all mounts of the process
/// together. A value; thread-safe.
class DescriptorShare {
public:
    /// Of so many (RLIMIT_NOFILE), a sixteenth is kept from files, and half of that from directories.
    explicit DescriptorShare(std::uint64_t limit)
        : files_(static_cast<int>(limit - limit / 16)), directories_(static_cast<int>(limit - limit / 32)) {}
    static DescriptorShare of_process();

    /// EMFILE in place of a descriptor that is beyond what callers may have open.
    Result<UniqueFd> granted(Result<UniqueFd> opened, bool directory = false) const {
        if (!opened) return opened;
        return opened->get() < (directory ? directories_ : files_) ? std::move(opened) : Errno{EMFILE};
    }
    /// Whether `granted` would have the next one, for what cannot be taken back. `any` is a descriptor.
    bool has_room_for_file(int any) const;
    /// Whether a descriptor may be kept for long that is not a caller's.
    bool may_keep(int descriptor) const { return descriptor < (files_ + directories_) / 2; }

private:
    int files_, directories_;
};

}  // namespace bandfs
