#include "sys/setid.h"

#include <sys/stat.h>

namespace bandfs {

Result<bool> clear_setid_bits(int fd) {
    struct stat file {};
    if (::fstat(fd, &file) != 0) return last_errno();
    mode_t mode = file.st_mode & 07777;
    mode &= ~static_cast<mode_t>(S_ISUID);
    if (mode & S_IXGRP) mode &= ~static_cast<mode_t>(S_ISGID);  // without it the bit meant mandatory locking
    if (mode == (file.st_mode & 07777)) return false;
    if (::fchmod(fd, mode) != 0) return last_errno();
    return true;
}

}  // namespace bandfs
