// `bandfs top`: the live view, or one table or JSON of the next second.

#include <unistd.h>

#include <cstdio>
#include <ctime>

#include "cmd/control_directory.h"
#include "cmd/subcommands.h"
#include "cmd/top_rows.h"
#include "cmd/top_screen.h"
#include "sys/clock.h"

namespace bandfs {
namespace {

constexpr std::size_t kPlainColumns = 120;  // of --once, which goes to files and pipes

/// Samples the mounts; those that vanish are left out. False when none is left.
bool take_sample(const std::vector<std::string>& mounts, const std::string& control, TopSample& ret) {
    ret.taken_s = static_cast<double>(now_ns()) * 1e-9;
    bool any = false;
    for (const std::string& mount : mounts) {
        const auto directory = ControlDirectory::of(mount, control);
        const auto status = directory ? directory->read("status.json") : Outcome<std::string>(directory.failure());
        any |= status && add_status(*status, ret);
    }
    return any;
}

void print(const std::vector<TopRow>& rows, bool json) {
    if (json) {
        std::printf("%s\n", rows_json(rows).c_str());
    } else {
        std::printf("%s\n", heading(kPlainColumns).c_str());
        for (const TopRow& row : rows) std::printf("%s\n", table_line(row, kPlainColumns).c_str());
    }
    std::fflush(stdout);
}

/// A table per second: one with --once, else until the mounts are gone or nobody reads any more.
Outcome<Done> print_tables(const std::function<bool(TopSample&)>& sample, bool once, bool json) {
    TopSample before;
    if (!sample(before)) return Failure{ExitCode::no_mount, "there is no bandfs mount with a control directory"};
    do {
        const timespec second{.tv_sec = 1, .tv_nsec = 0};
        ::nanosleep(&second, nullptr);
        TopSample now;
        if (!sample(now)) return Done{};
        print(rows_between(before, now), json);
        before = std::move(now);
    } while (!once && !std::ferror(stdout));
    return Done{};
}

}  // namespace

Outcome<Done> run_top(const SubcommandLine& line) {
    const std::string control = line.value("control", ".bandfs");
    const auto mounts = line.operands.empty() ? visible_mounts() : line.operands;
    if (!line.operands.empty()) {
        if (const auto directory = ControlDirectory::of(mounts[0], control); !directory) return directory.failure();
    } else if (mounts.empty()) {
        return Failure{ExitCode::no_mount, "there is no bandfs mount"};
    }
    const auto sample = [&](TopSample& ret) { return take_sample(mounts, control, ret); };
    if (line.has("once") || line.has("json")) return print_tables(sample, line.has("once"), line.has("json"));
    switch (::isatty(STDOUT_FILENO) ? show_top(sample) : TopEnd::unusable) {
        case TopEnd::left:
            break;
        case TopEnd::over:
            return Failure{ExitCode::no_mount, "top: there is no mount left to show"};
        case TopEnd::interrupted:
            return Failure{ExitCode::interrupted, ""};
        case TopEnd::unusable:
            return Failure{ExitCode::usage, "top: this is no terminal it could draw on; use --once or --json"};
    }
    return Done{};
}

}  // namespace bandfs
