#include "sys/magic_links.h"

#include <fcntl.h>
#include <sys/stat.h>
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
    const std::string_view text(path.data(), static_cast<std::size_t>(length));
    constexpr std::string_view kDeleted = " (deleted)";
    if (!text.ends_with(kDeleted)) return std::string(text);
    struct stat file {
    }, named{};
    const bool is_its_name = ::fstat(fd, &file) == 0 && ::lstat(std::string(text).c_str(), &named) == 0 &&
                             file.st_dev == named.st_dev && file.st_ino == named.st_ino;
    return std::string(is_its_name ? text : text.substr(0, text.size() - kDeleted.size()));
}

}  // namespace bandfs
