#include "sys/mount_table.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <fstream>
#include <sstream>
#include <string>

namespace bandfs {

bool is_whole_file_system(int fd, int mount_id) {
    struct statx attributes {};
    if (::statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, &attributes) != 0) return false;
    if ((attributes.stx_attributes & STATX_ATTR_MOUNT_ROOT) == 0) return false;
    std::ifstream table("/proc/self/mountinfo");
    for (std::string line; std::getline(table, line);) {
        std::istringstream fields(line);
        int id = 0, parent = 0;
        std::string device, root;
        if (fields >> id >> parent >> device >> root && id == mount_id) return root == "/";
    }
    return false;
}

}  // namespace bandfs
