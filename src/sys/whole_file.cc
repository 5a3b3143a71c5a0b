// sys/whole_file.cc
#include "sys/whole_file.h"

#include <fcntl.h>
#include <unistd.h>

#include "sys/unique_fd.h"

namespace bandfs {

Result<std::string> read_whole_file(const std::string& path, std::size_t limit) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!fd) return last_errno();
    std::string text(limit + 1, '\0');
    std::size_t length = 0;
    while (length < text.size()) {
        const ssize_t got = ::read(fd.get(), text.data() + length, text.size() - length);
        if (got < 0) return last_errno();
        if (got == 0) break;
        length += static_cast<std::size_t>(got);
    }
    if (length > limit) return Errno{EFBIG};
    text.resize(length);
    return text;
}

}  // namespace bandfs
