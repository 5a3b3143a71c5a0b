// caller/proc_view.h - the outside world as src/caller sees it, so that a test can be another machine.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "sys/clock.h"
#include "sys/result.h"
#include "sys/unique_fd.h"

namespace bandfs {

/// What the kernel says of a task through its descriptor (PIDFD_GET_INFO).
struct TaskInfo {
    pid_t process = 0;                    ///< thread group id
    std::optional<std::uint64_t> cgroup;  ///< id in the unified hierarchy
};

/// The files of /proc/TID that are read.
enum class TaskFile : std::uint8_t {
    status,
    stat,  ///< of the thread alone: that of the process would visit all its threads
    cgroup,
    cpuset,
    program,  ///< the name of its program, "comm"
};

/// The kernel, as far as callers go. Thread-safe; nothing here waits for a disk or the network but user_named() and
/// group_named(), which ask the name service.
class ProcView {
public:
    virtual ~ProcView() = default;

    virtual TimeNs now() = 0;

    /// A descriptor that stands for this very task (a thread), whoever gets its number later. ESRCH: no such task.
    virtual Result<UniqueFd> open_task(pid_t tid) = 0;
    /// Whether the task of that descriptor has ended.
    virtual bool is_gone(const UniqueFd& task) = 0;
    /// In less time than that no number of a task is given back and given to another. 0: that cannot be told.
    virtual TimeNs reuse_time() { return 0; }
    /// Whether that thread is there and belongs to that process. Quicker than is_gone().
    virtual bool is_thread_of(pid_t process, pid_t tid) = 0;
    /// ENOTTY: this kernel cannot say. ESRCH: the task has ended.
    virtual Result<TaskInfo> info(const UniqueFd& task) = 0;

    virtual Result<pid_t> process_group(pid_t tid) = 0;
    /// Whether somebody is in the process group of that id. True when that cannot be told.
    virtual bool has_process_group(pid_t) { return true; }
    virtual Result<std::string> read_task(pid_t tid, TaskFile file) = 0;
    /// A small file of /proc or /sys.
    virtual Result<std::string> read_file(const std::string& path) = 0;

    /// The inode number of a directory: of one of a cgroup file system, the cgroup's id.
    virtual Result<std::uint64_t> directory_id(const std::string& path) = 0;
    /// Where below a mount point of a cgroup file system the cgroup of that id is. ENOENT: nowhere.
    virtual Result<std::string> directory_of(const std::string& mount_point, std::uint64_t id) = 0;

    /// ENOENT: no such user (group).
    virtual Result<uid_t> user_named(const std::string& name) = 0;
    virtual Result<gid_t> group_named(const std::string& name) = 0;
};

/// What the running kernel offers for telling one task from another.
struct ProcFeatures {
    bool thread_pidfd = false;  ///< pidfd_open(PIDFD_THREAD), Linux 6.9
    bool pidfd_info = false;    ///< PIDFD_GET_INFO, Linux 6.13

    /// Found out by trying on this thread.
    static ProcFeatures probe();
};

/// This machine. With features taken away it goes the way it would on an older kernel.
std::unique_ptr<ProcView> make_system_view(ProcFeatures features = ProcFeatures::probe());

}  // namespace bandfs
