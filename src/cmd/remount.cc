#include "cmd/remount.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <string_view>
#include <vector>

#include "cmd/mount_request.h"
#include "cmd/option_table.h"
#include "sys/fuse_mount.h"
#include "sys/mount_table.h"
#include "sys/unique_fd.h"

namespace bandfs {
namespace {

// What the kernel shows in the mount table of a FUSE mount, and mount(8) hands back.
constexpr std::array<std::string_view, 3> kOfTheKernel{"user_id", "group_id", "blksize"};

bool is_of_the_kernel(const WrittenOption& option) {
    return std::find(kOfTheKernel.begin(), kOfTheKernel.end(), option.name) != kOfTheKernel.end();
}

/// SOURCE, as it is said here or in the mount table; nothing when both have another name of it (fsname=).
UniqueFd source_of(const MountLine& line, const MountEntry& mount) {
    UniqueFd directory;
    for (const std::string& source : {line.source, mount.source}) {
        if (directory || !source.starts_with('/') || source == mount.mount_point) continue;  // which hides it
        directory = UniqueFd(::open(source.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    }
    return directory;
}

}  // namespace

bool is_remount(const MountLine& line) {
    return std::ranges::any_of(line.options, [](const WrittenOption& option) { return option.name == "remount"; });
}

Outcome<Done> remount(const MountLine& line) {
    std::vector<WrittenOption> options;
    std::ranges::remove_copy_if(line.options, std::back_inserter(options), is_of_the_kernel);
    const auto request = parse_mount_request(options);
    if (!request) return request.failure();

    const UniqueFd place(::open(line.mountpoint.c_str(), O_PATH | O_CLOEXEC));
    if (!place) return system_failure(ExitCode::mountpoint, line.mountpoint, last_errno());
    const auto mount = mount_of(place.get());
    if (!mount) return system_failure(ExitCode::mountpoint, line.mountpoint, mount.error());
    if (mount->type != "fuse." + request->subtype) {
        return Failure{ExitCode::no_mount, line.mountpoint + ": is not on a bandfs mount"};
    }
    // When a read counts as an access, the kernel leaves as it is when it is told nothing.
    const UniqueFd source = source_of(line, *mount);
    unsigned long flags = request->kernel_flags;
    if (source) flags |= access_time_flag(flags, source.get());
    const Status changed = change_mount_flags(mount->mount_point, flags);
    if (changed) return Done{};
    const bool forbidden = changed.error() == Errno{EPERM};
    return system_failure(forbidden ? ExitCode::permission : ExitCode::mount, line.mountpoint + ": cannot be remounted",
                          changed.error());
}

}  // namespace bandfs
