#include "sys/namespaces.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <string>

namespace bandfs {

bool is_in_our_namespaces(pid_t process) {
    if (process <= 0) return false;
    constexpr std::array kKinds{"pid", "user"};
    return std::ranges::all_of(kKinds, [process](const char* kind) {
        const std::string theirs = "/proc/" + std::to_string(process) + "/ns/" + kind;
        const std::string ours = std::string("/proc/self/ns/") + kind;
        struct stat a {
        }, b{};
        if (::stat(theirs.c_str(), &a) != 0 || ::stat(ours.c_str(), &b) != 0) return true;
        return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
    });
}

}  // namespace bandfs
