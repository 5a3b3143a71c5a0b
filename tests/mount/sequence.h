// tests/mount/sequence.h - a random sequence of system calls by several users on a small tree, and what it shows.
//
// A sequence is made from its seed alone, before anything runs, so that the same one runs on the bare file system and
// through bandfs, and steps can be left out of it.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace bandfs::mount_test {

enum class Call : std::uint8_t {
    open,
    open_temporary,
    close,
    mkdir,
    mknod,
    symlink,
    link,
    link_open,
    rename,
    unlink,
    rmdir,
    chmod,
    fchmod,
    chown,
    fchown,
    truncate,
    ftruncate,
    utimens,
    futimens,
    write,
    read,
    map,
    fallocate,
    seek,
    copy_range,
    setxattr,
    getxattr,
    listxattr,
    removexattr,
    access,
    list,
    stat,
    fstat,
    readlink,
    flock,
    lock,
    fsync,
    kMost,
};

/// One call. Which members mean something is the call's affair; each was drawn from what suits it.
struct Step {
    int number = 0;  ///< in the whole sequence
    Call call = Call::stat;
    int actor = 0;  ///< 0: root
    int slot = 0;   ///< of an open file; -1: no file
    int other = 0;  ///< a second one
    std::string path;
    std::string target;  ///< a second path, a link's content, the name of an attribute
    std::uint32_t flags = 0;
    std::uint32_t mode = 0;
    std::int64_t offset = 0;
    std::int64_t length = 0;
    uid_t uid = 0;
    gid_t gid = 0;
};

/// As it is printed when it shows a difference.
std::string text_of(const Step& step);

std::vector<Step> make_sequence(std::uint64_t seed, int steps);

/// Makes the tree in the current directory, runs the steps as their actors, and returns a line for each call's answer
/// and each file that is there at the end. `observant`: the file is looked at before and after each call. Changes the
/// ids and the umask of the process: for a child.
std::string run_sequence(const std::vector<Step>& steps, bool observant);

/// Everything in the current directory and below it, by name.
std::string picture_of_tree();
/// Type, mode, links, owners, size and, where it was set to a moment of the past, time of modification.
std::string picture_of(const struct stat& attr);

}  // namespace bandfs::mount_test
