// The control directory of a real mount, as root and as two users.
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "oracle.h"
#include "rig.h"

namespace bandfs::mount_test {
namespace {

/// Runs `body` as a user; what it returns, a small number.
template <typename Body>
int as(const User& user, Body body) {
    const pid_t child = fork();
    if (child == 0) {
        if (setgroups(user.groups.size(), user.groups.data()) != 0 || setresgid(user.gid, user.gid, user.gid) != 0 ||
            setresuid(user.uid, user.uid, user.uid) != 0) {
            _exit(255);
        }
        _exit(body());
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) lines.push_back(line);
    return lines;
}

std::set<std::string> names_in(const std::string& path) {
    std::set<std::string> names;
    DIR* directory = opendir(path.c_str());
    while (const dirent* entry = directory ? readdir(directory) : nullptr) names.insert(entry->d_name);
    if (directory) closedir(directory);
    return names;
}

class Control : public testing::Test {
protected:
    void SetUp() override {
        if (const std::string reason = why_no_mounts(); !reason.empty()) GTEST_SKIP() << reason;
        backing_ = std::make_unique<BackingFs>(janitor_, "ext4");
        mount_ = std::make_unique<BandfsMount>(janitor_, backing_->below(),
                                               "allow_other,type=user,policy=weight,devgroup=control,weight=100");
    }
    void TearDown() override {
        mount_.reset();
        backing_.reset();
    }
    std::string root() const { return mount_->path(); }
    std::string control() const { return root() + "/.bandfs"; }
    std::string table() const { return mount_->control("table"); }

