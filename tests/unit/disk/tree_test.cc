// Trees over real directories, with inodes found again by handle and by name.
#include "disk/tree.h"

#include <sys/resource.h>
#include <sys/xattr.h>

#include <array>
#include <memory>
#include <set>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "scratch.h"

namespace bandfs {
namespace {

using scratch::in_child;
using scratch::open_descriptors;
using scratch::ScratchDirectory;
using scratch::stat_of;

const Identity kRoot{};

enum class Way { handle, name };

struct Case {
    std::string directory;
    Way way;
};

void PrintTo(const Case& c, std::ostream* out) {
    *out << c.directory << (c.way == Way::handle ? " by handle" : " by name");
}

/// A Tree with a small pool over a directory of ext4 (or what /tmp is on) or tmpfs.
class TreeTest : public ::testing::TestWithParam<Case> {
protected:
    static constexpr std::size_t kPool = 16;

    void SetUp() override {
        if (GetParam().way == Way::handle && ::geteuid() != 0) GTEST_SKIP() << "opening handles needs root";
        Result<std::unique_ptr<Tree>> opened = Tree::open({source.path(), kPool, GetParam().way == Way::name});
        ASSERT_TRUE(opened) << opened.code();
        tree = std::move(*opened);
    }

    Entry find(Inode& parent, const std::string& name) {
        const Result<Entry> entry = tree->lookup(parent, name.c_str());
        EXPECT_TRUE(entry) << name << ": " << entry.code();
        return entry ? *entry : Entry{};
    }
    Entry find(const std::string& name) { return find(tree->root(), name); }

    struct stat attributes(const Entry& entry) {
        const Result<struct stat> attr = tree->attributes(*entry.inode);
        EXPECT_TRUE(attr) << attr.code();
        return attr ? *attr : stat_of(source.path());
    }

    /// Looks up enough other files for every descriptor that is not pinned to be given up.
    void press_out_descriptors() {
        for (std::size_t i = 0; i < 2 * kPool; ++i) {
            const std::string name = "filler" + std::to_string(i);
            source.write(name);
            tree->forget(*find(name).inode, 1);
            const Entry kept = find(name);
            ASSERT_NE(kept.inode, nullptr);
        }
        ASSERT_LE(tree->descriptors(), kPool);
    }

