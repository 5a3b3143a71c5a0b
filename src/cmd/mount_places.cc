#include "cmd/mount_places.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>

namespace bandfs {
namespace {

Failure failure_at(const std::string& path, ExitCode code, Errno why) {
    if (why == Errno{ENOTCONN})
        return {code, path + ": is a mount whose server is gone; unmount it first (umount " + path + ")"};
    return system_failure(code, path, why);
}

Outcome<std::string> real_path(const std::string& path, ExitCode code) {
    const std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr), &std::free);
    if (real == nullptr) return failure_at(path, code, last_errno());
    return std::string(real.get());
}

}  // namespace

bool lies_below(const std::string& path, const std::string& directory) {
    const std::string prefix = directory == "/" ? "/" : directory + "/";
    return path.size() > prefix.size() && path.starts_with(prefix);
}

std::string what_is_hidden(int source_directory, const std::string& source, const std::string& control_name) {
    struct stat facts {};
    if (control_name.empty() || ::fstatat(source_directory, control_name.c_str(), &facts, AT_SYMLINK_NOFOLLOW) != 0)
        return "";
    return source + "/" + control_name +
           " is hidden by the control directory; option control=NAME gives that another name";
}

Outcome<MountPlaces> look_at_places(const std::string& source, const std::string& mountpoint) {
    auto real_source = real_path(source, ExitCode::source);
    if (!real_source) return real_source.failure();
    UniqueFd directory(::open(real_source->c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!directory) return failure_at(source, ExitCode::source, last_errno());
    if (::faccessat(AT_FDCWD, real_source->c_str(), X_OK, AT_EACCESS) != 0)
        return failure_at(source, ExitCode::source, last_errno());

    auto real_mountpoint = real_path(mountpoint, ExitCode::mountpoint);
    if (!real_mountpoint) return real_mountpoint.failure();
    struct stat facts {};
    if (::stat(real_mountpoint->c_str(), &facts) != 0) {
        return failure_at(mountpoint, ExitCode::mountpoint, last_errno());
    }
    if (!S_ISDIR(facts.st_mode)) return system_failure(ExitCode::mountpoint, mountpoint, Errno{ENOTDIR});
    if (lies_below(*real_mountpoint, *real_source)) {
        return Failure{ExitCode::mountpoint,
                       mountpoint + ": lies below SOURCE (" + *real_source + "); the mount would contain itself"};
    }
    return MountPlaces{std::move(*real_source), std::move(*real_mountpoint), std::move(directory)};
}

}  // namespace bandfs
