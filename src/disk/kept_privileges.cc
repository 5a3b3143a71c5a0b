#include "disk/kept_privileges.h"

#include "sys/magic_links.h"

namespace bandfs {

void KeptPrivileges::begin(int fd) {
    const std::lock_guard lock(mutex_);
    if (writes_++ != 0) return;
    bits_.emplace(fd);
    capabilities_.emplace(MagicLinks::path(fd));
}

void KeptPrivileges::end() {
    const std::lock_guard lock(mutex_);
    if (--writes_ != 0) return;
    bits_.reset();
    (void)capabilities_->restore();  // what was stored is written, and that is what the answer tells
    capabilities_.reset();
}

}  // namespace bandfs
