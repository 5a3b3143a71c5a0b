// The resolver against the kernel it runs on: real threads, processes, signals and cgroups. What this machine lacks is
// skipped with the reason.
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include <gtest/gtest.h>

#include "caller/cached_resolver.h"
#include "caller/task_text.h"

namespace bandfs {
namespace {

constexpr std::chrono::seconds kPatience{20};

bool comes_true(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(2));  // waits for the condition
    }
    return true;
}

/// Ends this process with the test: a child must not outlive it.
void die_with_parent() {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/// A child process that runs `body`, tells that it has (`ready`) and waits to be killed.
class Child {
public:
    explicit Child(
        const std::function<void()>& body = [] {}, pid_t number = 0) {
        std::array<int, 2> pipe{};
        if (::pipe2(pipe.data(), O_CLOEXEC) != 0) return;
        clone_args args{};
        args.exit_signal = SIGCHLD;
        args.set_tid = number == 0 ? 0 : reinterpret_cast<std::uint64_t>(&number);
        args.set_tid_size = number == 0 ? 0 : 1;
        pid_ = static_cast<pid_t>(::syscall(SYS_clone3, &args, sizeof args));
        if (pid_ == 0) {
            die_with_parent();
            body();
            (void)!::write(pipe[1], "", 1);
            while (true) ::pause();
        }
        ::close(pipe[1]);
        char byte = 0;
        ready_ = pid_ > 0 && ::read(pipe[0], &byte, 1) == 1;
        ::close(pipe[0]);
    }
    ~Child() { end(); }
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;

    pid_t pid() const { return pid_; }
    bool ready() const { return ready_; }
    void end() {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
        pid_ = -1;
    }

private:
    pid_t pid_ = -1;
    bool ready_ = false;
};

/// A thread of this process that waits until it is let go.
class Waiter {
public:
    Waiter()
        : thread_([this] {
              std::unique_lock lock(mutex_);
              tid_ = ::gettid();
              changed_.notify_all();
              changed_.wait(lock, [this] { return let_go_; });
          }) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return tid_ != 0; });
    }
    ~Waiter() { end(); }
    pid_t tid() const { return tid_; }
    void end() {
        if (!thread_.joinable()) return;
        {
            const std::lock_guard lock(mutex_);
            let_go_ = true;
        }
        changed_.notify_all();
        thread_.join();
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    pid_t tid_ = 0;
    bool let_go_ = false;
    std::thread thread_;
};

bool write_file(const std::string& path, const std::string& text) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    const bool ok = fd >= 0 && ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    if (fd >= 0) ::close(fd);
    return ok;
}

/// A cgroup of our own below the root of a mounted hierarchy, removed at the end.
class OwnCgroup {
public:
    OwnCgroup(const std::vector<CgroupMount>& mounts, GroupType type, const std::string& name) {
        for (const CgroupMount& mount : mounts) {
            const bool is_it = type == GroupType::cgroup ? mount.unified
                                                         : std::find(mount.controllers.begin(), mount.controllers.end(),
                                                                     controller_of(type)) != mount.controllers.end();
            if (!is_it || !path_.empty() || mount.root != "/") continue;
            const std::string folder = mount.point + "/" + name;
            if (::mkdir(folder.c_str(), 0755) != 0) continue;
            path_ = folder;
            root_ = mount.point;
        }
    }
    ~OwnCgroup() {
        if (!path_.empty()) comes_true([&] { return ::rmdir(path_.c_str()) == 0; });
    }
    bool made() const { return !path_.empty(); }
    bool take(pid_t pid) const { return write_file(path_ + "/cgroup.procs", std::to_string(pid)); }
    bool give_back(pid_t pid) const { return write_file(root_ + "/cgroup.procs", std::to_string(pid)); }
    bool set(const std::string& file, const std::string& value) const { return write_file(path_ + "/" + file, value); }
    std::uint64_t id() const { return inode(path_); }
    std::uint64_t root_id() const { return inode(root_); }

private:
    static std::uint64_t inode(const std::string& path) {
        struct stat directory {};
        ::stat(path.c_str(), &directory);
        return directory.st_ino;
    }
    std::string path_;
    std::string root_;
};

std::vector<CgroupMount> cgroup_mounts() {
    std::ifstream file("/proc/self/mountinfo");
    return parse_cgroup_mounts(std::string(std::istreambuf_iterator<char>(file), {}));
}

