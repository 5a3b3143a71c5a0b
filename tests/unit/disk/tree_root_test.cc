// What a Tree does with root's powers: files of other owners, nodes that outlive the kernel's memory, mount points.
#include <sched.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>

#include <map>
#include <memory>
#include <string>

#include "disk/tree.h"
#include "scratch.h"

namespace bandfs {
namespace {

using scratch::in_child;
using scratch::ScratchDirectory;
using scratch::stat_of;

class TreeAsRoot : public ::testing::TestWithParam<std::string> {
protected:
    void SetUp() override {
        if (::geteuid() != 0) GTEST_SKIP() << "needs root";
        Result<std::unique_ptr<Tree>> opened = Tree::open({source.path(), 16});
        ASSERT_TRUE(opened);
        tree = std::move(*opened);
    }

    Entry find(const std::string& name) {
        const Result<Entry> entry = tree->lookup(tree->root(), name.c_str());
        EXPECT_TRUE(entry) << name << ": " << entry.code();
        return entry ? *entry : Entry{};
    }

    ScratchDirectory source{GetParam()};
    std::unique_ptr<Tree> tree;
};

TEST_P(TreeAsRoot, NewFilesBelongToTheCaller) {
    const Identity caller{.uid = 1234, .gid = 2345, .umask = 027};
    const auto check = [](const Entry& entry, mode_t mode, gid_t gid) {
        EXPECT_EQ(entry.attr.st_uid, 1234u);
        EXPECT_EQ(entry.attr.st_gid, gid);
        EXPECT_EQ(entry.attr.st_mode & 07777, mode);
    };
    check(*tree->make_directory(tree->root(), "d", 0777, caller), 0750, 2345);
    check(*tree->make_node(tree->root(), "f", S_IFREG | 0666, 0, caller), 0640, 2345);
    check(*tree->make_node(tree->root(), "p", S_IFIFO | 0666, 0, caller), 0640, 2345);
    check(*tree->make_symlink(tree->root(), "s", "target", caller), 0777, 2345);
    check(tree->create(tree->root(), "c", O_RDWR, 0666, caller)->entry, 0640, 2345);

    ASSERT_EQ(::chmod(source.path().c_str(), 02777), 0);
    ASSERT_EQ(::chown(source.path().c_str(), 0, 3456), 0);
    ASSERT_EQ(::chmod(source.path().c_str(), 02777), 0);
    check(*tree->make_directory(tree->root(), "sd", 0777, caller), 02750, 3456);
    check(*tree->make_node(tree->root(), "sf", S_IFREG | 0666, 0, caller), 0640, 3456);

    // And the next one is root's again, as are the thread's powers.
    const Entry own = *tree->make_node(tree->root(), "own", S_IFREG | 0600, 0, {});
    EXPECT_EQ(own.attr.st_uid, 0u);
    EXPECT_EQ(own.attr.st_gid, 3456u);
}

TEST_P(TreeAsRoot, SetGroupIdIsForMembersOfTheGroup) {
    ASSERT_EQ(::chown(source.path().c_str(), 0, 3456), 0);
    ASSERT_EQ(::chmod(source.path().c_str(), 02777), 0);
    Identity caller{.uid = 1234, .gid = 2345, .umask = 0, .decides_setid = true, .keeps_setid = false, .groups = {}};
    EXPECT_EQ(tree->make_node(tree->root(), "out", S_IFREG | 02770, 0, caller)->attr.st_mode & 07777, 0770u);
    caller.groups = {3456};
    EXPECT_EQ(tree->make_node(tree->root(), "in", S_IFREG | 02770, 0, caller)->attr.st_mode & 07777, 02770u);
}

TEST_P(TreeAsRoot, SetIdBitsFallOnAChangeOfOwner) {
    source.write("file");
    const Entry file = find("file");
    const auto chmod = [&](mode_t mode) { ASSERT_EQ(::chmod((source / "file").c_str(), mode), 0); };
    AttrChange owner;
    owner.uid = 1234;
    owner.gid = 2345;
    chmod(06777);
    EXPECT_EQ(tree->set_attributes(*file.inode, owner, {})->st_mode & 07777, 0777u);
    // Without execution by the group, S_ISGID stays for a member and falls for others.
    Identity caller{.uid = 1234, .gid = 2345, .umask = 0, .decides_setid = true, .keeps_setid = false, .groups = {}};
    chmod(02760);
    EXPECT_EQ(tree->set_attributes(*file.inode, owner, caller)->st_mode & 07777, 02760u);
    caller.gid = 1;
    EXPECT_EQ(tree->set_attributes(*file.inode, owner, caller)->st_mode & 07777, 0760u);
}

TEST_P(TreeAsRoot, TruncationTakesSetIdBitsFromOrdinaryCallers) {
    source.write("file", "text");
    const Entry file = find("file");
    ASSERT_EQ(::chmod((source / "file").c_str(), 06777), 0);
    ASSERT_TRUE(tree->truncate(*file.inode, 2));
    EXPECT_EQ(stat_of(source / "file").st_mode & 07777, 06777u);
    {
        const ActingAs ordinary({.uid = 1234, .gid = 2345, .decides_setid = true, .keeps_setid = false});
        ASSERT_TRUE(tree->truncate(*file.inode, 1));
    }
    EXPECT_EQ(stat_of(source / "file").st_mode & 07777, 0777u);
    EXPECT_TRUE(thread_has_capability(::gettid(), 4 /* CAP_FSETID */));
}

TEST_P(TreeAsRoot, AForgottenNodeIsFoundByItsNumber) {
    source.write("file", "text");
    std::filesystem::create_directory(source / "dir");
    for (const char* name : {"file", "dir"}) {
        const Entry entry = find(name);
        const NodeId id = entry.inode->id();
        const std::uint64_t generation = entry.generation;
        tree->forget(id, 1);
        ASSERT_EQ(tree->inodes(), 1u);
        const Result<InodePtr> again = tree->inode(id);
        ASSERT_TRUE(again) << again.code();
        const Result<Entry> itself = tree->lookup(**again, ".");
        ASSERT_TRUE(itself);
        EXPECT_EQ(itself->inode->id(), id);
        EXPECT_EQ(itself->generation, generation);
        EXPECT_EQ(itself->attr.st_ino, stat_of(source / name).st_ino);
        EXPECT_EQ(find(name).inode, itself->inode);
        tree->forget(id, 2);
    }
}

TEST_P(TreeAsRoot, AnotherFileOfThatNumberIsNotTheOldNode) {
    source.write("file");
    const Entry file = find("file");
    const NodeId id = file.inode->id();
    tree->forget(id, 1);
    const ino_t number = stat_of(source / "file").st_ino;
    ASSERT_EQ(::unlink((source / "file").c_str()), 0);
    EXPECT_EQ(tree->inode(id).code(), ESTALE);
    for (int i = 0; i < 100; ++i) {
        source.write(std::to_string(i));
        if (stat_of(source / std::to_string(i)).st_ino != number) continue;
        EXPECT_NE(find(std::to_string(i)).inode->id(), id);
        tree->forget(*find(std::to_string(i)).inode, 2);
        break;
    }
    EXPECT_EQ(tree->inode(id).code(), ESTALE);
    EXPECT_EQ(tree->inode(number).code(), ESTALE) << "generation 0, which ext4 takes for any";
    EXPECT_EQ(tree->inode(0).code(), ESTALE);
    EXPECT_EQ(tree->inode(~NodeId{0}).code(), ESTALE);
}

TEST_P(TreeAsRoot, AnotherMountOfTheSameDirectoryHasGenerationsOfItsOwn) {
    source.write("file");
    Result<std::unique_ptr<Tree>> second = Tree::open({source.path(), 16});
    ASSERT_TRUE(second);
    const Entry first = find("file");
    const Result<Entry> other = (*second)->lookup((*second)->root(), "file");
    ASSERT_TRUE(other);
    EXPECT_EQ(first.inode->id(), other->inode->id());
    EXPECT_NE(first.generation, other->generation) << "SOURCE is part of a file system: handles must not be made up";
}

TEST_P(TreeAsRoot, AMountPointInsideShowsWhatIsMounted) {
    std::filesystem::create_directory(source / "mnt");
    source.write("file");
    in_child(0, [&] {
        if (::unshare(CLONE_NEWNS) != 0 || ::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
            ::mount("bandfs-test", (source / "mnt").c_str(), "tmpfs", 0, nullptr) != 0)
            return;  // not allowed to mount here
        tree = *Tree::open({source.path(), 16});
        source.write("mnt/inner", "text");
        const Entry mnt = find("mnt");
        EXPECT_EQ(mnt.attr.st_dev, stat_of(source / "mnt").st_dev);
        const Result<Entry> inner = tree->lookup(*mnt.inode, "inner");
        ASSERT_TRUE(inner);
        EXPECT_EQ(inner->attr.st_size, 4);
        for (int i = 0; i < 40; ++i) {
            source.write(std::to_string(i));
            find(std::to_string(i));
        }
        EXPECT_EQ(tree->attributes(*inner->inode)->st_size, 4);
        EXPECT_EQ(tree->rename(tree->root(), "file", *mnt.inode, "file", 0, {}).code(), EXDEV);
        EXPECT_EQ(tree->link(*find("file").inode, *mnt.inode, "file").code(), EXDEV);
        EXPECT_EQ(tree->remove_directory(tree->root(), "mnt").code(), EBUSY);
        EXPECT_EQ(tree->lookup(*mnt.inode, "..")->inode, &tree->root());
        tree->refuse_device(mnt.attr.st_dev);
        EXPECT_EQ(tree->lookup(tree->root(), "mnt").code(), ELOOP);
    });
}

INSTANTIATE_TEST_SUITE_P(Everywhere, TreeAsRoot, ::testing::Values("/tmp", "/dev/shm"),
                         [](const auto& test) { return test.param == "/tmp" ? "disk" : "tmpfs"; });

}  // namespace
}  // namespace bandfs
