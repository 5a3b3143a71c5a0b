#include "sys/runtime_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>

namespace bandfs {

std::string runtime_directory_path(uid_t uid, const char* xdg_runtime_dir) {
    if (uid == 0) return "/run/bandfs";
    if (xdg_runtime_dir != nullptr && xdg_runtime_dir[0] == '/') return std::string(xdg_runtime_dir) + "/bandfs";
    return "/tmp/bandfs-" + std::to_string(uid);
}

Result<UniqueFd> open_runtime_directory(const std::string& path, uid_t uid, bool make) {
    if (make && ::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return last_errno();
    UniqueFd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!directory) {
        const Errno why = last_errno();
        return why == Errno{ENOTDIR} || why == Errno{ELOOP} ? Errno{EPERM} : why;
    }
    struct stat facts {};
    if (::fstat(directory.get(), &facts) != 0) return last_errno();
    if (facts.st_uid != uid || (facts.st_mode & 077) != 0) return Errno{EPERM};
    return directory;
}

Result<std::vector<std::string>> names_ending_in(int directory, std::string_view suffix) {
    const int again = ::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (again < 0) return last_errno();
    DIR* stream = ::fdopendir(again);
    if (stream == nullptr) {
        const Errno why = last_errno();
        ::close(again);
        return why;
    }
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(stream)) {
        const std::string_view name = entry->d_name;
        if (name.size() > suffix.size() && name.ends_with(suffix)) {
            names.emplace_back(name.substr(0, name.size() - suffix.size()));
        }
    }
    ::closedir(stream);
    std::sort(names.begin(), names.end());
    return names;
}

Result<UniqueFd> take_lock(int directory, std::string_view name) {
    const std::string file(name);
    while (true) {
        UniqueFd lock(::openat(directory, file.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
        if (!lock) return last_errno();
        if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) return last_errno();
        struct stat held {
        }, named{};
        if (::fstat(lock.get(), &held) != 0) return last_errno();
        if (::fstatat(directory, file.c_str(), &named, AT_SYMLINK_NOFOLLOW) == 0 && held.st_dev == named.st_dev &&
            held.st_ino == named.st_ino) {
            return lock;
        }
    }
}

void remove_lock(int directory, std::string_view name) {
    ::unlinkat(directory, std::string(name).c_str(), 0);
}

}  // namespace bandfs
