// tests/unit/caller/fake_view.h - a machine made up for a test.
#pragma once

#include <fcntl.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <functional>
#include <map>
#include <string>

#include "caller/proc_view.h"

namespace bandfs {

/// A task of the made-up machine; `text` is what its files say.
struct FakeTask {
    pid_t process = 0;
    pid_t group = 0;
    std::optional<std::uint64_t> cgroup;
    std::map<TaskFile, std::string> text;
};

/// Everything is a member to be set; time stands until it is moved. Descriptors are real ones, so that they can be
/// counted.
class FakeView final : public ProcView {
public:
    TimeNs time = kSecond;
    bool tells_info = true;       ///< PIDFD_GET_INFO
    bool has_descriptors = true;  ///< false: EMFILE
    std::map<std::string, std::string> files;
    std::map<std::string, std::uint64_t> directories;
    std::map<std::string, std::uint32_t> users;
    int user_error = ENOENT;
    int reads = 0;  ///< of files of tasks
    int liveness_checks = 0;
    TimeNs reuse = 0;
    std::function<void()> after_read;  ///< something happens just after the next read of a task's file

    void add(pid_t tid, FakeTask task) {
        if (!task.text.contains(TaskFile::status))
            task.text[TaskFile::status] = "Name:\tx\nTgid:\t" + std::to_string(task.process) + "\n";
        tasks_[tid] = {std::move(task), ++serial_};
    }
    void remove(pid_t tid) { tasks_.erase(tid); }
    FakeTask& task(pid_t tid) { return tasks_.at(tid).task; }
    long open_descriptors() const {
        return std::count_if(handed_out_.begin(), handed_out_.end(),
                             [](const auto& entry) { return ::fcntl(entry.first, F_GETFD) >= 0; });
    }

    TimeNs now() override { return time; }

    Result<UniqueFd> open_task(pid_t tid) override {
        if (!tasks_.contains(tid)) return Errno{ESRCH};
        if (!has_descriptors) return Errno{EMFILE};
        UniqueFd fd(::eventfd(0, EFD_CLOEXEC));
        handed_out_[fd.get()] = {tid, tasks_.at(tid).serial};
        return fd;
    }
    bool is_gone(const UniqueFd& fd) override {
        ++liveness_checks;
        const Handle handle = handed_out_.at(fd.get());
        const auto found = tasks_.find(handle.tid);
        return found == tasks_.end() || found->second.serial != handle.serial;
    }
    TimeNs reuse_time() override { return reuse; }
    bool is_thread_of(pid_t process, pid_t tid) override {
        ++liveness_checks;
        return tasks_.contains(tid) && task(tid).process == process;
    }
    Result<TaskInfo> info(const UniqueFd& fd) override {
        if (!tells_info) return Errno{ENOTTY};
        if (is_gone(fd)) return Errno{ESRCH};
        const FakeTask& it = task(handed_out_.at(fd.get()).tid);
        return TaskInfo{it.process, it.cgroup};
    }
    Result<pid_t> process_group(pid_t tid) override {
        if (!tasks_.contains(tid)) return Errno{ESRCH};
        return task(tid).group;
    }
    Result<std::string> read_task(pid_t tid, TaskFile file) override {
        ++reads;
        Result<std::string> text = Errno{ENOENT};
        if (tasks_.contains(tid) && task(tid).text.contains(file)) text = task(tid).text.at(file);
        if (after_read) std::exchange(after_read, nullptr)();
        return text;
    }
    Result<std::string> read_file(const std::string& path) override {
        if (!files.contains(path)) return Errno{ENOENT};
        return files.at(path);
    }
    Result<std::uint64_t> directory_id(const std::string& path) override {
        if (!directories.contains(path)) return Errno{ENOENT};
        return directories.at(path);
    }
    Result<std::string> directory_of(const std::string& mount_point, std::uint64_t id) override {
        for (const auto& [path, it] : directories)
            if (it == id && path.starts_with(mount_point)) return path;
        return Errno{ENOENT};
    }
    Result<uid_t> user_named(const std::string& name) override {
        if (!users.contains(name)) return Errno{user_error};
        return users.at(name);
    }
    Result<gid_t> group_named(const std::string& name) override { return user_named(name); }

private:
    struct Living {
        FakeTask task;
        int serial;
    };
    struct Handle {
        pid_t tid;
        int serial;
    };
    std::map<pid_t, Living> tasks_;
    std::map<int, Handle> handed_out_;
    int serial_ = 0;
};

/// A line of /proc/self/mountinfo.
inline std::string mount_line(const std::string& type, const std::string& point, const std::string& root = "/",
                              const std::string& options = "rw") {
    return "40 31 0:37 " + root + " " + point + " rw,relatime shared:9 - " + type + " " + type + " " + options + "\n";
}

/// /proc/TID/task/TID/stat with the fields that matter.
inline std::string stat_text(char state, unsigned flags, long threads, std::uint64_t pending, unsigned cpu = 0) {
    std::string text = "7 (a (strange) name) ";
    text += state;
    for (int field = 4; field <= 52; ++field) {
        text += ' ';
        if (field == 9)
            text += std::to_string(flags);
        else if (field == 20)
            text += std::to_string(threads);
        else if (field == 31)
            text += std::to_string(pending);
        else if (field == 39)
            text += std::to_string(cpu);
        else
            text += '0';
    }
    return text + '\n';
}

}  // namespace bandfs
