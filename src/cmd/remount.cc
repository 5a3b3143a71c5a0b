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
    const Status changed = change_mount_flags(mount->mount_point, request->kernel_flags);
    if (changed) return Done{};
    const bool forbidden = changed.error() == Errno{EPERM};
    return system_failure(forbidden ? ExitCode::permission : ExitCode::mount, line.mountpoint + ": cannot be remounted",
                          changed.error());
}

}  // namespace bandfs
