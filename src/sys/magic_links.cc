#include "sys/magic_links.h"

#include <fcntl.h>

namespace bandfs {

Result<MagicLinks> MagicLinks::open() {
    UniqueFd directory(::open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!directory) return last_errno();
    return MagicLinks(std::move(directory));
}

Result<UniqueFd> MagicLinks::reopen(int fd, int flags) const {
    UniqueFd opened(::openat(directory(), name(fd).c_str(), flags | O_CLOEXEC));
    if (!opened) return last_errno();
    return opened;
}

}  // namespace bandfs
