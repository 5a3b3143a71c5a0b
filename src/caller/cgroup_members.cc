#include "caller/cgroup_members.h"

#include <algorithm>
#include <string>

#include "caller/task_text.h"

namespace bandfs {
namespace {

/// Callers that ask in vain before a list is read: this many, and one for each 50 threads that were on it.
constexpr std::size_t kFewAsked = 8;
constexpr std::size_t kThreadsPerAsked = 50;
/// Lists known at a time; beyond it all are forgotten.
constexpr std::size_t kRosters = 1024;

}  // namespace

std::optional<TimeNs> CgroupMembers::seen_in(GroupType type, std::uint64_t id, pid_t tid, TimeNs now, TimeNs trust) {
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock) return std::nullopt;
    if (rosters_.size() >= kRosters) rosters_.clear();
    const auto hierarchy = static_cast<std::uint16_t>(static_cast<unsigned>(type.kind) << 8U | type.controller);
    Roster& roster = rosters_[{hierarchy, id}];
    if (now - roster.read_at >= trust) {
        if (now - roster.asked_since >= trust) {
            roster.asked_since = now;
            roster.asked = 0;
        }
        if (++roster.asked <= std::max(kFewAsked, roster.tids.size() / kThreadsPerAsked)) return std::nullopt;
        roster.asked = 0;
        if (!read(type, id, roster, now)) return std::nullopt;
    }
    if (!std::binary_search(roster.tids.begin(), roster.tids.end(), tid)) return std::nullopt;
    return roster.read_at;
}

bool CgroupMembers::read(GroupType type, std::uint64_t id, Roster& roster, TimeNs now) {
    const auto file = cgroups_.members_file(type, id);
    if (!file) return false;
    const Result<std::string> text = view_.read_file(*file);
    if (!text) return false;
    roster.tids.clear();
    for (const std::string_view line : split(*text, '\n'))
        if (const auto tid = parse_number(line)) roster.tids.push_back(static_cast<pid_t>(*tid));
    std::sort(roster.tids.begin(), roster.tids.end());
    roster.read_at = now;
    return true;
}

}  // namespace bandfs
