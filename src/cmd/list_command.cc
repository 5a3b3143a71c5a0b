// `bandfs list`: asks every server of this user what it serves.

#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include <nlohmann/json.hpp>

#include "cmd/subcommands.h"
#include "cmd/wire.h"
#include "control/event_log.h"
#include "sys/clock.h"
#include "sys/runtime_directory.h"
#include "sys/unix_socket.h"

namespace bandfs {
namespace {

using Json = nlohmann::json;

constexpr TimeNs kListFor = 5 * kSecond;

bool is_gone(Errno error) {
    return error == Errno{ECONNREFUSED} || error == Errno{ENOENT} || error == Errno{EPIPE};
}

/// The mounts of one server; none when it left meanwhile.
Outcome<Json> ask_server(int directory, const std::string& name) {
    Json mounts = Json::array();
    const TimeNs deadline = now_ns() + kListFor;
    const auto failed = [&](Errno error) -> Outcome<Json> {
        if (is_gone(error)) return mounts;
        return system_failure(ExitCode::server, "device group " + name + ": its server does not answer", error);
    };
    const auto connection = connect_to(directory, name + ".sock", deadline);
    if (!connection) return failed(connection.error());
    if (const Status sent = send_message(connection->get(), encode_list(), {}, deadline); !sent)
        return failed(sent.error());
    while (true) {
        const auto message = receive_message(connection->get(), deadline);
        if (!message) return failed(message.error());
        Json line = Json::parse(message->text, nullptr, false);
        if (!line.is_object()) return failed(Errno{EBADMSG});
        if (line.contains("end")) return mounts;
        if (line.contains("ok")) {
            const auto said = decode_answer(message->text);
            return said ? Failure{ExitCode::server, "device group " + name + ": an answer that is not understood"}
                        : said.failure();
        }
        if (line.contains("mountpoint")) {
            line["groups"] = Json::array();
            mounts.push_back(std::move(line));
        } else if (line.contains("groups") && !mounts.empty()) {
            for (Json& group : line["groups"]) mounts.back()["groups"].push_back(std::move(group));
        }
    }
}

/// Device groups with their mounts, what --json prints; `ret_failed` is the last failure of those that do not answer.
Json all_device_groups(Outcome<Done>& ret_failed) {
    Json all = Json::array();
    const std::string path = runtime_directory_path(::geteuid(), std::getenv("XDG_RUNTIME_DIR"));
    const auto directory = open_runtime_directory(path, ::geteuid(), false);
    const auto names =
        directory ? names_ending_in(directory->get(), ".sock") : Result<std::vector<std::string>>(Errno{ENOENT});
    if (!names) return all;
    for (const std::string& name : *names) {
        Outcome<Json> answer = ask_server(directory->get(), name);
        if (!answer) {
            if (!ret_failed) std::fprintf(stderr, "bandfs: %s\n", ret_failed.failure().message.c_str());
            ret_failed = answer.failure();
            continue;
        }
        Json& mounts = *answer;
        if (mounts.empty()) continue;
        Json group{{"name", name}};
        for (const char* key : {"pid", "policy", "io_throttle", "io_limit", "token"})
            group[key] = mounts[0].value(key, Json());
        for (Json& mount : mounts) {
            for (const char* key : {"device_group", "pid", "policy", "io_throttle", "io_limit", "token"})
                mount.erase(key);
        }
        group["mounts"] = std::move(mounts);
        all.push_back(std::move(group));
    }
    return all;
}

/// Names are anybody's, and a terminal obeys some.
std::string plain(const Json& value) {
    return EventLog::printable(value.is_string() ? value.get<std::string>() : value.dump());
}

void print(const Json& device_groups) {
    for (const Json& group : device_groups) {
        std::printf("%s  policy=%s io_throttle=%s io_limit=%s token=%s pid=%s\n", plain(group["name"]).c_str(),
                    plain(group["policy"]).c_str(), plain(group["io_throttle"]).c_str(),
                    plain(group["io_limit"]).c_str(), plain(group["token"]).c_str(), plain(group["pid"]).c_str());
        for (const Json& mount : group["mounts"]) {
            std::printf("  %s  source=%s type=%s\n", plain(mount["mountpoint"]).c_str(), plain(mount["source"]).c_str(),
                        plain(mount["type"]).c_str());
            for (const Json& member : mount["groups"]) {
                std::printf("    %-24s weight=%s\n", plain(member["name"]).c_str(), plain(member["weight"]).c_str());
            }
        }
    }
}

}  // namespace

Outcome<Done> run_list(const SubcommandLine& line) {
    Outcome<Done> failed = Done{};
    const Json device_groups = all_device_groups(failed);
    if (line.has("json")) {
        std::printf("%s\n", device_groups.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
    } else {
        print(device_groups);
    }
    return failed;
}

}  // namespace bandfs
