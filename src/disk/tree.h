// disk/tree.h - the directory tree below SOURCE: inodes by number, and every metadata operation on them.
//
// CONTRACT SKETCH: src/disk's author (tree) completes this header; what other rooms use is what is declared here.
#pragma once

#include <sys/stat.h>
#include <sys/statvfs.h>

#include <cstdint>
#include <memory>
#include <string>

#include "sys/result.h"
#include "sys/unique_fd.h"

namespace bandfs {

class Inode;       // disk/inode.h
class FileData;    // disk/file_data.h

struct TreeSettings {
    std::string source;          ///< absolute path
    std::uint64_t descriptors;   ///< at most this many O_PATH descriptors kept for inodes; 0: from RLIMIT_NOFILE
};

/// What a lookup answers with: the inode, with one lookup counted, and its attributes.
struct Entry {
    Inode* inode = nullptr;
    struct stat attr {};
    std::uint64_t generation = 0;
};

/// The tree below SOURCE. Thread-safe. Never leads outside SOURCE; opens nothing but regular files and directories.
class Tree {
public:
    static Result<std::unique_ptr<Tree>> open(const TreeSettings& settings);
    virtual ~Tree() = default;

    virtual Inode& root() = 0;
    virtual Result<Entry> lookup(Inode& parent, const char* name) = 0;
    virtual void forget(Inode& inode, std::uint64_t lookups) = 0;

    /// A descriptor of a regular file for reading and writing data, opened anew (never by a name): `flags` are those of
    /// open(2) without O_CREAT, O_EXCL, O_NOFOLLOW. ESTALE when the file is gone for good.
    virtual Result<UniqueFd> open_file(Inode& inode, int flags) = 0;

    // ... getattr, setattr, readlink, mknod, mkdir, symlink, link, unlink, rmdir, rename, create, opendir, statfs, xattrs
};

}  // namespace bandfs
