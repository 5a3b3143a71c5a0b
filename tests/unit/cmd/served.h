// served.h - the command and its servers as they are used: real mounts, by the built program. Need root and /dev/fuse.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <random>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cmd/exit_codes.h"
#include "cmd/wire.h"
#include "soon.h"
#include "support/waiting.h"
#include "sys/clock.h"
#include "sys/fuse_mount.h"
#include "sys/mount_table.h"
#include "sys/unix_socket.h"

namespace bandfs {
namespace test {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

/// What became of a command.
struct Ran {
    int code = -1;
    std::string said;  ///< standard output and error
};

inline pid_t start(const Words& words, int output, const std::function<void()>& in_child = {}) {
    const pid_t pid = ::fork();
    if (pid != 0) return pid;
    ::dup2(output, STDOUT_FILENO);
    ::dup2(output, STDERR_FILENO);
    ::alarm(60);                                                     // inherited by the program: nothing hangs for ever
    const int program = ::open(BANDFS_PROGRAM, O_PATH | O_CLOEXEC);  // its place may be out of a user's reach
    if (in_child) in_child();
    std::vector<char*> argv{const_cast<char*>(BANDFS_PROGRAM)};
    for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    ::fexecve(program, argv.data(), environ);
    ::_exit(127);
}

inline int wait_for(pid_t pid) {
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

inline Ran run(const Words& words, const std::function<void()>& in_child = {}) {
    char name[] = "/tmp/bandfs-said-XXXXXX";
    const UniqueFd output(::mkostemp(name, O_CLOEXEC));
    Ran ran{wait_for(start(words, output.get(), in_child)), {}};
    std::ifstream file(name);
    ran.said.assign(std::istreambuf_iterator<char>(file), {});
    ::unlink(name);
    return ran;
}

/// Whether a process has ended, collected by its parent or not.
inline bool has_ended(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string text;
    return !std::getline(file, text) || text.find(") Z ") != std::string::npos;
}

class Served : public ::testing::Test {
protected:
    void SetUp() override {
        if (::geteuid() != 0) GTEST_SKIP() << "mounting needs root";
        if (!UniqueFd(::open("/dev/fuse", O_RDWR | O_CLOEXEC))) GTEST_SKIP() << "there is no /dev/fuse to open";
        char name[] = "/var/tmp/bandfs-served-XXXXXX";  // on a disk, also where /tmp is in memory
        root_ = ::mkdtemp(name);
        ::chmod(root_.c_str(), 0755);
        for (const char* directory : {"src", "src2", "mnt", "mnt2"}) fs::create_directory(root_ + "/" + directory);
        std::ofstream(root_ + "/src/a") << "one";
        std::ofstream(root_ + "/src2/b") << "two";
        group_ = "unit-" + std::to_string(::getpid());
    }

    void TearDown() override {
        if (root_.empty()) return;
        for (const std::string& mount : mounts()) ::umount2(mount.c_str(), MNT_DETACH);
        EXPECT_TRUE(eventually([this] { return !fs::exists("/run/bandfs/" + group_ + ".lock"); }))
            << "the server stayed";
        ::unlink(("/run/bandfs/" + group_ + ".lock").c_str());
        ::unlink(("/run/bandfs/" + group_ + ".sock").c_str());
        std::error_code ignored;
        fs::remove_all(root_, ignored);
    }

    /// The command's words for a mount of SOURCE (a name in root_) at a place.
    Words words(const std::string& source, const std::string& mountpoint, const std::string& more = "") const {
        return {root_ + "/" + source, root_ + "/" + mountpoint, "-o",
                "devgroup=" + group_ + (more.empty() ? "" : "," + more)};
    }
    Ran mount(const std::string& source, const std::string& mountpoint, const std::string& more = "") const {
        return run(words(source, mountpoint, more));
    }

    /// Mounts of this test, in the order they were made.
    std::vector<std::string> mounts() const {
        std::vector<std::string> found;
        const auto entries = read_mount_table();
        for (const MountEntry& entry : entries ? *entries : std::vector<MountEntry>{}) {
            if (entry.mount_point.starts_with(root_ + "/")) found.push_back(entry.mount_point);
        }
        return found;
    }

    bool unmount(const std::string& place) const {
        return eventually([&] { return ::umount2((root_ + "/" + place).c_str(), 0) == 0; });
    }

    std::string read(const std::string& path) const {
        std::ifstream file(root_ + "/" + path);
        return {std::istreambuf_iterator<char>(file), {}};
    }

    /// The pid of this test's server, 0 when there is none.
    pid_t server() const {
        const auto all = nlohmann::json::parse(run({"list", "--json"}).said, nullptr, false);
        for (const auto& group : all) {
            if (group.value("name", "") == group_) return group.value("pid", 0);
        }
        return 0;
    }

    /// Whether the server counts this mount among its own: the command's part is done.
    bool is_served(const std::string& place) const {
        return run({"list"}).said.find("  " + root_ + "/" + place + "  ") != std::string::npos;
    }

    UniqueFd connect() const {
        const UniqueFd directory(::open("/run/bandfs", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        auto connection = connect_to(directory.get(), group_ + ".sock", soon());
        EXPECT_TRUE(connection);
        return connection ? std::move(*connection) : UniqueFd();
    }

    std::string root_, group_;
};

}  // namespace test
}  // namespace bandfs
