// `bandfs list`: asks every server of this user what it serves.

#include <unistd.h>

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

using Json = nlohmann::json;

constexpr TimeNs kAnswerFor = 5 * kSecond;

/// The mounts of one server; empty when it left meanwhile or does not answer.
Json ask_server(int directory, const std::string& name) {
    Json mounts = Json::array();
    const TimeNs deadline = now_ns() + kAnswerFor;
    const auto connection = connect_to(directory, name + ".sock", deadline);
    if (!connection || !send_message(connection->get(), encode_list(), {}, deadline)) return mounts;
    while (true) {
        const auto message = receive_message(connection->get(), deadline);
        Json line = message ? Json::parse(message->text, nullptr, false) : Json();
        if (!line.is_object() || line.contains("end") || line.contains("ok")) return mounts;
        if (line.contains("mountpoint")) {
            line["groups"] = Json::array();
            mounts.push_back(std::move(line));
        } else if (line.contains("groups") && !mounts.empty()) {
            for (Json& group : line["groups"]) mounts.back()["groups"].push_back(std::move(group));
        }
    }
}

/// Device groups with their mounts: what --json prints.
Json all_device_groups() {
    Json all = Json::array();
    const std::string path = runtime_directory_path(::geteuid(), std::getenv("XDG_RUNTIME_DIR"));
    const auto directory = open_runtime_directory(path, ::geteuid(), false);
    const auto names =
        directory ? names_ending_in(directory->get(), ".sock") : Result<std::vector<std::string>>(Errno{ENOENT});
    if (!names) return all;
    for (const std::string& name : *names) {
        Json mounts = ask_server(directory->get(), name);
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

std::string plain(const Json& value) {
    return value.is_string() ? value.get<std::string>() : value.dump();
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
    const Json device_groups = all_device_groups();
    if (line.has("json")) {
        std::printf("%s\n", device_groups.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
    } else {
        print(device_groups);
    }
    return Done{};
}

}  // namespace bandfs