/// The parameter: an older kernel to pretend.
class RealProcess : public testing::TestWithParam<ProcFeatures> {
protected:
    static ProcFeatures features() {
        const ProcFeatures here = ProcFeatures::probe();
        return {here.thread_pidfd && GetParam().thread_pidfd, here.pidfd_info && GetParam().pidfd_info};
    }
    std::optional<std::uint64_t> resolve(GroupType type, pid_t tid) { return resolver.resolve(type, {tid, 1, 1}); }

    void moves_between(const OwnCgroup& cgroup, GroupType type) {
        Child child;
        ASSERT_TRUE(child.ready());
        ASSERT_TRUE(cgroup.take(child.pid()));
        EXPECT_EQ(resolve(type, child.pid()), cgroup.id());
        EXPECT_EQ(resolver.lineage(type, cgroup.id()), (std::vector{cgroup.id(), cgroup.root_id()}));

        const auto path = cgroups.path_of(type, cgroup.id());
        ASSERT_TRUE(path);
        EXPECT_EQ(*parse_group_id(*view, cgroups, type, *path), cgroup.id());
        EXPECT_EQ(*parse_group_id(*view, cgroups, type, std::to_string(cgroup.id())), cgroup.id());
        CgroupTree fresh(*view);
        EXPECT_EQ(fresh.path_of(type, cgroup.id()), path) << "found by its id alone";

        ASSERT_TRUE(cgroup.give_back(child.pid()));
        EXPECT_TRUE(comes_true([&] { return resolve(type, child.pid()) == cgroup.root_id(); }));
    }

    std::unique_ptr<ProcView> view = make_system_view(features());
    CgroupTree cgroups{*view};
    CachedResolver resolver{*view, cgroups, 4096};
};

TEST_P(RealProcess, AThreadIsItsProcess) {
    Waiter thread;
    ASSERT_NE(thread.tid(), ::getpid());
    EXPECT_EQ(resolve(GroupType::pid, thread.tid()), ::getpid());
    EXPECT_EQ(resolve(GroupType::pid, ::getpid()), ::getpid());
    EXPECT_EQ(resolve(GroupType::pgrp, thread.tid()), ::getpgrp());
    EXPECT_TRUE(resolve(GroupType::node, thread.tid()));
}

/// More callers than are kept, asked about from several receivers at once.
TEST_P(RealProcess, SeveralReceiversAsk) {
    CachedResolver small(*view, cgroups, 64);
    std::vector<std::unique_ptr<Waiter>> callers;
    for (int made = 0; made < 200; ++made) callers.push_back(std::make_unique<Waiter>());
    const auto here = resolve(GroupType::cgroup, ::getpid());
    std::atomic<int> wrong = 0;
    std::vector<std::thread> receivers;
    for (int receiver = 0; receiver < 4; ++receiver)
        receivers.emplace_back([&] {
            for (int round = 0; round < 5; ++round)
                for (const auto& caller : callers) {
                    const CallerIds ids{caller->tid(), 1, 1};
                    if (small.resolve(GroupType::pid, ids) != static_cast<std::uint64_t>(::getpid())) ++wrong;
                    if (small.resolve(GroupType::cgroup, ids) != here) ++wrong;
                    small.resolve(*group_type_named("cgroup:pids"), ids);
                    if (small.dying(caller->tid())) ++wrong;
                }
        });
    for (std::thread& receiver : receivers) receiver.join();
    EXPECT_EQ(wrong, 0);
}

TEST_P(RealProcess, AProcessGroupChangesAtOnce) {
    Child child;
    ASSERT_TRUE(child.ready());
    EXPECT_EQ(resolve(GroupType::pgrp, child.pid()), ::getpgrp());
    ASSERT_EQ(::setpgid(child.pid(), child.pid()), 0);
    EXPECT_EQ(resolve(GroupType::pgrp, child.pid()), child.pid());
}

TEST_P(RealProcess, AForkThatOutlivesItsParent) {
    std::array<int, 2> pipe{};
    ASSERT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
    pid_t orphan = 0;
    {
        Child parent([&] {
            const pid_t pid = ::fork();
            if (pid == 0) {
                ::alarm(60);  // not the parent's end, nor a forgotten test, keeps it
                while (true) ::pause();
            }
            (void)!::write(pipe[1], &pid, sizeof pid);
        });
        ASSERT_TRUE(parent.ready());
        ASSERT_EQ(::read(pipe[0], &orphan, sizeof orphan), static_cast<ssize_t>(sizeof orphan));
        EXPECT_EQ(resolve(GroupType::pid, orphan), orphan);
    }
    EXPECT_EQ(resolve(GroupType::pid, orphan), orphan);
    EXPECT_EQ(resolve(GroupType::pgrp, orphan), ::getpgrp());
    EXPECT_FALSE(resolver.dying(orphan));
    ::kill(orphan, SIGKILL);
    EXPECT_TRUE(comes_true([&] { return resolver.dying(orphan); }));
    ::close(pipe[0]);
    ::close(pipe[1]);
}

