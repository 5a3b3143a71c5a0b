#include "disk/open_directory.h"

#include <memory>
#include <set>
#include <string>

#include "scratch.h"

namespace bandfs {
namespace {

using scratch::ScratchDirectory;

class OpenDirectoryTest : public ::testing::Test {
protected:
    OpenDirectory open() {
        tree = *Tree::open({source.path(), 16});
        return *OpenDirectory::open(*tree, tree->root());
    }
    /// The names from here to the end.
    static std::multiset<std::string> rest(OpenDirectory& directory) {
        std::multiset<std::string> names;
        for (;;) {
            const Result<const DirectoryItem*> item = directory.item();
            EXPECT_TRUE(item);
            if (!item || *item == nullptr) return names;
            names.insert((*item)->name);
            directory.advance();
        }
    }

    const ScratchDirectory source;
    std::unique_ptr<Tree> tree;
};

TEST_F(OpenDirectoryTest, GivesEveryNameOnceWithNumberAndType) {
    for (int i = 0; i < 3000; ++i) source.write("name-of-some-length-" + std::to_string(i));
    OpenDirectory directory = open();
    const auto names = rest(directory);
    EXPECT_EQ(names.size(), 3002u);
    EXPECT_EQ(names.count("."), 1u);
    EXPECT_EQ(names.count(".."), 1u);
    ASSERT_TRUE(directory.seek(0));
    EXPECT_EQ(rest(directory), names);
}

TEST_F(OpenDirectoryTest, AnOffsetStaysGoodWhileNamesComeAndGo) {
    for (int i = 0; i < 500; ++i) source.write("old" + std::to_string(i));
    OpenDirectory directory = open();
    std::set<std::string> seen;
    off_t offset = 0;
    for (int i = 0; i < 200; ++i) {
        const DirectoryItem item = **directory.item();
        seen.insert(item.name);
        offset = item.next;
        directory.advance();
    }
    for (int i = 0; i < 500; ++i) {
        source.write("new" + std::to_string(i));
        const std::string old = "old" + std::to_string(i);
        if (seen.contains(old)) ::unlink((source / old).c_str());
    }
    ASSERT_TRUE(directory.seek(0));
    ASSERT_TRUE(directory.item());
    ASSERT_TRUE(directory.seek(offset));
    const auto after = rest(directory);
    for (int i = 0; i < 500; ++i) {
        const std::string old = "old" + std::to_string(i);
        EXPECT_EQ(after.count(old), seen.contains(old) ? 0u : 1u) << old;
    }
}

TEST_F(OpenDirectoryTest, AnItemThatWasNotTakenIsThereAgain) {
    source.write("file");
    OpenDirectory directory = open();
    const off_t here = (*directory.item())->next;
    const std::string first = (*directory.item())->name;
    EXPECT_EQ(first, (*directory.item())->name);
    directory.advance();
    const std::string second = (*directory.item())->name;
    ASSERT_TRUE(directory.seek(here));
    EXPECT_EQ(second, (*directory.item())->name);
}

TEST_F(OpenDirectoryTest, OfAFileIsAnError) {
    source.write("file");
    open();
    const Entry file = *tree->lookup(tree->root(), "file");
    EXPECT_EQ(OpenDirectory::open(*tree, *file.inode).code(), ENOTDIR);
}

}  // namespace
}  // namespace bandfs
