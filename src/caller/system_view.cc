#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "caller/proc_view.h"
#include "sys/clock.h"

namespace bandfs {
namespace {

/// The headers of Debian 12 are older than these parts of <linux/pidfd.h>.
constexpr unsigned kPidfdThread = O_EXCL;
constexpr std::uint64_t kPidfdInfoCgroup = 1U << 2;
struct PidfdInfo {
    std::uint64_t mask = 0;
    std::uint64_t cgroup_id = 0;
    std::uint32_t pid = 0;
    std::uint32_t tgid = 0;
    std::uint32_t ppid = 0;
    std::array<std::uint32_t, 8> credentials{};
    std::int32_t exit_code = 0;
};
static_assert(sizeof(PidfdInfo) == 64, "PIDFD_INFO_SIZE_VER0, which the request number carries");

/// FILEID_KERNFS: the handle of a directory of a cgroup file system is its id alone.
constexpr int kKernfsHandle = 0xfe;

/// What is read of one file at most; `Groups:` of 65,536 numbers fits.
constexpr std::size_t kFileBytes = 1U << 20;
/// Directories looked at, at most, by a search for a cgroup that may not be opened by its handle.
constexpr int kSearchedDirectories = 100'000;

Result<std::string> read_whole(const char* path) {
    const UniqueFd fd(::open(path, O_RDONLY | O_CLOEXEC));
    if (!fd) return last_errno();
    std::string text(4096, '\0');
    std::size_t length = 0;
    while (true) {
        const ssize_t got = ::read(fd.get(), text.data() + length, text.size() - length);
        if (got < 0) return last_errno();
        if (got == 0) break;
        length += static_cast<std::size_t>(got);
        if (length < text.size()) continue;
        if (length >= kFileBytes) return Errno{EFBIG};
        text.resize(2 * text.size());
    }
    text.resize(length);
    return text;
}

Result<UniqueFd> owned(int fd) {
    if (fd < 0) return last_errno();
    return UniqueFd(fd);
}

Result<UniqueFd> open_pidfd(pid_t tid, unsigned flags) {
    return owned(static_cast<int>(::syscall(SYS_pidfd_open, tid, flags)));
}

Result<TaskInfo> ask_pidfd(int pidfd) {
    PidfdInfo info;
    info.mask = kPidfdInfoCgroup;
    if (::ioctl(pidfd, _IOWR(0xFF, 11, PidfdInfo), &info) != 0) return last_errno();
    TaskInfo task{static_cast<pid_t>(info.tgid), std::nullopt};
    if ((info.mask & kPidfdInfoCgroup) != 0) task.cgroup = info.cgroup_id;
    return task;
}

/// The path of a cgroup by its handle: exact and quick, for those who may (CAP_DAC_READ_SEARCH).
Result<std::string> directory_by_handle(const std::string& mount_point, std::uint64_t id) {
    const UniqueFd mount(::open(mount_point.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!mount) return last_errno();
    alignas(file_handle) std::array<char, sizeof(file_handle) + sizeof id> bytes{};
    auto* handle = reinterpret_cast<file_handle*>(bytes.data());
    handle->handle_bytes = sizeof id;
    handle->handle_type = kKernfsHandle;
    std::memcpy(handle->f_handle, &id, sizeof id);
    const UniqueFd directory(::open_by_handle_at(mount.get(), handle, O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!directory) return last_errno();
    std::array<char, PATH_MAX> path{};
    const std::string link = "/proc/self/fd/" + std::to_string(directory.get());
    const ssize_t length = ::readlink(link.c_str(), path.data(), path.size());
    if (length < 0) return last_errno();
    return std::string(path.data(), static_cast<std::size_t>(length));
}

/// The same by looking everywhere, for those who may not.
Result<std::string> directory_by_search(const std::string& mount_point, std::uint64_t id) {
    std::vector<std::string> pending{mount_point};
    for (int looked = 0; !pending.empty() && looked < kSearchedDirectories; ++looked) {
        const std::string path = std::move(pending.back());
        pending.pop_back();
        DIR* directory = ::opendir(path.c_str());
        if (directory == nullptr) continue;
        while (const dirent* entry = ::readdir(directory)) {
            const std::string_view name = entry->d_name;
            if (entry->d_type != DT_DIR || name == "..") continue;
            if (entry->d_ino == id) {
                std::string found = name == "." ? path : path + "/" + entry->d_name;
                ::closedir(directory);
                return found;
            }
            if (name != ".") pending.push_back(path + "/" + entry->d_name);
        }
        ::closedir(directory);
    }
    return Errno{ENOENT};
}

/// getpwnam_r and getgrnam_r, whose buffer may be too small at first.
template <typename Record, typename Lookup>
Result<Record> looked_up(Lookup lookup, const std::string& name) {
    std::vector<char> buffer(4096);
    while (true) {
        Record record{};
        Record* found = nullptr;
        const int code = lookup(name.c_str(), &record, buffer.data(), buffer.size(), &found);
        if (found != nullptr) return record;
        if (code != ERANGE || buffer.size() >= kFileBytes) return Errno{code == 0 ? ENOENT : code};
        buffer.resize(2 * buffer.size());
    }
}

/// /proc, the system calls and the cgroup file systems of this machine. A task's descriptor is a pidfd of the thread;
/// on a kernel without those it is the directory /proc/TID, which never shows the next owner of the number either.
class SystemView final : public ProcView {
public:
    explicit SystemView(ProcFeatures features) : features_(features) {}

    TimeNs now() override { return now_ns(); }

    Result<UniqueFd> open_task(pid_t tid) override {
        if (features_.thread_pidfd) return open_pidfd(tid, kPidfdThread);
        const std::string path = "/proc/" + std::to_string(tid);
        Result<UniqueFd> directory = owned(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
        if (directory.code() == ENOENT) return Errno{ESRCH};
        return directory;
    }

    bool is_gone(const UniqueFd& task) override {
        if (!features_.thread_pidfd) return ::faccessat(task.get(), "stat", F_OK, 0) != 0;
        pollfd ended{task.get(), POLLIN, 0};
        return ::poll(&ended, 1, 0) > 0;
    }

    /// Numbers are dealt out in turn: each one once before the first comes again.
    TimeNs reuse_time() override {
        constexpr TimeNs kReadEvery = 50 * kMillisecond;  // somebody may change it
        constexpr TimeNs kOfTask = 1000;                  // a million new ones a second: no machine makes so many
        constexpr TimeNs kMost = 80 * kMillisecond;
        const TimeNs time = now();
        TimeNs read_at = numbers_read_at_;
        if (time - read_at >= kReadEvery && numbers_read_at_.compare_exchange_strong(read_at, time)) {
            const Result<std::string> numbers = read_file("/proc/sys/kernel/pid_max");
            const long most = numbers ? std::strtol(numbers->c_str(), nullptr, 10) : 0;
            reuse_time_ = std::clamp<TimeNs>(most * kOfTask, 0, kMost);
        }
        return reuse_time_;
    }

    bool is_thread_of(pid_t process, pid_t tid) override {
        // Signal 0 is not sent. Who may not send one learns that there is somebody all the same.
        return ::syscall(SYS_tgkill, process, tid, 0) == 0 || last_errno() == Errno{EPERM};
    }

    Result<TaskInfo> info(const UniqueFd& task) override {
        if (!features_.pidfd_info) return Errno{ENOTTY};
        return ask_pidfd(task.get());
    }

    Result<pid_t> process_group(pid_t tid) override {
        const pid_t group = ::getpgid(tid);
        if (group < 0) return last_errno();
        return group;
    }

    bool has_process_group(pid_t group) override { return ::kill(-group, 0) == 0 || last_errno() != Errno{ESRCH}; }

    Result<std::string> read_task(pid_t tid, TaskFile file) override {
        std::array<char, 64> path{};
        switch (file) {
            case TaskFile::status:
                std::snprintf(path.data(), path.size(), "/proc/%d/status", tid);
                break;
            case TaskFile::stat:
                std::snprintf(path.data(), path.size(), "/proc/%d/task/%d/stat", tid, tid);
                break;
            case TaskFile::cgroup:
                std::snprintf(path.data(), path.size(), "/proc/%d/cgroup", tid);
                break;
            case TaskFile::cpuset:
                std::snprintf(path.data(), path.size(), "/proc/%d/cpuset", tid);
                break;
            case TaskFile::program:
                std::snprintf(path.data(), path.size(), "/proc/%d/comm", tid);
                break;
        }
        return read_whole(path.data());
    }

    Result<std::string> read_file(const std::string& path) override { return read_whole(path.c_str()); }

    Result<std::uint64_t> directory_id(const std::string& path) override {
        struct stat directory {};
        if (::stat(path.c_str(), &directory) != 0) return last_errno();
        if (!S_ISDIR(directory.st_mode)) return Errno{ENOTDIR};
        return std::uint64_t{directory.st_ino};
    }

    Result<std::string> directory_of(const std::string& mount_point, std::uint64_t id) override {
        Result<std::string> directory = directory_by_handle(mount_point, id);
        if (directory) return directory;
        if (directory.code() == ESTALE) return Errno{ENOENT};
        const bool not_allowed = directory.code() == EPERM || directory.code() == EOPNOTSUPP;
        return not_allowed ? directory_by_search(mount_point, id) : directory;
    }

    Result<uid_t> user_named(const std::string& name) override {
        const Result<passwd> user = looked_up<passwd>(::getpwnam_r, name);
        if (!user) return user.error();
        return user->pw_uid;
    }

    Result<gid_t> group_named(const std::string& name) override {
        const Result<group> found = looked_up<group>(::getgrnam_r, name);
        if (!found) return found.error();
        return found->gr_gid;
    }

private:
    const ProcFeatures features_;
    std::atomic<TimeNs> numbers_read_at_{-kSecond}, reuse_time_{0};
};

}  // namespace

ProcFeatures ProcFeatures::probe() {
    ProcFeatures features;
    const Result<UniqueFd> self = open_pidfd(::gettid(), kPidfdThread);
    features.thread_pidfd = self.ok();
    features.pidfd_info = self.ok() && ask_pidfd(self->get()).ok();
    return features;
}

std::unique_ptr<ProcView> make_system_view(ProcFeatures features) {
    return std::make_unique<SystemView>(features);
}

}  // namespace bandfs
