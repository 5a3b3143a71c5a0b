// `bandfs status` and `bandfs set`: reading and writing the control directory of a mount.

#include <cstdio>

#include "cmd/control_directory.h"
#include "cmd/subcommands.h"
#include "control/event_log.h"
#include "control/messages.h"
#include "control/nearest.h"
#include "fuse/control_port.h"

namespace bandfs {
namespace {

/// The reports of some mounts: as JSON an array, as text each below the name of its mount.
Outcome<Done> print_all(const std::vector<std::string>& mounts, const std::string& control, bool json) {
    std::string text = json ? "[" : "";
    for (const std::string& mount : mounts) {
        const auto directory = ControlDirectory::of(mount, control);
        if (!directory) continue;  // another user's, or without control directory, or its server is gone
        const auto report = directory->read(json ? "status.json" : "status");
        if (!report) continue;
        if (json) {
            text += (text.size() > 1 ? "," : "") + *report;
        } else {
            text += EventLog::printable(mount) + "\n" + *report;
        }
    }
    std::printf("%s%s", text.c_str(), json ? "]\n" : "");
    return Done{};
}

/// Why the server would refuse a message, as far as that can be said without it; "" when nothing is known to be wrong.
std::string flaw_of(const ControlDirectory& directory, const std::string& name, const std::string& argument) {
    const ControlMessage* const message = find_message(name);
    if (message == nullptr) {
        std::vector<std::string_view> names;
        for (const ControlMessage& known : messages()) names.push_back(known.name);
        const std::string nearest = nearest_name(name, names);
        return nearest.empty() ? "there is no such message" : "there is no such message; did you mean " + nearest + "?";
    }
    const auto type_name = directory.get("type");
    const auto type = type_name ? group_type_named(*type_name) : std::nullopt;
    if (!type) return {};
    return parse_argument(message->form, *type, argument).reason;
}

/// Why the server refused a message just now, as it noted in the mount's log, which was `before`; "" when it did not.
std::string noted_reason(const ControlDirectory& directory, const std::string& name,
                         const Outcome<std::string>& before) {
    const auto log = directory.read("log");
    if (!log || !before || *log == *before) return {};
    constexpr std::string_view kRefused = " refused: ";
    const std::size_t at = log->rfind(std::string(kRefused) + name + " ");
    if (at == std::string::npos || log->find('\n', at) + 1 != log->size()) return {};  // another event came between
    return log->substr(at + kRefused.size(), log->size() - at - kRefused.size() - 1);
}

}  // namespace

Outcome<Done> run_status(const SubcommandLine& line) {
    const std::string control = line.value("control", ".bandfs");
    if (line.operands.empty()) return print_all(visible_mounts(), control, line.has("json"));
    const auto directory = ControlDirectory::of(line.operands[0], control);
    if (!directory) return directory.failure();
    const auto report = directory->read(line.has("json") ? "status.json" : "status");
    if (!report) return report.failure();
    std::fputs(report->c_str(), stdout);
    return Done{};
}

Outcome<Done> run_set(const SubcommandLine& line) {
    const auto directory = ControlDirectory::of(line.operands[0], line.value("control", ".bandfs"));
    if (!directory) return directory.failure();
    const std::string& name = line.operands[1];
    std::string argument;
    for (std::size_t i = 2; i < line.operands.size(); ++i) argument += (i > 2 ? " " : "") + line.operands[i];
    if (argument.size() > ControlPort::kLongestValue) {
        return Failure{ExitCode::refused, "message " + name + ": its text has " + std::to_string(argument.size()) +
                                              " bytes, and may have " + std::to_string(ControlPort::kLongestValue)};
    }
    const std::string what = "message " + name + (argument.empty() ? "" : " " + argument);
    if (const std::string flaw = flaw_of(*directory, name, argument); !flaw.empty()) {
        return Failure{ExitCode::refused, what + ": " + flaw};
    }
    const auto log = directory->read("log");
    const Status sent = directory->set(name, argument);
    if (sent) return Done{};
    const bool forbidden = sent.error() == Errno{EPERM} || sent.error() == Errno{EACCES};
    if (forbidden) return system_failure(ExitCode::permission, what, sent.error());
    const std::string reason = noted_reason(*directory, name, log);
    if (!reason.empty()) return Failure{ExitCode::refused, reason};
    return system_failure(ExitCode::refused, what, sent.error());
}

}  // namespace bandfs
