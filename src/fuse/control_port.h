// fuse/control_port.h - the small interface through which `.bandfs` answers; src/control implements it.
//
// A control directory with its files, as values: fuse/control_ops.cc turns it into inodes. Thread-safe.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sys/result.h"

namespace bandfs {

/// Who asks, as the kernel says.
struct ControlCaller {
    uid_t uid = 0;
    gid_t gid = 0;
    pid_t tid = 0;
};

/// What stands at a path of the control directory.
struct ControlNode {
    std::string path;  ///< the one path of this node: a group has several names ("alice", "1000") and one path
    bool is_directory = false;
    mode_t mode = 0;  ///< permission bits and S_ISVTX
    uid_t owner = 0;
    gid_t group = 0;
};

/// A name in a directory.
struct ControlName {
    std::string name;
    bool is_directory = false;
};

/// Paths are relative to the control directory: "" is the directory itself, "status" a file, "groups/alice/weight".
/// Every Errno is what the caller gets: ENOENT, EPERM, EINVAL, EEXIST, EBUSY, ENODATA, EROFS, EACCES, ENOTDIR, EISDIR.
///
/// A file is read as a whole and written as a whole: one write(2) is one value, but for a file of lines, which may come
/// in several. What may be read and what may be set is decided here, by name and by `who`; the modes tell the kernel
/// the same.
class ControlPort {
public:
    /// In bytes. One value is one write; a longer text is none (EINVAL).
    static constexpr std::size_t kLongestValue = 4096;

    virtual ~ControlPort() = default;

    virtual Result<ControlNode> look(std::string_view path) = 0;
    virtual Result<std::vector<ControlName>> list(std::string_view path) = 0;  ///< without "." and ".."
    virtual Result<std::string> read(std::string_view path) = 0;               ///< a whole file, as of now
    /// `goes_on`: the write does not stand at the beginning of the file, or appends.
    virtual Status write(std::string_view path, std::string_view text, bool goes_on, const ControlCaller& who) = 0;
    virtual Status make_directory(std::string_view path, const ControlCaller& who) = 0;
    virtual Status remove_directory(std::string_view path, const ControlCaller& who) = 0;

    /// "user.bandfs.weight", ...: those that can be set and have a value, so that a dump of them can be restored.
    virtual Result<std::vector<std::string>> list_xattrs(std::string_view path) = 0;
    virtual Result<std::string> get_xattr(std::string_view path, std::string_view name) = 0;
    virtual Status set_xattr(std::string_view path, std::string_view name, std::string_view value,
                             const ControlCaller& who) = 0;
};

}  // namespace bandfs
