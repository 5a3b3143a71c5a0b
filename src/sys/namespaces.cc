#include "sys/namespaces.h"

#include <sys/stat.h>
#include <unistd.h>

#include <string_view>

namespace bandfs {

bool shares_namespace(const std::string& process, const char* kind, bool untold) {
    struct stat theirs {
    }, ours{};
    if (::stat((process + "/ns/" + kind).c_str(), &theirs) != 0) return untold;
    if (::stat((std::string("/proc/self/ns/") + kind).c_str(), &ours) != 0) return untold;
    return theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino;
}

bool is_in_our_namespaces(pid_t process) {
    const std::string place = "/proc/" + std::to_string(process);
    return process > 0 && shares_namespace(place, "pid", true) && shares_namespace(place, "user", true);
}

bool proc_is_ours() {
    char number[16];
    const ssize_t length = ::readlink("/proc/self", number, sizeof number);
    return length > 0 && std::string_view(number, static_cast<std::size_t>(length)) == std::to_string(::getpid());
}

}  // namespace bandfs
