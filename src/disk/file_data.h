// disk/file_data.h - the data of one regular file: its descriptors, what of it is dirty, reads, writes, durability.
//
// CONTRACT SKETCH: the data plane's author completes this header.
//
// One FileData per inode that is open anywhere in its mount, shared by all its OpenFiles. It holds a buffered descriptor
// (read-write when the backing file allows it) and, when the file system takes it, one with O_DIRECT. It remembers the
// dirty extents that the mount has written and not yet put on the disk, each with the group that dirtied it.
#pragma once

#include <memory>

#include "disk/tree.h"
#include "sys/result.h"

namespace bandfs {

class FileData {
public:
    /// Opens the backing descriptors. `writable`: also for writing.
    static Result<std::shared_ptr<FileData>> open(Tree& tree, Inode& inode, bool writable);
};

}  // namespace bandfs
