// `bandfs reload`: has the servers of this user read their mounts' configuration files again. All servers are asked
// first whether they could; when one cannot, none does.

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include <nlohmann/json.hpp>

#include "cmd/subcommands.h"
#include "cmd/wire.h"
#include "sys/clock.h"
#include "sys/runtime_directory.h"
#include "sys/unix_socket.h"

namespace bandfs {
namespace {

constexpr TimeNs kReloadFor = 30 * kSecond;  // names of users may come over the network

using Lines = std::vector<std::string>;

/// What one server says. no_mount: it has no such mount, or is gone.
Outcome<Lines> ask(int directory, const std::string& server, const ReloadMessage& message) {
    const TimeNs deadline = now_ns() + kReloadFor;
    const auto connection = connect_to(directory, server + ".sock", deadline);
    if (!connection || !send_message(connection->get(), encode(message), {}, deadline)) {
        return Failure{ExitCode::no_mount, ""};
    }
    Lines lines;
    while (true) {
        const auto answer = receive_message(connection->get(), deadline);
        if (!answer) {
            return system_failure(ExitCode::server, "the server of device group " + server + " does not answer",
                                  answer.error());
        }
        if (auto line = decode_line(answer->text)) {
            lines.push_back(std::move(*line));
            continue;
        }
        if (const auto done = decode_answer(answer->text); !done) return done.failure();
        return lines;
    }
}

/// Whether a server serves the mount at this place.
bool serves(int directory, const std::string& server, const std::string& mountpoint) {
    const TimeNs deadline = now_ns() + kReloadFor;
    const auto connection = connect_to(directory, server + ".sock", deadline);
    if (!connection || !send_message(connection->get(), encode_list(), {}, deadline)) return false;
    while (true) {
        const auto answer = receive_message(connection->get(), deadline);
        const auto line = answer ? nlohmann::json::parse(answer->text, nullptr, false) : nlohmann::json();
        if (!line.is_object() || line.contains("end") || line.contains("ok")) return false;
        if (line.contains("mountpoint") && line["mountpoint"] == mountpoint) return true;
    }
}

/// A path as the server knows its mount; as it is when it does not lead anywhere.
std::string real(const std::string& path) {
    char* const found = ::realpath(path.c_str(), nullptr);
    const std::string text = found != nullptr ? found : path;
    std::free(found);
    return text;
}

}  // namespace

Outcome<Done> run_reload(const SubcommandLine& line) {
    const std::string target = line.operands.empty() ? "" : line.operands[0];
    const std::string path = runtime_directory_path(::geteuid(), std::getenv("XDG_RUNTIME_DIR"));
    const auto directory = open_runtime_directory(path, ::geteuid(), false);
    auto names = directory ? names_ending_in(directory->get(), ".sock") : Result<Lines>(Lines());
    if (!names) return system_failure(ExitCode::system, path, names.error());
    // What is no device group is a path.
    const bool is_path = !target.empty() && std::ranges::find(*names, target) == names->end();
    ReloadMessage message{is_path ? real(target) : "", false};
    if (!target.empty()) {
        std::erase_if(*names, [&](const std::string& name) {
            return is_path ? !serves(directory->get(), name, message.target) : name != target;
        });
    }
    Lines takers;
    for (const std::string& name : *names) {
        const auto answer = ask(directory->get(), name, message);
        if (answer) takers.push_back(name);
        if (!answer && answer.failure().code != ExitCode::no_mount) return answer.failure();
    }
    if (takers.empty() && !target.empty()) {
        return Failure{ExitCode::no_mount, target + ": is no mount or device group that a server of this user serves"};
    }
    message.apply = !line.has("check");
    for (const std::string& name : takers) {
        const auto answer = ask(directory->get(), name, message);
        if (!answer && answer.failure().code == ExitCode::no_mount) continue;  // it has left meanwhile
        if (!answer) return answer.failure();
        for (const std::string& each : *answer) std::printf("%s\n", each.c_str());
    }
    return Done{};
}

}  // namespace bandfs
