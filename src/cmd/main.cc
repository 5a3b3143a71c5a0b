// bandfs - mounts a directory and shares its disk by weight; see man/bandfs.8.

#include <cstdio>
#include <span>

#include "cmd/command_line.h"
#include "cmd/mount_command.h"
#include "cmd/subcommands.h"

int main(int argc, char** argv) {
    using namespace bandfs;
    const std::span arguments(argv, static_cast<std::size_t>(argc));
    if (argc > 1) {
        if (const Subcommand* subcommand = find_subcommand(argv[1])) {
            return static_cast<int>(run_subcommand(*subcommand, arguments.subspan(1)));
        }
    }
    const auto line = parse_command_line(arguments);
    if (!line) {
        std::fprintf(stderr, "bandfs: %s\n", line.failure().message.c_str());
        return static_cast<int>(line.failure().code);
    }
    if (line->mount) return static_cast<int>(run_mount(*line->mount));
    std::fputs(line->text.c_str(), stdout);
    return 0;
}
