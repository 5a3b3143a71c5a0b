// sys/magic_links.h - what only a descriptor leads to, as a path: /proc/self/fd.
//
// An O_PATH descriptor names a file but most calls refuse it. Its magic link in /proc leads to that very file, whatever
// became of its name, and cannot be led astray by a symbolic link.
#pragma once

#include <string>

#include "sys/result.h"
#include "sys/unique_fd.h"

namespace bandfs {

/// The magic links of this process. Thread-safe. Must be opened by the process that uses it: not before a fork().
class MagicLinks {
public:
    /// ENOENT, EACCES: no /proc.
    static Result<MagicLinks> open();

    /// Opens what `fd` refers to anew. Requires that it is a regular file or a directory.
    Result<UniqueFd> reopen(int fd, int flags) const;

    /// The directory that holds the links, and the name of fd's there: for *at() calls that follow links.
    int directory() const { return directory_.get(); }
    static std::string name(int fd) { return std::to_string(fd); }
    /// The same as an absolute path, for calls that have no *at() form.
    static std::string path(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

private:
    explicit MagicLinks(UniqueFd directory) : directory_(std::move(directory)) {}

    UniqueFd directory_;
};

/// Where the kernel says that a descriptor leads, as a path; " (deleted)" follows a name that was removed.
Result<std::string> path_of_descriptor(int fd);

}  // namespace bandfs
