#include "sys/namespaces.h"

#include <sys/stat.h>

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

}  // namespace bandfs
