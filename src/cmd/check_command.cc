// `bandfs check`: everything that is wrong with a configuration file, and where.

#include <cstdio>

#include "cmd/mount_config.h"
#include "cmd/subcommands.h"
#include "control/reconfigure.h"

namespace bandfs {
namespace {

/// What the keys of a mount, each right by itself, are together; empty when the mount could be made.
std::string flaw_of(const ConfiguredMount& mount, const ConfiguredDeviceGroup* device_group) {
    if (std::string flaw = flaw_of_options(mount); !flaw.empty()) return flaw;
    const auto request = parse_mount_request(options_of(mount, device_group), groups_of(mount));
    if (!request) return request.failure().message;
    return why_impossible(request->device, request->wanted);
}

/// Whether a device group's own keys go together.
std::string flaw_of(const ConfiguredDeviceGroup& device_group) {
    const auto request = parse_mount_request(options_of({}, &device_group));
    if (!request) return request.failure().message;
    return why_impossible(request->device, {});
}

void add_flaws(ParsedConfig& parsed) {
    const auto add = [&](const ConfigPlace& place, std::string text) {
        if (!text.empty()) parsed.problems.push_back({place.line, place.column, std::move(text)});
    };
    for (const ConfiguredDeviceGroup& each : parsed.config.device_groups) {
        add(each.place, flaw_of(each));
    }
    if (!parsed.ok()) return;
    for (const ConfiguredMount& mount : parsed.config.mounts) {
        const ConfiguredDeviceGroup* const device_group =
            mount.device_group ? parsed.config.find_device_group(*mount.device_group) : nullptr;
        ConfiguredMount alone = mount;
        alone.options.reset();
        std::string flaw = flaw_of(alone, device_group);
        if (flaw.empty()) {
            add(mount.options_place, flaw_of(mount, device_group));
        } else {
            add(mount.place, std::move(flaw));
        }
    }
}

}  // namespace

Outcome<Done> run_check(const SubcommandLine& line) {
    const std::string path = line.operands.empty() ? std::string(kSystemConfig) : line.operands[0];
    ParsedConfig parsed = read_config(path);
    if (parsed.ok()) add_flaws(parsed);
    for (const ConfigProblem& problem : parsed.problems) std::fprintf(stderr, "%s\n", describe(problem, path).c_str());
    if (!parsed.ok()) return Failure{ExitCode::config, ""};
    return Done{};
}

}  // namespace bandfs
