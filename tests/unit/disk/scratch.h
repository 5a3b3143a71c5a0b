// tests/unit/disk/scratch.h - directories to try a Tree on, and children that are somebody else.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

namespace bandfs::scratch {

/// A directory that is removed with everything in it.
class ScratchDirectory {
public:
    explicit ScratchDirectory(const std::string& below = std::filesystem::temp_directory_path())
        : path_(below + "/bandfs-XXXXXX") {
        if (::mkdtemp(path_.data()) == nullptr) std::abort();
        ::chmod(path_.c_str(), 0755);
    }
    ~ScratchDirectory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    ScratchDirectory(const ScratchDirectory&) = delete;

    const std::string& path() const { return path_; }
    std::string operator/(const std::string& name) const { return path_ + "/" + name; }
    void write(const std::string& name, const std::string& text = "") const { std::ofstream(*this / name) << text; }

private:
    std::string path_;
};

inline struct stat stat_of(const std::string& path) {
    struct stat attr {};
    EXPECT_EQ(::lstat(path.c_str(), &attr), 0) << path;
    return attr;
}

/// Descriptors that this process has open.
inline std::size_t open_descriptors() {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
    return count;
}

/// Runs `body` in a child process, as another user where we may, and passes its failures on.
template <typename Body>
void in_child(uid_t uid, Body&& body) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        if (uid != 0 && ::geteuid() == 0 && (::setgid(uid) != 0 || ::setuid(uid) != 0)) ::_exit(2);
        body();
        ::_exit(::testing::Test::HasFailure() ? 1 : 0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "status " << status;
}

}  // namespace bandfs::scratch
