#include "sys/magic_links.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <string_view>

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

Result<std::string> path_of_descriptor(int fd) {
    std::array<char, PATH_MAX> path;
    const ssize_t length = ::readlink(MagicLinks::path(fd).c_str(), path.data(), path.size());
    if (length < 0) return last_errno();
    return std::string(path.data(), static_cast<std::size_t>(length));
}

}  // namespace bandfs
