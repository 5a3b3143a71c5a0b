// The control directory: what stands where, who may do what, and that files and xattrs are the same.
#include "control/control_tree.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "mount_fixture.h"

namespace bandfs {
namespace {

constexpr mode_t kPermissions = 07777;

class ControlDirectoryTree : public MountFixture {
protected:
    std::vector<std::string> names(std::string_view path) {
        std::vector<std::string> all;
        const Result<std::vector<ControlName>> listed = tree->list(path);
        if (!listed) return {"errno " + std::to_string(listed.code())};
        for (const ControlName& each : *listed) all.push_back(each.name);
        return all;
    }
    mode_t mode(std::string_view path) {
        const Result<ControlNode> node = tree->look(path);
        EXPECT_TRUE(node) << path;
        return node ? node->mode & kPermissions : 0;
    }
};

TEST_F(ControlDirectoryTree, EverythingListedIsThereAndReadable) {
    ASSERT_EQ(send("attach", "1000"), 0);
    for (const std::string directory : {"", "groups", "groups/default", "groups/1000"}) {
        const Result<std::vector<ControlName>> listed = tree->list(directory);
        ASSERT_TRUE(listed) << directory;
        EXPECT_FALSE(listed->empty());
        for (const ControlName& each : *listed) {
            const std::string path = directory.empty() ? each.name : directory + "/" + each.name;
            SCOPED_TRACE(path);
            const Result<ControlNode> node = tree->look(path);
            ASSERT_TRUE(node);
            EXPECT_EQ(node->path, path) << "one node, one path";
            EXPECT_EQ(node->is_directory, each.is_directory);
            EXPECT_EQ(node->owner, kOwner.uid);
            const int expected = node->is_directory ? EISDIR : (node->mode & 0444) == 0 ? EACCES : 0;
            EXPECT_EQ(tree->read(path).code(), expected);
        }
    }
    EXPECT_EQ(names("groups"), (std::vector<std::string>{"default", "1000"}));
}

TEST_F(ControlDirectoryTree, ModesSayWhoMay) {
    EXPECT_EQ(mode("status"), 0444u);
    EXPECT_EQ(mode("weight"), 0644u);
    EXPECT_EQ(mode("attach"), 0200u);
    EXPECT_EQ(mode("groups/default/weight"), 0644u);
    EXPECT_EQ(mode("groups/default/stat"), 0444u);
    EXPECT_EQ(mode("groups"), 0755u);
    EXPECT_EQ(mode(""), 01755u) << "sticky: the kernel answers EPERM to the xattrs of others";
    EXPECT_EQ(mode("groups/default"), 01755u);
}

TEST_F(ControlDirectoryTree, WhatIsNotThereIsNot) {
    for (const char* path : {"nothing", "groups/1000", "groups/x", "groups/default/nothing", "groups/0", "groups//x"}) {
        EXPECT_EQ(tree->look(path).code(), ENOENT) << path;
    }
    EXPECT_EQ(tree->look("status/x").code(), ENOTDIR);
    EXPECT_EQ(tree->look("groups/default/weight/x").code(), ENOTDIR);
    EXPECT_EQ(tree->list("status").code(), ENOTDIR);
    EXPECT_EQ(tree->read("groups").code(), EISDIR);
}

TEST_F(ControlDirectoryTree, MkdirAttachesAndRmdirDetaches) {
    EXPECT_EQ(tree->make_directory("groups/1000", kRoot).code(), 0);
    EXPECT_NE(filesystem.groups->find(1000), nullptr);
    EXPECT_EQ(tree->make_directory("groups/1000", kRoot).code(), EEXIST);
    EXPECT_EQ(tree->make_directory("groups/default", kRoot).code(), EEXIST);
    EXPECT_EQ(tree->make_directory("groups/x", kRoot).code(), EINVAL);
    EXPECT_EQ(tree->make_directory("groups/0", kRoot).code(), EINVAL);
    EXPECT_EQ(tree->make_directory("other", kRoot).code(), EPERM);
    EXPECT_EQ(tree->make_directory("groups/1000/x", kRoot).code(), EPERM);
    EXPECT_EQ(tree->write("groups/1000/weight", "30\n", false, kRoot).code(), 0);
    EXPECT_EQ(filesystem.groups->find(1000)->weight(), 30u);
    EXPECT_EQ(tree->remove_directory("groups/1000", kRoot).code(), 0);
    EXPECT_EQ(filesystem.groups->find(1000), nullptr);
    EXPECT_EQ(tree->remove_directory("groups/1000", kRoot).code(), ENOENT);
    EXPECT_EQ(tree->remove_directory("groups/default", kRoot).code(), EPERM);
    EXPECT_EQ(tree->remove_directory("groups", kRoot).code(), EPERM);
    EXPECT_EQ(tree->remove_directory("", kRoot).code(), EPERM);
    EXPECT_EQ(tree->remove_directory("status", kRoot).code(), ENOTDIR);
}

TEST_F(ControlDirectoryTree, AGroupHasManyNamesAndOnePath) {
    ASSERT_EQ(send("type", "user"), 0);
    ASSERT_EQ(tree->make_directory("groups/root", kRoot).code(), 0);
    const Result<ControlNode> by_name = tree->look("groups/root");
    const Result<ControlNode> by_number = tree->look("groups/0");
    ASSERT_TRUE(by_name);
    ASSERT_TRUE(by_number);
    EXPECT_EQ(by_name->path, by_number->path);
    EXPECT_EQ(tree->make_directory("groups/0", kRoot).code(), EEXIST);
    EXPECT_EQ(value("groups/root/id"), "0\n");
}

TEST_F(ControlDirectoryTree, OnlyRootAndTheOwnerChange) {
    ASSERT_EQ(send("attach", "1000"), 0);
    EXPECT_EQ(tree->write("weight", "30", false, kStranger).code(), EPERM);
    EXPECT_EQ(tree->write("status", "30", false, kStranger).code(), EPERM);
    EXPECT_EQ(tree->write("groups/1000/weight", "30", false, kStranger).code(), EPERM);
    EXPECT_EQ(tree->set_xattr("", "user.bandfs.weight", "30", kStranger).code(), EPERM);
    EXPECT_EQ(tree->set_xattr("groups/1000", "user.bandfs.weight", "30", kStranger).code(), EPERM);
    EXPECT_EQ(tree->make_directory("groups/8", kStranger).code(), EPERM);
    EXPECT_EQ(tree->remove_directory("groups/1000", kStranger).code(), EPERM);
    EXPECT_EQ(tree->send("weight", "30", kStranger).code, EPERM);
    EXPECT_EQ(value("weight"), "100\n");
    EXPECT_EQ(value("groups/1000/weight"), "100\n");
    EXPECT_EQ(names("groups").size(), 2u);
    EXPECT_EQ(tree->write("weight", "30", false, kOwner).code(), 0);
    EXPECT_EQ(tree->set_xattr("groups/1000", "user.bandfs.weight", "40", kOwner).code(), 0);
}

TEST_F(ControlDirectoryTree, TheOwnerOfAGroupSetsTheWeightsOfItsChildren) {
    ASSERT_EQ(send("policy", "fair"), 0);
    ASSERT_EQ(send("attach", "7"), 0);
    ASSERT_EQ(send("attach", "8 parent=7"), 0);
    ASSERT_EQ(send("attach", "9"), 0);
    EXPECT_EQ(value("groups/8/parent"), "7\n");
    EXPECT_EQ(value("groups/7/parent"), "none\n");
    EXPECT_EQ(tree->write("groups/8/weight", "30", false, kStranger).code(), EPERM);
    EXPECT_EQ(tree->write("groups/7/owner", std::to_string(kStranger.uid), false, kStranger).code(), EPERM);
    ASSERT_EQ(tree->write("groups/7/owner", std::to_string(kStranger.uid), false, kRoot).code(), 0);
    EXPECT_EQ(value("groups/7/owner"), "1001\n");
    EXPECT_EQ(mode("groups/8/weight"), 0666u);
    EXPECT_EQ(mode("groups/9/weight"), 0644u);
    EXPECT_EQ(tree->write("groups/8/weight", "30", false, kStranger).code(), 0);
    EXPECT_EQ(tree->set_xattr("groups/8", "user.bandfs.weight", "31", kStranger).code(), 0);
    EXPECT_EQ(value("groups/8/weight"), "31\n");
    constexpr ControlCaller kOther{1002, 1002, 4};
    EXPECT_EQ(tree->write("groups/8/weight", "32", false, kOther).code(), EPERM);
    EXPECT_EQ(tree->write("groups/8/max", "32", false, kStranger).code(), EPERM);
    EXPECT_EQ(tree->write("groups/8/owner", "none", false, kStranger).code(), EPERM);
    for (const char* path : {"groups/7/weight", "groups/9/weight", "groups/default/weight", "weight"}) {
        EXPECT_EQ(tree->write(path, "30", false, kStranger).code(), EPERM) << path;
    }
    EXPECT_EQ(tree->send("weight", "8:33", kStranger).code, EPERM);
    // Nor can he write lines of his own into the log, or fill it with what is refused.
    const std::string before = value("log");
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(tree->write("groups/8/weight", "x\nweight by uid 0: forged \x1b[31m", false, kStranger).code(),
                  EINVAL);
    }
    EXPECT_EQ(value("log"), before);
    const std::string said = "x\nweight by uid 0: forged \x1b[31m";
    EXPECT_EQ(tree->write("groups/8/weight", said, false, kRoot).code(), EINVAL);
    EXPECT_EQ(std::ranges::count(logged.back(), '\n'), 0) << logged.back();
    EXPECT_EQ(std::ranges::count(logged.back(), '\x1b'), 0) << logged.back();
    EXPECT_EQ(tree->remove_directory("groups/8", kStranger).code(), EPERM);
    EXPECT_EQ(tree->remove_directory("groups/7", kRoot).code(), EBUSY) << "it has a child";
    EXPECT_EQ(tree->remove_directory("groups/8", kRoot).code(), 0);
    EXPECT_EQ(tree->remove_directory("groups/7", kRoot).code(), 0);
    ASSERT_EQ(send("attach", "7"), 0);
    EXPECT_EQ(value("groups/7/owner"), "none\n") << "a new group is nobody's";
}

TEST_F(ControlDirectoryTree, EachErrorHasItsCase) {
    ASSERT_EQ(send("attach", "1000"), 0);
    EXPECT_EQ(tree->set_xattr("", "user.bandfs.speed", "1", kRoot).code(), EINVAL) << "no such message";
    EXPECT_EQ(tree->set_xattr("", "user.other", "1", kRoot).code(), ENODATA);
    EXPECT_EQ(tree->set_xattr("", "security.capability", "1", kRoot).code(), ENODATA);
    EXPECT_EQ(tree->set_xattr("", "user.bandfs.status", "1", kRoot).code(), EROFS);
    EXPECT_EQ(tree->set_xattr("", "user.bandfs.weight", "0", kRoot).code(), EINVAL);
    EXPECT_EQ(tree->set_xattr("", "user.bandfs.attach", "1000", kRoot).code(), EEXIST);
    EXPECT_EQ(tree->set_xattr("", "user.bandfs.type", "user", kRoot).code(), EBUSY);
    EXPECT_EQ(tree->set_xattr("groups/1000", "user.bandfs.stat", "1", kRoot).code(), EROFS);
    EXPECT_EQ(tree->set_xattr("groups/1000", "user.bandfs.io_limit", "1", kRoot).code(), ENODATA);
    EXPECT_EQ(tree->set_xattr("groups/1000", "user.bandfs.weight", "7:30", kRoot).code(), EINVAL);
    EXPECT_EQ(tree->set_xattr("groups", "user.bandfs.weight", "30", kRoot).code(), ENODATA);
    EXPECT_EQ(tree->set_xattr("status", "user.bandfs.weight", "30", kRoot).code(), ENODATA);
    EXPECT_EQ(tree->get_xattr("", "user.bandfs.speed").code(), ENODATA);
    EXPECT_EQ(tree->get_xattr("", "user.bandfs.attach").code(), ENODATA);
    EXPECT_EQ(tree->get_xattr("", "system.posix_acl_access").code(), ENODATA);
    EXPECT_EQ(tree->write("status", "1", false, kRoot).code(), EROFS);
    EXPECT_EQ(tree->write("groups/1000/stat", "1", false, kRoot).code(), EROFS);
    EXPECT_EQ(tree->write("groups", "1", false, kRoot).code(), EISDIR);
    EXPECT_EQ(tree->write("speed", "1", false, kRoot).code(), ENOENT);
    EXPECT_EQ(tree->write("weight", "", false, kRoot).code(), EINVAL);
}

TEST_F(ControlDirectoryTree, EveryMessageIsAFileAndAnXattr) {
    for (const ControlMessage& message : messages()) {
        const MountAttribute* const attribute = find_mount_attribute(message.name);
        ASSERT_NE(attribute, nullptr) << message.name;
        EXPECT_TRUE(attribute->settable()) << message.name;
    }
}

TEST_F(ControlDirectoryTree, FilesAndXattrsAreTheSame) {
    ASSERT_EQ(send("attach", "1000"), 0);
    for (const std::string directory : {"", "groups/default", "groups/1000"}) {
        const Result<std::vector<ControlName>> listed = tree->list(directory);
        ASSERT_TRUE(listed);
        for (const ControlName& each : *listed) {
            if (each.is_directory) continue;
            const std::string path = directory.empty() ? each.name : directory + "/" + each.name;
            SCOPED_TRACE(path);
            const Result<std::string> text = tree->read(path);
            Result<std::string> xattr = tree->get_xattr(directory, "user.bandfs." + each.name);
            EXPECT_EQ(xattr.ok(), text.ok());
            if (!xattr || !text) continue;
            if (!xattr->empty() && xattr->back() != '\n') *xattr += '\n';
            EXPECT_EQ(*xattr, *text);
        }
    }
}

TEST_F(ControlDirectoryTree, ADumpOfTheXattrsCanBeRestored) {
    filesystem.data =
        std::make_unique<DataPlane>(*filesystem.gate, *filesystem.groups, DiskIo::system(), DataPlaneSettings{});
    ASSERT_EQ(send("attach", "1000"), 0);
    ASSERT_EQ(send("weight", "1000:30"), 0);
    const std::string before = value("table");
    for (const std::string directory : {"", "groups/default", "groups/1000"}) {
        const Result<std::vector<std::string>> listed = tree->list_xattrs(directory);
        ASSERT_TRUE(listed);
        EXPECT_FALSE(listed->empty());
        for (const std::string& name : *listed) {
            SCOPED_TRACE(directory + " " + name);
            const Result<std::string> current = tree->get_xattr(directory, name);
            ASSERT_TRUE(current);
            EXPECT_EQ(current->find('\n'), std::string::npos) << "one line, as getfattr -d shows it";
            EXPECT_EQ(tree->set_xattr(directory, name, *current, kRoot).code(), 0);
        }
    }
    EXPECT_EQ(value("table"), before);
}

TEST_F(ControlDirectoryTree, StatIsAGroupsCounts) {
    serve(filesystem.groups->default_group(), Direction::write, 4096);
    EXPECT_EQ(value("groups/default/stat"),
              "in_flight 0\nheld 0\nheld_bytes 0\ndirty_bytes 0\ncached_reads 0\ncached_bytes 0\nfailures 0\n"
              "read.units 0\nread.immediate 0\nread.deferred 0\nread.sectors 0\nread.bytes_done 0\n"
              "write.units 1\nwrite.immediate 1\nwrite.deferred 0\nwrite.sectors 8\nwrite.bytes_done 4096\n");
}

TEST(EventLog, KeepsTheLastThousandLines) {
    EventLog log;
    EXPECT_EQ(log.text(), "");
    for (int i = 0; i < 1005; ++i) log.add("event " + std::to_string(i));
    const std::string text = log.text();
    EXPECT_EQ(std::ranges::count(text, '\n'), 1000);
    EXPECT_EQ(text.find("event 4\n"), std::string::npos);
    EXPECT_EQ(text.find(" event 5\n"), std::string("2026-01-01T00:00:00Z").size());
    EXPECT_TRUE(text.ends_with("event 1004\n"));
}

TEST(EventLog, AnEventStaysOneLineOfBoundedLength) {
    EventLog log;
    log.add("a\nb\x1b[31m" + std::string(100000, 'x'));
    const std::string text = log.text();
    EXPECT_EQ(std::ranges::count(text, '\n'), 1);
    EXPECT_NE(text.find("a?b?[31m"), std::string::npos);
    EXPECT_LT(text.size(), 600u);
}

}  // namespace
}  // namespace bandfs
