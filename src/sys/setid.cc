#include "sys/setid.h"

#include <sys/stat.h>

#include <utility>

#include "sys/magic_links.h"

namespace bandfs {
namespace {

constexpr mode_t kModeBits = 07777;

}  // namespace

mode_t falling_setid_bits(mode_t mode, gid_t group, const std::function<bool(gid_t)>& in_group) {
    mode_t falling = mode & S_ISUID;
    if ((mode & S_ISGID) && ((mode & S_IXGRP) || !in_group(group))) falling |= S_ISGID;
    return falling;
}

Result<bool> clear_setid_bits(int fd, const std::function<bool(gid_t)>& in_group) {
    struct stat file {};
    if (::fstat(fd, &file) != 0) return last_errno();
    const mode_t falling = falling_setid_bits(file.st_mode, file.st_gid, in_group);
    if (falling == 0) return false;
    if (::fchmod(fd, file.st_mode & kModeBits & ~falling) != 0) return last_errno();
    return true;
}

SetidKeeper::SetidKeeper(int fd) : fd_(fd) {
    struct stat file {};
    if (::fstat(fd, &file) == 0 && (file.st_mode & (S_ISUID | S_ISGID))) mode_ = file.st_mode & kModeBits;
}

SetidKeeper::~SetidKeeper() {
    (void)restore();
}

Status SetidKeeper::restore() {
    constexpr mode_t kOthers = kModeBits & ~mode_t{S_ISUID | S_ISGID};
    const mode_t mode = std::exchange(mode_, 0);
    struct stat file {};
    if (mode == 0 || ::fstat(fd_, &file) != 0 || (file.st_mode & kModeBits) == mode) return {};
    if ((file.st_mode & kOthers) != (mode & kOthers)) return {};
    // fchmod(2) refuses O_PATH.
    if (::chmod(MagicLinks::path(fd_).c_str(), mode) != 0) return last_errno();
    return {};
}

}  // namespace bandfs