    Janitor janitor_;
    std::unique_ptr<BackingFs> backing_;
    std::unique_ptr<BandfsMount> mount_;
};

TEST_F(Control, IsThereAndNotListed) {
    struct stat attr {};
    ASSERT_EQ(stat(control().c_str(), &attr), 0);
    EXPECT_TRUE(S_ISDIR(attr.st_mode));
    EXPECT_FALSE(names_in(root()).contains(".bandfs"));
    const std::set<std::string> names = names_in(control());
    EXPECT_TRUE(names.contains("status") && names.contains("table")) << names.size();
    EXPECT_EQ(run({"rm", "-rf", root() + "/.bandfs"}), 1);
    EXPECT_EQ(stat(control().c_str(), &attr), 0);
    EXPECT_EQ(stat((backing_->below() + "/.bandfs").c_str(), &attr), -1) << "it is not in the backing directory";
}

TEST_F(Control, TableInTheSeedsForm) {
    EXPECT_EQ(mount_->message("attach", "2001"), 0);
    EXPECT_EQ(mount_->message("weight", "2001:300"), 0);
    const std::vector<std::string> lines = lines_of(table());
    ASSERT_EQ(lines.size(), 3u) << table();
    EXPECT_TRUE(lines[0].ends_with(" devgrp=control io_throttle=4 io_limit=128")) << lines[0];
    EXPECT_EQ(lines[1], " id=default type=user weight=100 token=513");
    EXPECT_EQ(lines[2], " id=2001 weight=300 token=1537");
}

TEST_F(Control, StatusCountsWhatIsReadAndWritten) {
    EXPECT_EQ(mount_->message("attach", "2001"), 0);
    const int written = as(kAlice, [this] {
        const int f = open((root() + "/f").c_str(), O_RDWR | O_CREAT | O_DSYNC, 0644);
        const std::string text = pattern(300000, 1);
        return write(f, text.data(), text.size()) == 300000 ? 0 : errno;
    });
    EXPECT_EQ(written, 0);
    const std::string status = mount_->control("status");
    const std::vector<std::string> lines = lines_of(status);
    ASSERT_EQ(lines.size(), 3u) << status;
    EXPECT_EQ(lines[0], "devgrp=control # read-req delay sect write-req delay sect");
    EXPECT_TRUE(lines[1].starts_with(" default ")) << lines[1];
    EXPECT_TRUE(lines[2].starts_with(" 2001 ")) << lines[2];
    EXPECT_EQ(sectors_in(lines[0] + "\n" + lines[2], Column::written), 586u) << "300,000 bytes of alice; " << lines[2];
    EXPECT_EQ(sectors_in(status, Column::written), 586u) << "nobody else wrote";
    EXPECT_EQ(mount_->message("reset", ""), 0);
    EXPECT_NE(mount_->control("status").find(" 2001 0 0 0 0 0 0"), std::string::npos) << mount_->control("status");
}

TEST_F(Control, MessagesAndTheirErrors) {
    struct Case {
        const char *message, *arguments;
        int error;
    };
    const Case cases[] = {
        {"attach", "2001", 0},
        {"attach", "2001", EEXIST},
        {"attach", "-5", EINVAL},
        {"attach", "nobody-at-all", EINVAL},
        {"weight", "2001:0", EINVAL},
        {"weight", "2001:x", EINVAL},
        {"weight", "2002:7", EINVAL},
        {"weight", "2001:1000001", EINVAL},
        {"weight", "2001:30", 0},
        {"weight", "2001=31", 0},
        {"weight", "default:9", 0},
        {"weight", "11", 0},
        {"attach", "0", 0},
        {"weight", "0:77", 0},
        {"weight", "", EINVAL},
        {"token", "0", EINVAL},
        {"token", "64", 0},
        {"io_throttle", "0", EINVAL},
        {"io_throttle", "999", EINVAL},
        {"io_limit", "4", EINVAL},
        {"io_limit", "64", 0},
        {"io_throttle", "5", 0},
        {"policy", "none", EINVAL},
        {"type", "pid", EBUSY},
        {"type", "sort", EINVAL},
        {"detach", "2002", EINVAL},
        {"detach", "2001", 0},
        {"detach", "0", 0},
        {"type", "pid", 0},
        {"nonsense", "1", EINVAL},
    };
    for (const Case& c : cases) {
        const std::string before = table();
        const int error = mount_->message(c.message, c.arguments);
        EXPECT_EQ(error, c.error) << c.message << " " << c.arguments;
        if (c.error != 0) {
            EXPECT_EQ(table(), before) << c.message << " " << c.arguments << " is refused and changes something";
        }
    }
    EXPECT_NE(table().find("type=pid"), std::string::npos) << table();
}

TEST_F(Control, RulesComeLineByLine) {
    ASSERT_EQ(mount_->message("type", "rules"), 0);
    const std::string rules = mount_->path() + "/.bandfs/rules";
    const auto write_lines = [&](int flags, const std::vector<std::string>& lines) {
        const int fd = open(rules.c_str(), O_WRONLY | flags);
        for (const std::string& line : lines) {
            EXPECT_EQ(write(fd, line.data(), line.size()), static_cast<ssize_t>(line.size())) << line;
        }
        close(fd);
    };
    write_lines(O_TRUNC, {"a uid=1\n", "b uid=2\n"});
    EXPECT_EQ(mount_->control("rules"), "a uid=1\nb uid=2\n");
    write_lines(O_APPEND, {"c uid=3\n", "d uid=4\n"});
    EXPECT_EQ(mount_->control("rules"), "a uid=1\nb uid=2\nc uid=3\nd uid=4\n");
    write_lines(O_TRUNC, {"e uid=5\n"});
    EXPECT_EQ(mount_->control("rules"), "e uid=5\n");
}

TEST_F(Control, OnlyTheOwnerSets) {
    const std::string before = table();
    const auto try_message = [this](const char* name, const char* value) {
        return as(kBob, [&] { return setxattr(control().c_str(), name, value, strlen(value), 0) == 0 ? 0 : errno; });
    };
    EXPECT_EQ(try_message("user.bandfs.weight", "default:999"), EPERM);
    EXPECT_EQ(try_message("user.bandfs.attach", "2002"), EPERM);
    EXPECT_EQ(table(), before);
    EXPECT_EQ(as(kBob, [this] { return access((control() + "/status").c_str(), R_OK) == 0 ? 0 : errno; }), 0)
        << "reading is free";
}

TEST_F(Control, AttributesShowWhatIsInForce) {
    EXPECT_EQ(mount_->message("token", "64"), 0);
    const std::string dump = output_of({"getfattr", "-d", control()});
    EXPECT_NE(dump.find("user.bandfs.token=\"64\""), std::string::npos) << dump;
    EXPECT_NE(dump.find("user.bandfs.io_throttle=\"4\""), std::string::npos) << dump;
    EXPECT_NE(dump.find("user.bandfs.policy=\"weight\""), std::string::npos) << dump;
    EXPECT_NE(dump.find("user.bandfs.type=\"user\""), std::string::npos) << dump;
}

TEST_F(Control, CannotBeReplaced) {
    EXPECT_NE(mkdir(control().c_str(), 0755), 0);
    EXPECT_EQ(errno, EEXIST);
    EXPECT_NE(rename(control().c_str(), (root() + "/x").c_str()), 0);
    EXPECT_NE(unlink((control() + "/status").c_str()), 0);
    EXPECT_EQ(open((control() + "/new").c_str(), O_CREAT | O_RDWR, 0644), -1);
    const int f = open((root() + "/f").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0644);
    close(f);
    EXPECT_NE(rename((root() + "/f").c_str(), control().c_str()), 0);
    EXPECT_NE(link((control() + "/status").c_str(), (root() + "/hard").c_str()), 0);
}

}  // namespace
}  // namespace bandfs::mount_test
