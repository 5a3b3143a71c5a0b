// The control directory through the kernel: what programs see of it, and which errors they get.
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <string>

#include <gtest/gtest.h>

#include "../fuse/mounted.h"
#include "control/control_tree.h"

namespace bandfs {
namespace {

constexpr uid_t kMountOwner = 1000;
constexpr uid_t kStrangeUser = 1001;

/// 0, or the errno of a call that answered -1.
int error_of(long answer) {
    return answer < 0 ? errno : 0;
}

class ControlOps : public MountedTest {
protected:
    void SetUp() override {
        MountedTest::SetUp();
        if (!IsSkipped()) mount({});
    }
    void before_start() override {
        filesystem_.type = GroupType::pid;
        filesystem_.options.control_name = ".bandfs";
        const MountInfo info{"/source", "/mountpoint", "0:0", "test", kMountOwner, kMountOwner};
        tree_ = std::make_unique<ControlTree>(filesystem_, info, log_, ControlHooks{});
        filesystem_.control = tree_.get();
    }

    std::string at(const std::string& path) const { return in_mount(".bandfs/" + path).string(); }
    /// What `echo TEXT > PATH` gets.
    int echo(const std::string& path, const std::string& text) const {
        const UniqueFd file(::open(at(path).c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC));
        if (!file) return errno;
        return error_of(::write(file.get(), text.data(), text.size()));
    }
    int open_error(const std::string& path, int flags) const {
        const UniqueFd file(::open(at(path).c_str(), flags | O_CLOEXEC, 0644));
        return file ? 0 : errno;
    }
    int set_xattr(const std::string& path, const char* name, const std::string& value, int flags = 0) const {
        return error_of(::setxattr(at(path).c_str(), name, value.data(), value.size(), flags));
    }
    std::string xattr(const std::string& path, const char* name) const {
        char value[4096];
        const ssize_t length = ::getxattr(at(path).c_str(), name, value, sizeof value);
        return length < 0 ? "errno " + std::to_string(errno) : std::string(value, static_cast<std::size_t>(length));
    }
    /// Names and inode numbers.
    static std::map<std::string, ino_t> listing(const std::string& directory) {
        std::map<std::string, ino_t> names;
        DIR* const stream = ::opendir(directory.c_str());
        if (!stream) return names;
        while (const dirent* entry = ::readdir(stream)) names[entry->d_name] = entry->d_ino;
        ::closedir(stream);
        return names;
    }
    static int as_user(uid_t uid, const std::function<int()>& body) { return exit_status(in_child(uid, body)); }

