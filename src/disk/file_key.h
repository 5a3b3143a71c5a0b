// disk/file_key.h - what names a file while the mount lives.
#pragma once

#include <sys/types.h>

#include <compare>

namespace bandfs {

struct FileKey {
    dev_t device = 0;
    ino_t inode = 0;

    friend auto operator<=>(const FileKey&, const FileKey&) = default;
};

}  // namespace bandfs
