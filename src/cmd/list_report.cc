#include "cmd/list_report.h"

#include <unistd.h>

#include <nlohmann/json.hpp>

#include "control/snapshot.h"

namespace bandfs {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kGroupsPerLine = 128;  // of at most about 400 bytes each

std::string line_of(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json of_group(GroupType type, const GroupSnapshot& group) {
    return {{"id", group.is_default ? Json(nullptr) : Json(group.id)},
            {"name", group.is_default ? "default" : describe_group_id(type, group.id).substr(0, 256)},
            {"weight", group.weight},
            {"issued", group.issued},
            {"held", group.held}};
}

}  // namespace

void append_report(std::vector<std::string>& lines, ServedMount& mount) {
    const MountSnapshot snapshot = take_snapshot(mount.filesystem());
    const MountInfo& info = mount.info();
    lines.push_back(line_of({{"device_group", info.device_group},
                             {"policy", snapshot.policy},
                             {"io_throttle", snapshot.io_throttle},
                             {"io_limit", snapshot.io_limit},
                             {"token", snapshot.token_base},
                             {"pid", ::getpid()},
                             {"mountpoint", info.mountpoint},
                             {"source", info.source},
                             {"owner", info.owner},
                             {"type", name_of(snapshot.type)},
                             {"control", mount.filesystem().options.control_name}}));
    for (std::size_t at = 0; at < snapshot.groups.size(); at += kGroupsPerLine) {
        Json groups = Json::array();
        for (std::size_t i = at; i < std::min(at + kGroupsPerLine, snapshot.groups.size()); ++i) {
            groups.push_back(of_group(snapshot.type, snapshot.groups[i]));
        }
        lines.push_back(line_of({{"groups", std::move(groups)}}));
    }
}

std::string encode_end() {
    return line_of({{"end", true}});
}

}  // namespace bandfs
