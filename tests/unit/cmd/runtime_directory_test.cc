#include "sys/runtime_directory.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include <gtest/gtest.h>

#include "cmd/election.h"
#include "soon.h"
#include "sys/clock.h"
#include "sys/unix_socket.h"

namespace bandfs {
namespace {

class RuntimeDirectory : public ::testing::Test {
protected:
    void SetUp() override {
        char name[] = "/tmp/bandfs-unit-XXXXXX";
        root_ = ::mkdtemp(name);
        path_ = root_ + "/bandfs";
    }
    void TearDown() override { std::filesystem::remove_all(root_); }

    std::string root_, path_;
};

TEST_F(RuntimeDirectory, StandsWhereTheUserCanHaveOne) {
    EXPECT_EQ(runtime_directory_path(0, "/run/user/0"), "/run/bandfs");
    EXPECT_EQ(runtime_directory_path(1000, "/run/user/1000"), "/run/user/1000/bandfs");
    EXPECT_EQ(runtime_directory_path(1000, nullptr), "/tmp/bandfs-1000");
    EXPECT_EQ(runtime_directory_path(1000, ""), "/tmp/bandfs-1000");
    EXPECT_EQ(runtime_directory_path(1000, "relative"), "/tmp/bandfs-1000");
}

TEST_F(RuntimeDirectory, IsMadeClosedToOthers) {
    EXPECT_EQ(open_runtime_directory(path_, ::getuid(), false).error(), Errno{ENOENT});
    ASSERT_TRUE(open_runtime_directory(path_, ::getuid(), true));
    struct stat facts {};
    ASSERT_EQ(::stat(path_.c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 07777, 0700u);
    EXPECT_TRUE(open_runtime_directory(path_, ::getuid(), false));
}

TEST_F(RuntimeDirectory, IsRefusedWhenOthersCouldBeInIt) {
    ::mkdir(path_.c_str(), 0700);
    EXPECT_EQ(open_runtime_directory(path_, ::getuid() + 1, true).error(), Errno{EPERM});
    ::chmod(path_.c_str(), 0750);
    EXPECT_EQ(open_runtime_directory(path_, ::getuid(), true).error(), Errno{EPERM});
    const std::string link = root_ + "/link";
    ::chmod(path_.c_str(), 0700);
    std::filesystem::create_directory_symlink(path_, link);
    EXPECT_EQ(open_runtime_directory(link, ::getuid(), true).error(), Errno{EPERM});
}

TEST_F(RuntimeDirectory, LockIsHeldByOneAndGoesWithItsHolder) {
    const auto directory = open_runtime_directory(path_, ::getuid(), true);
    ASSERT_TRUE(directory);
    const pid_t holder = ::fork();
    if (holder == 0) {
        const auto lock = take_lock(directory->get(), "a.lock");
        ::kill(::getpid(), SIGSTOP);  // tells the parent that it holds it
        ::pause();
        ::_exit(lock ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(holder, &status, WUNTRACED), holder);
    ASSERT_TRUE(WIFSTOPPED(status));
    EXPECT_EQ(take_lock(directory->get(), "a.lock").error(), Errno{EWOULDBLOCK});
    ::kill(holder, SIGKILL);
    ASSERT_EQ(::waitpid(holder, &status, 0), holder);
    EXPECT_TRUE(take_lock(directory->get(), "a.lock"));
}

TEST_F(RuntimeDirectory, ARemovedLockIsAnother) {
    const auto directory = open_runtime_directory(path_, ::getuid(), true);
    const auto first = take_lock(directory->get(), "a.lock");
    ASSERT_TRUE(first);
    remove_lock(directory->get(), "a.lock");
    EXPECT_TRUE(take_lock(directory->get(), "a.lock"));
}

TEST_F(RuntimeDirectory, ListsNames) {
    const auto directory = open_runtime_directory(path_, ::getuid(), true);
    for (const char* name : {"b.sock", "a.sock", "a.lock", ".sock"}) ASSERT_TRUE(take_lock(directory->get(), name));
    EXPECT_EQ(*names_ending_in(directory->get(), ".sock"), (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(*names_ending_in(directory->get(), ".sock"), (std::vector<std::string>{"a", "b"}));
}

using Election = RuntimeDirectory;

TEST_F(Election, TheFirstGetsThePostTheOthersAConnection) {
    auto first = elect(path_, "sda", soon());
    ASSERT_TRUE(first) << first.failure().message;
    ASSERT_TRUE(first->post);
    const auto second = elect(path_, "sda", soon());
    ASSERT_TRUE(second);
    EXPECT_FALSE(second->post);
    EXPECT_TRUE(second->connection);
    const auto other_disk = elect(path_, "sdb", soon());
    ASSERT_TRUE(other_disk);
    EXPECT_TRUE(other_disk->post);
}

TEST_F(Election, APostThatIsLeftLeavesNothingAndIsGivenAgain) {
    auto first = elect(path_, "sda", soon());
    ASSERT_TRUE(first->post);
    first->post->leave();
    EXPECT_TRUE(std::filesystem::is_empty(path_));
    EXPECT_TRUE(elect(path_, "sda", soon())->post);
}

TEST_F(Election, WhatAKilledServerLeftIsTakenOver) {
    {
        auto first = elect(path_, "sda", soon());
        ASSERT_TRUE(first->post);
        // Destroyed without leave(), as a killed process does: both files stay.
    }
    EXPECT_FALSE(std::filesystem::is_empty(path_));
    EXPECT_TRUE(elect(path_, "sda", soon())->post);
}

TEST_F(Election, AHolderThatNeverListensIsNotWaitedForForEver) {
    const auto directory = open_runtime_directory(path_, ::getuid(), true);
    const auto lock = take_lock(directory->get(), "sda.lock");
    const auto elected = elect(path_, "sda", now_ns() + 20 * kMillisecond);
    ASSERT_FALSE(elected);
    EXPECT_EQ(elected.failure().code, ExitCode::server);
}

TEST_F(Election, ADirectoryThatCannotBeTrustedIsRefused) {
    ::mkdir(path_.c_str(), 0700);
    ::chmod(path_.c_str(), 0777);
    const auto elected = elect(path_, "sda", soon());
    ASSERT_FALSE(elected);
    EXPECT_NE(elected.failure().message.find(path_), std::string::npos);
}

}  // namespace
}  // namespace bandfs