    EventLog log_;
    std::unique_ptr<ControlTree> tree_;
};

TEST_F(ControlOps, IsThereAndNotListed) {
    EXPECT_FALSE(listing(in_mount("").string()).contains(".bandfs"));
    struct stat attr {};
    ASSERT_EQ(::stat(at("").c_str(), &attr), 0);
    EXPECT_EQ(attr.st_mode, S_IFDIR | 01755u);
    EXPECT_EQ(attr.st_uid, kMountOwner);
    EXPECT_NE(::access(below(".bandfs").c_str(), F_OK), 0);
    EXPECT_EQ(contents(at("status")), "devgrp=test # read-req delay sect write-req delay sect\n default 0 0 0 0 0 0\n");
}

TEST_F(ControlOps, ListsWhatIsThereUnderItsInodeNumbers) {
    ASSERT_EQ(::mkdir(at("groups/7").c_str(), 0755), 0);
    for (const char* directory : {"", "groups", "groups/7"}) {
        const std::map<std::string, ino_t> names = listing(at(directory));
        EXPECT_TRUE(names.contains(".") && names.contains("..")) << directory;
        EXPECT_GT(names.size(), 3u) << directory;
        for (const auto& [name, number] : names) {
            if (name == "..") continue;
            struct stat attr {};
            const std::string path = at(directory) + "/" + name;
            ASSERT_EQ(::lstat(path.c_str(), &attr), 0) << path;
            EXPECT_EQ(attr.st_ino, number) << path;
        }
    }
}

TEST_F(ControlOps, AnOpenFileIsWhatItWasWhenItWasOpened) {
    const UniqueFd file(::open(at("table").c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_TRUE(file);
    char first[8] = {};
    ASSERT_EQ(::read(file.get(), first, 4), 4);
    ASSERT_EQ(echo("weight", "55\n"), 0);
    char rest[512] = {};
    ASSERT_GT(::read(file.get(), rest, sizeof rest - 1), 0);
    EXPECT_NE(std::string(rest).find("weight=100"), std::string::npos) << rest;
    EXPECT_NE(contents(at("table")).find("weight=55"), std::string::npos) << "a new open sees the change at once";
}

TEST_F(ControlOps, WritingAFileSendsAMessage) {
    EXPECT_EQ(echo("weight", "30\n"), 0);
    EXPECT_EQ(contents(at("weight")), "30\n");
    const UniqueFd file(::open(at("weight").c_str(), O_RDWR | O_APPEND | O_CLOEXEC));
    EXPECT_EQ(::write(file.get(), "31", 2), 2) << "each write is a value";
    EXPECT_EQ(::write(file.get(), "32", 2), 2);
    EXPECT_EQ(contents(at("groups/default/weight")), "32\n");
    EXPECT_EQ(echo("weight", "0\n"), EINVAL);
    EXPECT_EQ(echo("weight", std::string(5000, '1')), EINVAL);
    EXPECT_EQ(echo("groups/default/weight", "7:9\n"), EINVAL);
    EXPECT_EQ(contents(at("weight")), "32\n");
    EXPECT_EQ(echo("attach", "7"), 0);
    EXPECT_EQ(echo("attach", "7"), EEXIST);
    EXPECT_EQ(echo("type", "user"), EBUSY);
}

TEST_F(ControlOps, OpensAsItsModesSay) {
    EXPECT_EQ(open_error("status", O_WRONLY), EROFS);
    EXPECT_EQ(open_error("status", O_RDWR), EROFS);
    EXPECT_EQ(open_error("attach", O_RDONLY), EACCES);
    EXPECT_EQ(open_error("weight", O_RDWR), 0);
    EXPECT_EQ(open_error("groups", O_WRONLY), EISDIR);
    EXPECT_EQ(open_error("nothing", O_RDONLY), ENOENT);
    EXPECT_EQ(open_error("new", O_CREAT | O_RDWR), EPERM);
    EXPECT_EQ(as_user(kStrangeUser, [this] { return open_error("status", O_RDONLY); }), 0);
    EXPECT_EQ(as_user(kStrangeUser, [this] { return open_error("weight", O_WRONLY); }), EACCES);
    EXPECT_EQ(as_user(kMountOwner, [this] { return echo("weight", "12"); }), 0);
    EXPECT_EQ(contents(at("weight")), "12\n");
}

TEST_F(ControlOps, XattrsAreTheSameValues) {
    EXPECT_EQ(xattr("", "user.bandfs.weight"), "100");
    EXPECT_EQ(set_xattr("", "user.bandfs.weight", "30"), 0);
    EXPECT_EQ(contents(at("weight")), "30\n");
    EXPECT_EQ(set_xattr("", "user.bandfs.weight", "31", XATTR_CREATE), EEXIST);
    EXPECT_EQ(set_xattr("", "user.bandfs.weight", "31", XATTR_REPLACE), 0);
    EXPECT_EQ(set_xattr("", "user.bandfs.attach", "7", XATTR_REPLACE), ENODATA);
    EXPECT_EQ(set_xattr("", "user.bandfs.attach", "7"), 0);
    EXPECT_EQ(set_xattr("groups/7", "user.bandfs.weight", "9"), 0);
    EXPECT_EQ(xattr("groups/7", "user.bandfs.weight"), "9");
    EXPECT_EQ(set_xattr("", "user.bandfs.status", "1"), EROFS);
    EXPECT_EQ(set_xattr("", "user.bandfs.speed", "1"), EINVAL) << "no such message";
    EXPECT_EQ(set_xattr("", "user.bandfs.weight", "0"), EINVAL);
    EXPECT_EQ(set_xattr("", "user.bandfs.weight", std::string(5000, '1')), EINVAL);
    EXPECT_EQ(xattr("", "user.bandfs.speed"), "errno " + std::to_string(ENODATA));
    EXPECT_EQ(error_of(::removexattr(at("").c_str(), "user.bandfs.weight")), EPERM);
    EXPECT_EQ(error_of(::removexattr(at("").c_str(), "user.bandfs.speed")), ENODATA);
    char one[1];
    EXPECT_EQ(error_of(::getxattr(at("").c_str(), "user.bandfs.weight", one, sizeof one)), ERANGE);
    EXPECT_EQ(as_user(kStrangeUser, [this] { return set_xattr("", "user.bandfs.weight", "99"); }), EPERM);
    EXPECT_EQ(as_user(kStrangeUser, [this] { return set_xattr("groups/7", "user.bandfs.weight", "99"); }), EPERM);
    EXPECT_EQ(as_user(kMountOwner, [this] { return set_xattr("groups/7", "user.bandfs.weight", "10"); }), 0);
    EXPECT_EQ(xattr("groups/7", "user.bandfs.weight"), "10");
}

TEST_F(ControlOps, MkdirAttachesAndRmdirDetaches) {
    EXPECT_EQ(error_of(::mkdir(at("groups/7").c_str(), 0755)), 0);
    EXPECT_EQ(error_of(::mkdir(at("groups/7").c_str(), 0755)), EEXIST);
    EXPECT_EQ(error_of(::mkdir(at("groups/x").c_str(), 0755)), EINVAL);
    EXPECT_EQ(error_of(::mkdir(at("other").c_str(), 0755)), EPERM);
    EXPECT_EQ(echo("groups/7/weight", "30"), 0);
    const int stranger = as_user(kStrangeUser, [this] { return error_of(::rmdir(at("groups/7").c_str())); });
    EXPECT_EQ(stranger, EACCES);
    EXPECT_EQ(error_of(::rmdir(at("groups/7").c_str())), 0);
    EXPECT_EQ(error_of(::rmdir(at("groups/7").c_str())), ENOENT);
    EXPECT_EQ(error_of(::rmdir(at("groups/default").c_str())), EPERM);
    EXPECT_EQ(error_of(::rmdir(at("groups").c_str())), EPERM);
    EXPECT_EQ(error_of(::rmdir(at("").c_str())), EPERM);
    EXPECT_FALSE(listing(at("groups")).contains("7"));
}

TEST_F(ControlOps, ADirectoryThatWasRemovedStaysRemoved) {
    ASSERT_EQ(::mkdir(at("groups/7").c_str(), 0755), 0);
    const UniqueFd standing(::open(at("groups/7").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    ASSERT_EQ(::rmdir(at("groups/7").c_str()), 0);
    ASSERT_EQ(::mkdir(at("groups/7").c_str(), 0755), 0);
    EXPECT_NE(::faccessat(standing.get(), "weight", F_OK, 0), 0) << "it is not the new group";
    EXPECT_EQ(open_error("groups/7/weight", O_RDONLY), 0);
    ASSERT_EQ(echo("detach", "7"), 0);
    EXPECT_EQ(open_error("groups/7/weight", O_RDONLY), ENOENT) << "a message removes the directory as well";
}

TEST_F(ControlOps, NothingElseCanBeDoneWithIt) {
    write_contents(in_mount("file"), "x");
    const std::string file = in_mount("file").string();
    const std::string control = in_mount(".bandfs").string();
    const std::string status = at("status");
    EXPECT_EQ(error_of(::unlink(status.c_str())), EPERM);
    EXPECT_EQ(error_of(::rename(status.c_str(), in_mount("a").c_str())), EPERM);
    EXPECT_EQ(error_of(::rename(file.c_str(), at("a").c_str())), EPERM);
    EXPECT_EQ(error_of(::rename(control.c_str(), in_mount("a").c_str())), EPERM);
    EXPECT_EQ(error_of(::link(status.c_str(), in_mount("a").c_str())), EPERM);
    EXPECT_EQ(error_of(::link(file.c_str(), at("a").c_str())), EPERM);
    EXPECT_EQ(error_of(::symlink("x", at("a").c_str())), EPERM);
    EXPECT_EQ(error_of(::mknod(at("a").c_str(), S_IFIFO | 0600, 0)), EPERM);
    EXPECT_EQ(error_of(::chmod(status.c_str(), 0777)), EPERM);
    EXPECT_EQ(error_of(::chown(status.c_str(), 1, 1)), EPERM);
    EXPECT_EQ(error_of(::mkdir(control.c_str(), 0755)), EEXIST);
    struct statvfs figures {};
    EXPECT_EQ(error_of(::statvfs(control.c_str(), &figures)), 0);
    const UniqueFd open_file(::open(at("weight").c_str(), O_RDWR | O_CLOEXEC));
    int flags = 0;
    EXPECT_EQ(error_of(::ioctl(open_file.get(), _IOR('f', 1, long), &flags)), ENOTTY);
    EXPECT_EQ(error_of(::fsync(open_file.get())), 0);
    EXPECT_EQ(error_of(::fallocate(open_file.get(), 0, 0, 1)), EOPNOTSUPP);
    EXPECT_EQ(contents(in_mount("file")), "x") << "and the rest of the mount goes on";
}

TEST_F(ControlOps, TheKernelsReferencesAreCounted) {
    for (int round = 0; round < 3; ++round) {
        ASSERT_EQ(::mkdir(at("groups/7").c_str(), 0755), 0);
        EXPECT_EQ(contents(at("groups/7/weight")), "100\n");
        ASSERT_EQ(::rmdir(at("groups/7").c_str()), 0);
    }
    EXPECT_TRUE(eventually([this] { return filesystem_.control_nodes.count() < 20; }));
    EXPECT_TRUE(eventually([this] { return filesystem_.handles.count() == 0; })) << "nobody waits for a RELEASE";
}

}  // namespace
}  // namespace bandfs
