// caller/task_text.h - what the files of /proc say, as values. Pure functions; a text that is not as expected is
// nullopt.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bandfs {

/// The part of /proc/TID/task/TID/stat that is needed here.
struct TaskStat {
    char state = '?';           ///< 'Z' ended and not yet waited for, 'X' being removed
    bool exiting = false;       ///< on its way out
    bool signalled = false;     ///< ... because of a signal
    long threads = 0;           ///< of its process, this one included
    bool kill_pending = false;  ///< SIGKILL sent to this thread or to its process, and not yet acted on
    unsigned cpu = 0;           ///< where it runs, or ran last
};

std::optional<TaskStat> parse_stat(std::string_view text);

/// The value of one line of /proc/TID/status, without the blanks around it.
std::optional<std::string_view> status_value(std::string_view status, std::string_view key);
/// Whether SIGKILL waits for this thread or its whole process (`SigPnd`, `ShdPnd`).
bool status_kill_pending(std::string_view status);
std::optional<pid_t> status_process(std::string_view status);
std::vector<gid_t> status_groups(std::string_view status);

/// The path in /proc/TID/cgroup in the hierarchy with that controller; in the unified one for "".
std::optional<std::string_view> cgroup_path(std::string_view text, std::string_view controller);

/// A list of numbers as the kernel writes it ("0-3,8"); at most `most` of them.
std::vector<unsigned> parse_number_list(std::string_view text, std::size_t most);

/// A decimal number that fills the whole text.
std::optional<std::uint64_t> parse_number(std::string_view text);

/// A mounted cgroup hierarchy, from a line of /proc/self/mountinfo.
struct CgroupMount {
    std::string point;
    std::string root;                      ///< the cgroup that is at the mount point
    bool unified = false;                  ///< v2
    std::vector<std::string> controllers;  ///< of v1, "name=systemd" included
};

/// Every cgroup hierarchy in /proc/self/mountinfo.
std::vector<CgroupMount> parse_cgroup_mounts(std::string_view mountinfo);

/// The parts of a text between separators.
std::vector<std::string_view> split(std::string_view text, char separator);

}  // namespace bandfs
