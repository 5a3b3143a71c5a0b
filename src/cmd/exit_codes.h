// cmd/exit_codes.h - the exit codes of `bandfs`, a promise of the manual.
#pragma once

#include <span>
#include <string_view>

namespace bandfs {

/// 1, 2, 8 and 32 mean what they mean for mount(8), which passes a helper's code on.
enum class ExitCode : int {
    ok = 0,
    usage = 1,
    system = 2,
    source = 3,
    mountpoint = 4,
    conflict = 5,
    permission = 6,
    server = 7,
    interrupted = 8,
    no_mount = 9,
    refused = 10,
    degraded = 11,
    config = 12,
    mount = 32,
};

struct ExitCodeMeaning {
    ExitCode code;
    std::string_view meaning;
};

/// Every code with the sentence that --help prints and the manual explains.
std::span<const ExitCodeMeaning> exit_code_meanings();

/// The code of this number as a server sent it; `server` when there is none.
ExitCode exit_code_of(int number);

}  // namespace bandfs
