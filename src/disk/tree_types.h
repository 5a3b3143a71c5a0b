// disk/tree_types.h - what the tree is told and what it answers.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "disk/inode.h"
#include "sys/unique_fd.h"

namespace bandfs {

struct TreeSettings {
    std::string source;             ///< absolute path of a directory
    std::uint64_t descriptors = 0;  ///< at most this many O_PATH descriptors kept for inodes; 0: from RLIMIT_NOFILE
    bool by_name = false;           ///< reopen by parent and name even where handles work
};

/// When a read is to set the time of the last access, as the options of mount(8) say; without any as the mount below
/// does it.
struct AccessTimes {
    bool noatime = false, nodiratime = false, relatime = false;
    bool operator==(const AccessTimes&) const = default;
};

/// The inode, with one lookup counted, and its attributes.
struct Entry {
    Inode* inode = nullptr;
    struct stat attr {};
    std::uint64_t generation = 0;
    bool lost = false;  ///< what was made is no more where it was made: the inode leads nowhere
};

/// A new file, and a descriptor of it that is O_RDWR whatever its mode.
struct CreatedFile {
    Entry entry;
    UniqueFd descriptor;
};

/// What lost a name: its number, and whether another name is left.
struct LostName {
    dev_t device = 0;
    ino_t number = 0;
    bool last = false;
};

/// Which attributes to set, and to what; what is not given stays. The times are as for utimensat(2).
struct AttrChange {
    std::optional<mode_t> mode;
    std::optional<uid_t> uid;
    std::optional<gid_t> gid;
    bool owners_as_they_are = false;  ///< chown(2) to nobody else: the set-id bits of a file fall
    bool keeps_privileges = false;    ///< of a new owner: set-id bits and capabilities stay, as in chown(2) they do not
    timespec atime{0, UTIME_OMIT};
    timespec mtime{0, UTIME_OMIT};
};

}  // namespace bandfs
