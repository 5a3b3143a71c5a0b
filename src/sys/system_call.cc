#include "sys/system_call.h"

#include <sys/syscall.h>

#include <cstdlib>
#include <string>
#include <thread>

#include "sys/whole_file.h"

namespace bandfs {
namespace {

/// Of looks at a thread that has sent its request and not gone to sleep yet.
constexpr int kMostLooks = 1000;

bool is_chown(long number) {
    switch (number) {
#ifdef SYS_chown
        case SYS_chown:
        case SYS_lchown:
#endif
        case SYS_fchown:
        case SYS_fchownat:
            return true;
        default:
            return false;
    }
}

}  // namespace

bool waits_in_chown(pid_t tid) {
    const std::string path = "/proc/" + std::to_string(tid) + "/syscall";
    for (int look = 0; tid != 0 && look != kMostLooks; ++look) {
        // A number and arguments, "-1" and pointers, or "running".
        const Result<std::string> text = read_whole_file(path, 4096);
        if (!text) return false;
        if (!text->starts_with("running")) return is_chown(std::strtol(text->c_str(), nullptr, 10));
        std::this_thread::yield();
    }
    return false;
}

}  // namespace bandfs
