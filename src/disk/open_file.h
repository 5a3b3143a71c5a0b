// disk/open_file.h - a file as one open(2) of a caller has it.
//
// CONTRACT SKETCH: the data plane's author completes this header.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "disk/file_data.h"

namespace bandfs {

/// One open of a caller; what fuse_file_info::fh points to. Shared by requests in flight (std::shared_ptr), so that a
/// release does not pull it from under one.
struct OpenFile {
    std::shared_ptr<FileData> data;  ///< one per inode while it is open anywhere
    int flags = 0;                   ///< of open(2)
    std::uint64_t opener_group = 0;  ///< group id of who opened it, for write-back without a caller
};

}  // namespace bandfs
