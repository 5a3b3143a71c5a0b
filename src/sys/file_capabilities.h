// sys/file_capabilities.h - the capabilities that a file has for who executes it: security.capability.
#pragma once

#include <cstddef>
#include <string>

#include "sys/result.h"

namespace bandfs {

/// Those of one file as they are now, to give them back after something that takes them off: a write, a change of its
/// size or owner. Not thread-safe.
class FileCapabilities {
public:
    /// `path` may be a magic link; others are followed, too. A file that cannot be asked has none.
    explicit FileCapabilities(std::string path);

    bool any() const { return length_ != 0; }
    /// Gives them back where they are gone. Errors of setxattr(2).
    Status restore() const;

private:
    const std::string path_;
    char value_[64];  ///< struct vfs_ns_cap_data has 24 bytes
    std::size_t length_ = 0;
};

}  // namespace bandfs
