#include "sys/tuning.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <fstream>
#include <string>

#include "sys/unique_fd.h"

namespace bandfs {

Status set_readahead(dev_t device, std::uint32_t kib) {
    const std::string path =
        "/sys/class/bdi/" + std::to_string(::major(device)) + ":" + std::to_string(::minor(device)) + "/read_ahead_kb";
    const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!file) return last_errno();
    const std::string text = std::to_string(kib);
    if (::write(file.get(), text.data(), text.size()) < 0) return last_errno();
    return {};
}

std::optional<std::uint32_t> request_timeout_s(const std::string& settings) {
    std::optional<std::uint32_t> shortest;
    for (const char* const name : {"/default_request_timeout", "/max_request_timeout"}) {
        std::uint32_t seconds = 0;
        std::ifstream(settings + name) >> seconds;
        if (seconds != 0) shortest = std::min(seconds, shortest.value_or(seconds));
    }
    return shortest;
}

Status become_io_flusher() {
    if (::prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0) != 0) return last_errno();
    return {};
}

}  // namespace bandfs