    ScratchDirectory source{GetParam().directory};
    std::unique_ptr<Tree> tree;
};

TEST_P(TreeTest, HardLinksAreOneInodeAndAReplacedFileIsAnother) {
    source.write("a", "one");
    ASSERT_EQ(::link((source / "a").c_str(), (source / "b").c_str()), 0);
    const Entry a = find("a");
    EXPECT_EQ(a.inode, find("b").inode);
    EXPECT_EQ(a.attr.st_ino, stat_of(source / "a").st_ino);
    EXPECT_EQ(a.attr.st_nlink, 2u);

    source.write("new", "two");
    ASSERT_EQ(::rename((source / "new").c_str(), (source / "a").c_str()), 0);
    EXPECT_NE(a.inode->id(), find("a").inode->id());
}

TEST_P(TreeTest, NamesLeadNowhereElse) {
    ASSERT_EQ(::symlink("/etc/passwd", (source / "link").c_str()), 0);
    ASSERT_EQ(::mkfifo((source / "fifo").c_str(), 0600), 0);
    source.write("file");
    const Entry link = find("link");
    EXPECT_TRUE(S_ISLNK(link.attr.st_mode));
    EXPECT_EQ(*tree->read_link(*link.inode), "/etc/passwd");
    EXPECT_EQ(tree->open_file(*link.inode, O_RDONLY).code(), ENXIO);
    EXPECT_EQ(tree->open_file(*find("fifo").inode, O_RDONLY).code(), ENXIO);
    for (const char* name : {"../x", "link/x", "/etc", ""})
        EXPECT_EQ(tree->lookup(tree->root(), name).code(), EINVAL) << name;
    EXPECT_EQ(tree->unlink(tree->root(), "../x").code(), EINVAL);
    EXPECT_EQ(tree->make_directory(tree->root(), "a/b", 0700, kRoot).code(), EINVAL);
    EXPECT_EQ(tree->lookup(*find("file").inode, "x").code(), ENOTDIR);
    EXPECT_EQ(tree->lookup(tree->root(), std::string(256, 'n').c_str()).code(), ENAMETOOLONG);
    EXPECT_EQ(tree->lookup(tree->root(), "none").code(), ENOENT);
}

TEST_P(TreeTest, ParentIsFoundButNeverAboveTheRoot) {
    std::filesystem::create_directories(source / "d/e");
    const Entry d = find("d");
    const Entry e = find(*d.inode, "e");
    EXPECT_EQ(find(*e.inode, "..").inode, d.inode);
    EXPECT_EQ(find(*d.inode, "..").inode, &tree->root());
    EXPECT_EQ(find(tree->root(), "..").inode, &tree->root());
    EXPECT_EQ(find(*e.inode, ".").inode, e.inode);

    const ScratchDirectory outside(GetParam().directory);
    ASSERT_EQ(::rename((source / "d").c_str(), (outside / "d").c_str()), 0);
    EXPECT_EQ(tree->lookup(*d.inode, "..").code(), ESTALE);
}

TEST_P(TreeTest, FewDescriptorsServeManyInodes) {
    constexpr int kFiles = 2000;
    const std::size_t before = open_descriptors();
    std::vector<Inode*> inodes;
    for (int i = 0; i < kFiles; ++i) {
        source.write(std::to_string(i), std::string(static_cast<std::size_t>(i), 'x'));
        inodes.push_back(find(std::to_string(i)).inode);
    }
    EXPECT_EQ(tree->inodes(), kFiles + 1u);
    for (int i = 0; i < kFiles; ++i) {
        const Result<struct stat> attr = tree->attributes(*inodes[static_cast<std::size_t>(i)]);
        ASSERT_TRUE(attr) << i << ": " << attr.code();
        EXPECT_EQ(attr->st_size, i);
    }
    EXPECT_LE(tree->descriptors(), kPool);
    EXPECT_LE(open_descriptors(), before + kPool + 1);
    for (Inode* inode : inodes) tree->forget(*inode, 1);
    EXPECT_EQ(tree->inodes(), 1u);
    EXPECT_EQ(tree->descriptors(), 0u);
}

TEST_P(TreeTest, DeepDirectoriesAreReopened) {
    std::vector<Entry> chain{find(".")};
    for (std::size_t depth = 0; depth < 3 * kPool; ++depth) {
        const Result<Entry> made = tree->make_directory(*chain.back().inode, "d", 0755, kRoot);
        ASSERT_TRUE(made);
        chain.push_back(*made);
    }
    press_out_descriptors();
    EXPECT_EQ(attributes(chain.back()).st_ino, chain.back().attr.st_ino);
}

TEST_P(TreeTest, WhatLostItsNamesIsStillThere) {
    std::filesystem::create_directory(source / "dir");
    for (const char* name : {"file", "over", "under", "two"}) source.write(name, name);
    ASSERT_EQ(::link((source / "two").c_str(), (source / "names").c_str()), 0);
    const Entry dir = find("dir"), file = find("file"), over = find("over"), under = find("under"), two = find("two");

    const Result<LostName> lost = tree->unlink(tree->root(), "file");
    ASSERT_TRUE(lost);
    EXPECT_EQ(lost->number, file.attr.st_ino);
    EXPECT_TRUE(lost->last);
    EXPECT_FALSE(tree->unlink(tree->root(), "two")->last);
    EXPECT_TRUE(tree->remove_directory(tree->root(), "dir"));
    const Result<std::optional<LostName>> replaced = tree->rename(tree->root(), "over", tree->root(), "under", 0, {});
    ASSERT_TRUE(replaced && *replaced);
    EXPECT_EQ((*replaced)->number, under.attr.st_ino);
    EXPECT_TRUE((*replaced)->last);
    press_out_descriptors();

    EXPECT_EQ(attributes(file).st_nlink, 0u);
    EXPECT_EQ(attributes(under).st_nlink, 0u);
    EXPECT_EQ(attributes(two).st_nlink, 1u);
    EXPECT_TRUE(tree->attributes(*dir.inode));
    EXPECT_EQ(attributes(over).st_ino, over.attr.st_ino);
    EXPECT_TRUE(tree->open_file(*file.inode, O_RDWR));
    EXPECT_EQ(tree->make_directory(*dir.inode, "x", 0700, kRoot).code(), ENOENT);
    AttrChange change;
    change.mode = 0600;
    EXPECT_TRUE(tree->set_attributes(*file.inode, change, kRoot));
    EXPECT_EQ(attributes(file).st_mode, S_IFREG | 0600u);
}

TEST_P(TreeTest, MovedInodesAreFoundAgain) {
    std::filesystem::create_directories(source / "from/deep");
    std::filesystem::create_directory(source / "to");
    source.write("from/deep/file", "text");
    const Entry from = find("from"), to = find("to"), deep = find(*from.inode, "deep"),
                file = find(*deep.inode, "file");
    ASSERT_TRUE(tree->rename(*from.inode, "deep", *to.inode, "deeper", 0, {}));
    source.write("other", "other");
    const Entry other = find("other");
    ASSERT_TRUE(tree->rename(tree->root(), "other", *deep.inode, "file", RENAME_EXCHANGE, {}));
    press_out_descriptors();
    EXPECT_EQ(attributes(file).st_ino, file.attr.st_ino);
    EXPECT_EQ(attributes(other).st_ino, other.attr.st_ino);
    EXPECT_EQ(stat_of(source / "other").st_ino, file.attr.st_ino);
}

TEST_P(TreeTest, RenameFlagsAndErrorsAreThoseBelow) {
    for (const char* name : {"a", "b"}) source.write(name);
    std::filesystem::create_directory(source / "d");
    EXPECT_EQ(tree->rename(tree->root(), "a", tree->root(), "b", RENAME_NOREPLACE, {}).code(), EEXIST);
    EXPECT_EQ(tree->rename(tree->root(), "a", tree->root(), "c", RENAME_EXCHANGE, {}).code(), ENOENT);
    EXPECT_EQ(tree->rename(tree->root(), "a", tree->root(), "d", 0, {}).code(), EISDIR);
    EXPECT_EQ(tree->unlink(tree->root(), "d").code(), EISDIR);
    EXPECT_EQ(tree->remove_directory(tree->root(), "a").code(), ENOTDIR);
    source.write("d/x");
    EXPECT_EQ(tree->remove_directory(tree->root(), "d").code(), ENOTEMPTY);
    EXPECT_EQ(tree->unlink(tree->root(), "none").code(), ENOENT);
}

TEST_P(TreeTest, AFileDeletedBehindTheMountIsStale) {
    source.write("file");
    const Entry file = find("file");
    press_out_descriptors();
    ASSERT_EQ(::unlink((source / "file").c_str()), 0);
    source.write("file", "another");
    EXPECT_EQ(tree->attributes(*file.inode).code(), ESTALE);
    EXPECT_FALSE(tree->open_file(*file.inode, O_RDONLY));
    EXPECT_EQ(tree->open_file(*file.inode, O_RDONLY).code(), ESTALE) << "the kernel looks the path up again";
    EXPECT_EQ(tree->attributes(*file.inode).code(), ESTALE);
    EXPECT_NE(find("file").inode, file.inode);
}

TEST_P(TreeTest, LookupsHoldDescriptorsWhileFilesAreReplacedBehindTheMount) {
    if (GetParam().way == Way::name) GTEST_SKIP() << "there they always do";
    source.write("file");
    const Entry first = find("file");
    EXPECT_EQ(tree->descriptors(), 0u);
    const auto replace = [&] {
        source.write("new");
        ASSERT_EQ(::rename((source / "new").c_str(), (source / "file").c_str()), 0);
    };
    replace();
    EXPECT_EQ(tree->open_file(*first.inode, O_RDONLY).code(), ESTALE);
    const Entry second = find("file");
    EXPECT_EQ(tree->descriptors(), 1u);
    replace();
    EXPECT_TRUE(tree->open_file(*second.inode, O_RDONLY)) << "nothing would come of a third lookup";

    auto created = tree->create(tree->root(), "created", O_WRONLY, 0600, kRoot);
    ASSERT_TRUE(created);
    created->descriptor.reset();
    ASSERT_EQ(::unlink((source / "created").c_str()), 0);
    EXPECT_TRUE(tree->attributes(*created->entry.inode));
}

TEST_P(TreeTest, AFileThatGetsItsFirstNameNeedsNoDescriptorOfItsOwn) {
    const std::size_t before = open_descriptors();
    for (std::size_t i = 0; i != 3 * kPool; ++i) {
        Result<CreatedFile> made = tree->create_nameless(tree->root(), O_RDWR, 0644, kRoot);
        if (made.code() == EOPNOTSUPP) GTEST_SKIP() << "no O_TMPFILE here";
        ASSERT_TRUE(made) << made.code();
        const std::string name = "named" + std::to_string(i);
        ASSERT_TRUE(tree->link(*made->entry.inode, tree->root(), name.c_str()));
    }
    EXPECT_LE(tree->descriptors(), kPool);
    EXPECT_LE(open_descriptors(), before + kPool);
    struct stat attr = attributes(find("named0"));
    EXPECT_EQ(attr.st_nlink, 1u) << "it is found again";
}

TEST_P(TreeTest, ADirectoryRemovedBehindTheMountHasNoNames) {
    std::filesystem::create_directory(source / "dir");
    const Entry dir = find("dir");
    press_out_descriptors();
    ASSERT_EQ(::rmdir((source / "dir").c_str()), 0);
    EXPECT_FALSE(tree->lookup(*dir.inode, "x"));
    EXPECT_EQ(tree->lookup(*dir.inode, "x").code(), ENOENT);
    EXPECT_EQ(tree->make_directory(*dir.inode, "x", 0700, kRoot).code(), ENOENT);
    EXPECT_EQ(tree->lookup(*dir.inode, ".").code(), ESTALE);
}

TEST_P(TreeTest, CreateMakesAnOpenFileOrTellsTheKernelToLookAgain) {
    Result<CreatedFile> made = tree->create(tree->root(), "new", O_WRONLY, 0400, kRoot);
    ASSERT_TRUE(made);
    EXPECT_EQ(::write(made->descriptor.get(), "text", 4), 4);
    std::array<char, 4> text{};
    EXPECT_EQ(::pread(made->descriptor.get(), text.data(), text.size(), 0), 4);
    EXPECT_EQ(made->entry.attr.st_mode, S_IFREG | 0400u);
    EXPECT_EQ(made->entry.inode, find("new").inode);
    EXPECT_EQ(tree->create(tree->root(), "new", O_RDWR | O_EXCL, 0600, kRoot).code(), EEXIST);
    EXPECT_EQ(tree->create(tree->root(), "new", O_RDWR, 0600, kRoot).code(), ESTALE);
}

TEST_P(TreeTest, LinksOfFilesAndSymbolicLinks) {
    source.write("file");
    ASSERT_TRUE(tree->make_symlink(tree->root(), "symlink", "file", kRoot));
    const Entry file = find("file"), symlink = find("symlink");
    const Result<Entry> second = tree->link(*file.inode, tree->root(), "second");
    ASSERT_TRUE(second);
    EXPECT_EQ(second->inode, file.inode);
    EXPECT_EQ(second->attr.st_nlink, 2u);
    ASSERT_TRUE(tree->link(*symlink.inode, tree->root(), "third"));
    EXPECT_TRUE(S_ISLNK(stat_of(source / "third").st_mode));
    EXPECT_EQ(tree->link(*file.inode, tree->root(), "third").code(), EEXIST);
    EXPECT_EQ(tree->link(tree->root(), tree->root(), "fourth").code(), EPERM);
}

TEST_P(TreeTest, TimesAreSetOneByOne) {
    source.write("file");
    const Entry file = find("file");
    AttrChange both;
    both.atime = {1000, 5};
    both.mtime = {2000, 6};
    ASSERT_TRUE(tree->set_attributes(*file.inode, both, kRoot));
    AttrChange one;
    one.mtime = {3000, 7};
    const Result<struct stat> attr = tree->set_attributes(*file.inode, one, kRoot);
    ASSERT_TRUE(attr);
    EXPECT_EQ(attr->st_atim.tv_sec, 1000);
    EXPECT_EQ(attr->st_atim.tv_nsec, 5);
    EXPECT_EQ(attr->st_mtim.tv_sec, 3000);
    AttrChange now;
    now.atime.tv_nsec = UTIME_NOW;
    EXPECT_GT(tree->set_attributes(*file.inode, now, kRoot)->st_atim.tv_sec, 3000);

    ASSERT_EQ(::symlink("nowhere", (source / "link").c_str()), 0);
    EXPECT_EQ(tree->set_attributes(*find("link").inode, both, kRoot)->st_mtim.tv_sec, 2000);
    ASSERT_TRUE(tree->truncate(*file.inode, 5'000'000'000));
    EXPECT_EQ(attributes(file).st_size, 5'000'000'000);
}

TEST_P(TreeTest, ExtendedAttributesOfFilesAndOfWhatCannotBeOpened) {
    source.write("file");
    const Entry file = find("file");
    if (tree->set_xattr(*file.inode, "user.colour", "green", 0, kRoot).code() == EOPNOTSUPP)
        GTEST_SKIP() << "no xattrs here";
    EXPECT_EQ(tree->set_xattr(*file.inode, "user.colour", "red", XATTR_CREATE, kRoot).code(), EEXIST);
    EXPECT_EQ(*tree->get_xattr(*file.inode, "user.colour", {}), 5u);
    std::array<char, 16> value{};
    EXPECT_EQ(*tree->get_xattr(*file.inode, "user.colour", value), 5u);
    EXPECT_EQ(std::string(value.data()), "green");
    EXPECT_EQ(tree->get_xattr(*file.inode, "user.colour", std::span(value).first(2)).code(), ERANGE);
    EXPECT_EQ(*tree->list_xattrs(*file.inode, value), sizeof "user.colour");
    EXPECT_TRUE(tree->remove_xattr(*file.inode, "user.colour", {}));
    EXPECT_EQ(tree->get_xattr(*file.inode, "user.colour", {}).code(), ENODATA);
    if (::geteuid() != 0) return;
    ASSERT_EQ(::symlink("file", (source / "link").c_str()), 0);
    ASSERT_EQ(::mkfifo((source / "fifo").c_str(), 0600), 0);
    for (const char* name : {"link", "fifo"})
        EXPECT_TRUE(tree->set_xattr(*find(name).inode, "trusted.x", "y", 0, kRoot));
    EXPECT_EQ(tree->get_xattr(*file.inode, "trusted.x", {}).code(), ENODATA);
}

TEST_P(TreeTest, DescriptorsThatNobodyUsesKeepNoSpaceOfFilesThatAreGone) {
    source.write("kept");
    source.write("gone");
    const Entry kept = find(tree->root(), "kept"), gone = find(tree->root(), "gone");
    attributes(kept);
    attributes(gone);
    ASSERT_EQ(::unlink((source / "gone").c_str()), 0);
    tree->drop_unused_descriptors();
    EXPECT_EQ(tree->descriptors(), 2u) << "they were used since the last time";
    tree->drop_unused_descriptors();
    const bool by_handle = GetParam().way == Way::handle;
    EXPECT_EQ(tree->descriptors(), by_handle ? 0u : 2u);
    EXPECT_EQ(tree->attributes(*gone.inode).code(), by_handle ? ESTALE : 0);
    attributes(kept);

    const Entry unlinked = find("kept");
    ASSERT_TRUE(tree->unlink(tree->root(), "kept"));
    for (int i = 0; i != 3; ++i) tree->drop_unused_descriptors();
    EXPECT_EQ(attributes(unlinked).st_nlink, 0u) << "it was removed here, and may be open";
}

TEST_P(TreeTest, FilesAreFoundOrNotWhileTheyAreMovedBehindTheMount) {
    std::filesystem::create_directory(source / "a");
    std::filesystem::create_directory(source / "b");
    source.write("a/file");
    std::jthread other([&](const std::stop_token& stop) {
        const std::string here = source / "a/file", there = source / "b/file";
        while (!stop.stop_requested()) {
            ::rename(here.c_str(), there.c_str());
            ::rename(there.c_str(), here.c_str());
        }
    });
    const Entry a = find("a");
    std::set<int> codes;
    for (int i = 0; i != 50'000; ++i) {
        const Result<Entry> entry = tree->lookup(*a.inode, "file", true);
        codes.insert(entry.code());
        if (entry) tree->forget(*entry->inode, 1);
    }
    other.request_stop();
    other.join();
    codes.erase(0);
    codes.erase(ENOENT);
    EXPECT_TRUE(codes.empty()) << *codes.begin();
}

TEST_P(TreeTest, AFileIsGoneWhileItsNumberIsGivenToAnother) {
    if (GetParam().way == Way::name) GTEST_SKIP() << "it is found by name";
    source.write("file");
    const Entry gone = find("file");
    ::unlink((source / "file").c_str());
    std::jthread other([&](const std::stop_token& stop) {
        while (!stop.stop_requested()) {
            source.write("file");
            ::unlink((source / "file").c_str());
        }
    });
    std::set<int> codes;
    for (int i = 0; i != 100'000; ++i) codes.insert(tree->attributes(*gone.inode).code());
    other.request_stop();
    other.join();
    EXPECT_EQ(codes, std::set<int>{ESTALE});
}

TEST_P(TreeTest, WhatIsMadeIsMadeAlsoWhenItIsMovedAwayAtOnce) {
    std::jthread other([&](const std::stop_token& stop) {
        const std::string made = source / "new", away = source / "away";
        while (!stop.stop_requested()) {
            if (::rename(made.c_str(), away.c_str()) != 0) continue;
            if (const UniqueFd file{::open(made.c_str(), O_CREAT | O_EXCL | O_WRONLY, 0600)}) ::unlink(made.c_str());
            ::rmdir(away.c_str());
        }
    });
    int lost = 0;
    const TimeNs deadline = now_ns() + 30 * kSecond;
    while (lost != 20 && now_ns() < deadline) {
        const Result<Entry> made = tree->make_directory(tree->root(), "new", 0700, kRoot);
        if (made.code() == EEXIST) continue;
        EXPECT_EQ(made.code(), 0);
        if (!made) break;
        EXPECT_TRUE(S_ISDIR(made->attr.st_mode)) << "it is another kind of file that stands there now";
        if (made->lost) {
            ++lost;
            EXPECT_EQ(tree->attributes(*made->inode).code(), ESTALE);
            EXPECT_EQ(tree->inode(made->inode->id())->get(), made->inode);
        }
        tree->forget(*made->inode, 1);
    }
    other.request_stop();
    other.join();
    EXPECT_EQ(lost, 20);
    EXPECT_EQ(tree->inodes(), 1u);
}

TEST_P(TreeTest, LookupsAndForgetsOfManyThreadsComeOutEven) {
    constexpr int kRounds = 2000;
    for (const char* name : {"a", "b", "c"}) source.write(name);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([this] {
            for (int i = 0; i < kRounds; ++i) {
                const std::string name(1, static_cast<char>('a' + i % 3));
                const Result<Entry> entry = tree->lookup(tree->root(), name.c_str());
                ASSERT_TRUE(entry);
                const NodeId id = entry->inode->id();
                const Result<InodePtr> inode = tree->inode(id);
                ASSERT_TRUE(inode);
                ASSERT_EQ(inode->get(), entry->inode);
                tree->forget(id, 1);
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(tree->inodes(), 1u);
}

TEST_P(TreeTest, RenamesAndLookupsOfManyThreadsLoseNothing) {
    constexpr int kRounds = 500;
    source.write("0");
    source.write("1");
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t) {
        threads.emplace_back([this, t] {
            for (int i = 0; i < kRounds; ++i) {
                if (t == 0) {
                    ASSERT_TRUE(tree->rename(tree->root(), "0", tree->root(), "1", RENAME_EXCHANGE, {}));
                    continue;
                }
                const Result<Entry> entry = tree->lookup(tree->root(), i % 2 ? "0" : "1");
                ASSERT_TRUE(entry) << entry.code();
                EXPECT_EQ(attributes(*entry).st_ino, entry->attr.st_ino);
                tree->forget(*entry->inode, 1);
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(tree->inodes(), 1u);
}

TEST_P(TreeTest, NoDescriptorIsLeftBehind) {
    const std::size_t before = open_descriptors();
    source.write("file");
    for (int i = 0; i < 100; ++i) {
        EXPECT_EQ(tree->lookup(tree->root(), "none").code(), ENOENT);
        EXPECT_EQ(tree->create(tree->root(), "file", O_EXCL, 0600, kRoot).code(), EEXIST);
        EXPECT_EQ(tree->rename(tree->root(), "none", tree->root(), "file", 0, {}).code(), ENOENT);
        EXPECT_EQ(tree->unlink(tree->root(), "none").code(), ENOENT);
        const Result<CreatedFile> made = tree->create(tree->root(), "new", O_EXCL, 0600, kRoot);
        ASSERT_TRUE(made);
        EXPECT_TRUE(tree->unlink(tree->root(), "new"));
        tree->forget(*made->entry.inode, 1);
    }
    EXPECT_EQ(open_descriptors(), before);
}

INSTANTIATE_TEST_SUITE_P(Everywhere, TreeTest,
                         ::testing::Values(Case{"/tmp", Way::handle}, Case{"/tmp", Way::name},
                                           Case{"/dev/shm", Way::handle}, Case{"/dev/shm", Way::name}),
                         [](const auto& test) {
                             return std::string(test.param.directory == "/tmp" ? "disk" : "tmpfs") +
                                    (test.param.way == Way::handle ? "_handle" : "_name");
                         });

TEST(TreeAsAnOrdinaryUser, WorksWithoutHandlesAndAsItself) {
    const ScratchDirectory source;
    ASSERT_EQ(::chmod(source.path().c_str(), 0777), 0);
    in_child(65534, [&] {
        Result<std::unique_ptr<Tree>> opened = Tree::open({source.path(), 4});
        ASSERT_TRUE(opened) << opened.code();
        Tree& tree = **opened;
        std::vector<Inode*> inodes;
        for (int i = 0; i < 20; ++i) {
            const Result<Entry> made = tree.make_node(tree.root(), std::to_string(i).c_str(), S_IFREG | 0666, 0,
                                                      {.uid = 1, .gid = 1, .umask = 027});
            ASSERT_TRUE(made) << made.code();
            EXPECT_EQ(made->attr.st_uid, ::geteuid());
            EXPECT_EQ(made->attr.st_mode, S_IFREG | 0640u);
            inodes.push_back(made->inode);
        }
        ASSERT_TRUE(tree.unlink(tree.root(), "0"));
        for (Inode* inode : inodes) EXPECT_TRUE(tree.open_file(*inode, O_RDWR));
        EXPECT_LE(tree.descriptors(), 4u);
    });
}

TEST(TreeDescriptors, OpenFilesLeaveSomeForWhatNeedsOneForAMoment) {
    const ScratchDirectory source;
    for (int i = 0; i < 50; ++i) source.write(std::to_string(i), "content");
    in_child(0, [&] {
        rlimit limit{};
        ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
        limit.rlim_cur = 256;
        ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
        const Result<std::unique_ptr<Tree>> opened = Tree::open({source.path()});
        ASSERT_TRUE(opened);
        Tree& tree = **opened;
        const Result<Entry> file = tree.lookup(tree.root(), "0");
        ASSERT_TRUE(file);
        std::vector<UniqueFd> held;
        Result<UniqueFd> last = tree.open_file(*file->inode, O_RDONLY);
        for (; last; last = tree.open_file(*file->inode, O_RDONLY)) held.push_back(std::move(*last));
        EXPECT_EQ(last.code(), EMFILE);
        EXPECT_GT(held.size(), 200u);
        const Identity root{};
        EXPECT_EQ(tree.create(tree.root(), "new", O_EXCL, 0600, root).code(), EMFILE);
        EXPECT_EQ(tree.lookup(tree.root(), "new").code(), ENOENT) << "and nothing is made";
        EXPECT_EQ(tree.open_file(*file->inode, O_RDWR | O_TRUNC).code(), EMFILE);
        EXPECT_GT(tree.attributes(*file->inode)->st_size, 0) << "and nothing is lost";
        // The number of the last one says nothing of how many there are.
        held.erase(held.begin());
        const Result<UniqueFd> low = tree.open_file(*file->inode, O_RDONLY);
        EXPECT_TRUE(low);
        EXPECT_EQ(tree.create(tree.root(), "new", O_EXCL, 0600, root).code(), EMFILE);
        for (int i = 1; i < 50; ++i) {
            const std::string name = std::to_string(i);
            const Result<Entry> other = tree.lookup(tree.root(), name.c_str());
            ASSERT_TRUE(other) << i << ": " << other.code();
            EXPECT_TRUE(tree.attributes(*other->inode));
            EXPECT_TRUE(tree.unlink(tree.root(), name.c_str()));
            if (i % 2 == 1) tree.forget(*other->inode, 1);  // the others are kept for somebody, as far as it goes
        }
        EXPECT_TRUE(tree.open_file(tree.root(), O_RDONLY | O_DIRECTORY)) << "a directory can still be listed";
        held.clear();
        EXPECT_TRUE(tree.create(tree.root(), "new", O_EXCL, 0600, root));
    });
}

TEST(TreeDescriptors, OthersGiveUpWhatItLacks) {
    const ScratchDirectory source;
    source.write("file");
    in_child(0, [&] {
        const Result<std::unique_ptr<Tree>> tree = Tree::open({source.path(), 16, true});
        ASSERT_TRUE(tree);
        rlimit limit{};
        ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
        limit.rlim_cur = 64;
        ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
        std::vector<UniqueFd> others;
        for (int fd = ::open("/", O_PATH); fd >= 0; fd = ::open("/", O_PATH)) others.emplace_back(fd);
        EXPECT_EQ((*tree)->lookup((*tree)->root(), "file").code(), EMFILE);
        unsigned asked = 0;
        (*tree)->set_relief([&] { return ++asked < 3; });
        EXPECT_EQ((*tree)->lookup((*tree)->root(), "file").code(), EMFILE) << "it was promised and not kept";
        EXPECT_EQ(asked, 3u);
        (*tree)->set_relief([&] {
            others.pop_back();
            return true;
        });
        const Result<Entry> found = (*tree)->lookup((*tree)->root(), "file");
        EXPECT_TRUE(found) << found.code();
    });
}

TEST(TreeOpen, TellsWhyItCannot) {
    EXPECT_EQ(Tree::open({"/nonexistent/source"}).code(), ENOENT);
    EXPECT_EQ(Tree::open({"/etc/passwd"}).code(), ENOTDIR);
}

}  // namespace
}  // namespace bandfs
