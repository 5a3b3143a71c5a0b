#include "cmd/exit_codes.h"

#include <array>

namespace bandfs {
namespace {

constexpr std::array kMeanings = {
    ExitCodeMeaning{ExitCode::ok, "The mount answers, or the subcommand did what it was asked."},
    ExitCodeMeaning{ExitCode::usage, "The command line or an option is wrong."},
    ExitCodeMeaning{ExitCode::system,
                    "The system refused something that any command needs (memory, processes, sockets)."},
    ExitCodeMeaning{ExitCode::source, "SOURCE cannot be used."},
    ExitCodeMeaning{ExitCode::mountpoint, "MOUNTPOINT cannot be used."},
    ExitCodeMeaning{
        ExitCode::conflict,
        "An option differs from what the running device group has in force, or its server cannot take the mount."},
    ExitCodeMeaning{ExitCode::permission, "Not permitted to this user."},
    ExitCodeMeaning{ExitCode::server, "The server process did not answer in time, or ended."},
    ExitCodeMeaning{ExitCode::interrupted, "Interrupted by a signal."},
    ExitCodeMeaning{ExitCode::no_mount, "There is no bandfs mount there, or its control directory is off."},
    ExitCodeMeaning{ExitCode::refused, "A message was refused; nothing was changed."},
    ExitCodeMeaning{ExitCode::degraded, "Doctor found something missing or degraded."},
    ExitCodeMeaning{ExitCode::config, "A configuration file is wrong, or cannot be applied; nothing was changed."},
    ExitCodeMeaning{ExitCode::mount, "The kernel or fusermount3 refused to mount."},
};

}  // namespace

std::span<const ExitCodeMeaning> exit_code_meanings() {
    return kMeanings;
}

ExitCode exit_code_of(int number) {
    for (const ExitCodeMeaning& known : kMeanings) {
        if (static_cast<int>(known.code) == number) return known.code;
    }
    return ExitCode::server;
}

}  // namespace bandfs