TEST_P(RealProcess, ANumberUsedAgain) {
    pid_t number = 0;
    {
        Waiter thread;
        number = thread.tid();
        EXPECT_EQ(resolve(GroupType::pid, number), ::getpid());
    }
    std::optional<Child> successor;  // the number comes free a little after the thread has gone
    comes_true([&] {
        successor.emplace([] {}, number);
        return successor->ready() || errno != EEXIST;
    });
    if (!successor->ready()) GTEST_SKIP() << "clone3 with a chosen number: " << std::strerror(errno);
    EXPECT_EQ(resolve(GroupType::pid, number), number);
}

TEST_P(RealProcess, MovesBetweenV1Cgroups) {
    const GroupType type = *group_type_named("cgroup:pids");
    OwnCgroup cgroup(cgroup_mounts(), type, "bandfs-unit-" + std::to_string(::getpid()));
    if (!cgroup.made()) GTEST_SKIP() << "no v1 hierarchy with the controller pids in which we may make a cgroup";
    moves_between(cgroup, type);
}

TEST_P(RealProcess, MovesBetweenV2Cgroups) {
    OwnCgroup cgroup(cgroup_mounts(), GroupType::cgroup, "bandfs-unit-" + std::to_string(::getpid()));
    if (!cgroup.made()) GTEST_SKIP() << "no v2 hierarchy in which we may make a cgroup";
    moves_between(cgroup, GroupType::cgroup);
}

/// SIGKILL stays pending in a task that the v1 freezer holds, as it does in one that waits for a disk.
TEST_P(RealProcess, AKillThatCannotBeActedOnYet) {
    OwnCgroup freezer(cgroup_mounts(), *group_type_named("cgroup:freezer"),
                      "bandfs-unit-" + std::to_string(::getpid()));
    if (!freezer.made()) GTEST_SKIP() << "no v1 freezer in which we may make a cgroup";
    Child child;
    ASSERT_TRUE(child.ready());
    ASSERT_TRUE(freezer.take(child.pid()) && freezer.set("freezer.state", "FROZEN"));
    EXPECT_FALSE(resolver.dying(child.pid()));
    ::kill(child.pid(), SIGTERM);
    EXPECT_FALSE(resolver.dying(child.pid())) << "SIGTERM is not for us to judge";
    ::kill(child.pid(), SIGKILL);
    EXPECT_TRUE(resolver.dying(child.pid()));
    EXPECT_TRUE(freezer.set("freezer.state", "THAWED"));
}

TEST_P(RealProcess, AZombieIsDyingAndSoIsWhoIsGone) {
    Child child;
    ASSERT_TRUE(child.ready());
    const pid_t pid = child.pid();
    EXPECT_FALSE(resolver.dying(pid));
    ::kill(pid, SIGKILL);
    siginfo_t ended{};
    ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(pid), &ended, WEXITED | WNOWAIT), 0);
    EXPECT_TRUE(resolver.dying(pid));
    child.end();
    EXPECT_TRUE(resolver.dying(pid));
}

TEST_P(RealProcess, AThreadThatEndedIsNotDyingWhileItsProcessLives) {
    Waiter thread;
    EXPECT_FALSE(resolver.dying(thread.tid()));
    thread.end();
    ASSERT_TRUE(comes_true([&] { return ::kill(thread.tid(), 0) != 0; }));
    EXPECT_FALSE(resolver.dying(thread.tid()));
}

TEST_P(RealProcess, TheFirstThreadMayLeaveBeforeTheOthers) {
    std::array<int, 2> pipe{};
    ASSERT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
    const pid_t pid = ::fork();
    if (pid == 0) {
        die_with_parent();
        std::thread([&] {
            const pid_t tid = ::gettid();
            (void)!::write(pipe[1], &tid, sizeof tid);
            while (true) ::pause();
        }).detach();
        ::syscall(SYS_exit, 0);  // this thread alone
    }
    pid_t other = 0;
    ASSERT_EQ(::read(pipe[0], &other, sizeof other), static_cast<ssize_t>(sizeof other));
    const auto state = [&] {
        const Result<std::string> text = view->read_task(pid, TaskFile::stat);
        const auto stat = text ? parse_stat(*text) : std::nullopt;
        return stat ? stat->state : '?';
    };
    EXPECT_TRUE(comes_true([&] { return state() == 'Z'; }));
    EXPECT_EQ(resolve(GroupType::pid, other), pid);
    EXPECT_FALSE(resolver.dying(pid));
    EXPECT_FALSE(resolver.dying(other));
    ::kill(pid, SIGKILL);
    EXPECT_TRUE(comes_true([&] { return resolver.dying(other) && resolver.dying(pid); }));
    ::waitpid(pid, nullptr, 0);
    EXPECT_TRUE(resolver.dying(other));
    ::close(pipe[0]);
    ::close(pipe[1]);
}

