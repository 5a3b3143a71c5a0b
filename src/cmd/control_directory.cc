#include "cmd/control_directory.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>

#include "sys/mount_table.h"
#include "sys/unique_fd.h"

namespace bandfs {
namespace {

constexpr std::size_t kMaxValue = 64 * 1024;  // the kernel's bound on an attribute

std::string attribute(const std::string& name) {
    return "user.bandfs." + name;
}

}  // namespace

Outcome<ControlDirectory> ControlDirectory::of(const std::string& path, const std::string& name) {
    const UniqueFd place(::open(path.c_str(), O_PATH | O_CLOEXEC));
    if (!place) return system_failure(ExitCode::no_mount, path, last_errno());
    const auto mount = mount_of(place.get());
    if (!mount) return system_failure(ExitCode::no_mount, path, mount.error());
    const std::string directory = mount->mount_point + "/" + name;
    struct stat facts {};
    if (!mount->type.starts_with("fuse") || ::stat((directory + "/status").c_str(), &facts) != 0) {
        return Failure{ExitCode::no_mount, path + ": is not on a bandfs mount with a control directory " + name};
    }
    return ControlDirectory(mount->mount_point, directory);
}

Outcome<std::string> ControlDirectory::read(const std::string& file) const {
    const std::string path = path_ + "/" + file;
    const UniqueFd stream(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!stream) return system_failure(ExitCode::no_mount, path, last_errno());
    std::string text;
    std::array<char, 64 * 1024> piece;
    ssize_t got = 0;
    while ((got = ::read(stream.get(), piece.data(), piece.size())) > 0)
        text.append(piece.data(), static_cast<std::size_t>(got));
    if (got < 0) return system_failure(ExitCode::no_mount, path, last_errno());
    return text;
}

Result<std::string> ControlDirectory::get(const std::string& name) const {
    std::string value(kMaxValue, '\0');
    const ssize_t size = ::getxattr(path_.c_str(), attribute(name).c_str(), value.data(), value.size());
    if (size < 0) return last_errno();
    value.resize(static_cast<std::size_t>(size));
    return value;
}

Status ControlDirectory::set(const std::string& name, const std::string& value) const {
    if (::setxattr(path_.c_str(), attribute(name).c_str(), value.data(), value.size(), 0) != 0) return last_errno();
    return {};
}

std::vector<std::string> visible_mounts() {
    std::vector<std::string> mounts;
    const auto entries = read_mount_table();
    if (!entries) return mounts;
    for (const MountEntry& entry : *entries) {
        if (entry.type == "fuse.bandfs" && entry.root == "/") mounts.push_back(entry.mount_point);
    }
    return mounts;
}

}  // namespace bandfs
