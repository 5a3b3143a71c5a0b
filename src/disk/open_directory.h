// disk/open_directory.h - a directory as one opendir(3) of a caller reads it.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "disk/tree.h"
#include "sys/result.h"
#include "sys/unique_fd.h"

namespace bandfs {

/// One name in a directory. `name` is valid until the reader moves on.
struct DirectoryItem {
    const char* name = nullptr;
    ino_t number = 0;
    unsigned char type = 0;  ///< DT_REG, DT_DIR, ...
    off_t next = 0;          ///< where the item after it is
};

/// Reads a directory with the file system's own offsets, which stay good while names come and go. Not
/// thread-safe, but for sync().
class OpenDirectory {
public:
    /// `flags`: those of the caller, of which O_NOATIME counts.
    static Result<OpenDirectory> open(Tree& tree, Inode& inode, int flags = 0);
    explicit OpenDirectory(UniqueFd descriptor);

    /// Goes to `offset`: 0 or the `next` of an item. Going to 0 reads the directory anew.
    Status seek(off_t offset);
    /// The item here, nullptr at the end.
    Result<const DirectoryItem*> item();
    /// Goes behind the item. Requires that item() gave one.
    void advance();

    /// Whether what is read from now on leaves the time of the last access as it is. Changes nothing where it was
    /// opened with O_NOATIME, and where it is somebody else's and the server is not root.
    void set_quiet(bool quiet);
    int descriptor() const { return descriptor_.get(); }

    Status sync(bool data_only) const;

private:
    Status fill();

    UniqueFd descriptor_;
    bool opened_quiet_;
    bool quiet_ = false;             ///< since
    std::vector<std::byte> buffer_;  ///< as getdents64(2) filled it
    std::size_t at_ = 0;             ///< the item here, in the buffer
    std::size_t filled_ = 0;
    off_t position_ = 0;  ///< of the item here
    DirectoryItem item_;
};

}  // namespace bandfs