TEST_P(RealProcess, SupplementaryGroupsOfAnother) {
    if (::geteuid() != 0) GTEST_SKIP() << "setgroups needs root";
    std::vector<gid_t> many(3000);
    for (std::size_t at = 0; at < many.size(); ++at) many[at] = static_cast<gid_t>(100'000 + at);
    Child child([&] { (void)!::setgroups(many.size(), many.data()); });
    ASSERT_TRUE(child.ready());
    EXPECT_EQ(resolver.supplementary_groups(child.pid()), many);
}

INSTANTIATE_TEST_SUITE_P(Kernels, RealProcess,
                         testing::Values(ProcFeatures{true, true}, ProcFeatures{true, false}, ProcFeatures{}),
                         [](const auto& param) {
                             if (param.param.pidfd_info) return "with_pidfd_info";
                             return param.param.thread_pidfd ? "with_thread_pidfd" : "with_proc_alone";
                         });

/// Numbers go round quickly in a pid namespace with few of them (of its own since Linux 6.14; before that the limit is
/// the whole machine's and not for a test to change). Each number is a thread of one process after another; returns how
/// many were taken for a process that had it before, or -1 with a reason on standard error.
int misattributed_in_small_namespace(int processes) {
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("proc", "/proc", "proc", 0, nullptr) != 0 || !write_file("/proc/sys/kernel/pid_max", "400"))
        return -1;
    const std::unique_ptr<ProcView> view = make_system_view();
    CgroupTree cgroups(*view);
    CachedResolver resolver(*view, cgroups, 4096);
    std::array<int, 2> numbers{};
    if (::pipe2(numbers.data(), O_CLOEXEC) != 0) return -1;
    int wrong = 0;
    for (int process = 0; process < processes; ++process) {
        const pid_t pid = ::fork();
        if (pid == 0) {
            die_with_parent();
            std::thread([&] {
                const pid_t tid = ::gettid();
                (void)!::write(numbers[1], &tid, sizeof tid);
                while (true) ::pause();
            }).join();
        }
        pid_t tid = 0;
        if (::read(numbers[0], &tid, sizeof tid) != static_cast<ssize_t>(sizeof tid)) return -1;
        if (resolver.resolve(GroupType::pid, {tid, 0, 0}) != static_cast<std::uint64_t>(pid)) ++wrong;
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
    }
    return wrong;
}

TEST(PidNamespace, NumbersThatGoRoundQuickly) {
    utsname kernel{};
    ::uname(&kernel);
    int major = 0;
    int minor = 0;
    ASSERT_EQ(std::sscanf(kernel.release, "%d.%d", &major, &minor), 2);
    if (major < 6 || (major == 6 && minor < 14)) GTEST_SKIP() << "pid_max is the whole machine's before Linux 6.14";
    if (::geteuid() != 0) GTEST_SKIP() << "needs root for a pid namespace";
    const pid_t outer = ::fork();
    if (outer == 0) {
        die_with_parent();
        if (::unshare(CLONE_NEWPID | CLONE_NEWNS) != 0) ::_exit(77);
        const pid_t first = ::fork();
        if (first == 0) {
            die_with_parent();
            const int wrong = misattributed_in_small_namespace(600);
            ::_exit(wrong < 0 ? 77 : std::min(wrong, 70));
        }
        int status = 0;
        ::waitpid(first, &status, 0);
        ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 76);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(outer, &status, 0), outer);
    ASSERT_TRUE(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "cannot make a pid namespace with /proc and a pid_max of its own";
    EXPECT_EQ(WEXITSTATUS(status), 0) << "of 600 threads";
}

TEST(ThisMachine, UsersByName) {
    EXPECT_EQ(*parse_group_id(GroupType::user, "root"), 0U);
    EXPECT_EQ(*parse_group_id(GroupType::gid, "root"), 0U);
    EXPECT_EQ(parse_group_id(GroupType::user, "bandfs-no-such-user").code(), EINVAL);
    EXPECT_EQ(describe_group_id(GroupType::user, 0), "0");
}

}  // namespace
}  // namespace bandfs
