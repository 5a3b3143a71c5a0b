#include "disk/inode.h"

#include <fcntl.h>

#include <memory>

#include <gtest/gtest.h>

#include "disk/descriptor_pool.h"

namespace bandfs {
namespace {

class InodeTest : public ::testing::Test {
protected:
    static std::shared_ptr<Inode> make(NodeId id, bool handles) {
        auto mount = std::make_shared<BackingMount>();
        mount->handles = handles;
        return std::make_shared<Inode>(id, 0, InodeKey{}, S_IFDIR, mount);
    }

    const std::shared_ptr<Inode> parent = make(2, false);
};

TEST_F(InodeTest, WhatWasSeenLongAgoIsStaleOnce) {
    const auto inode = make(3, true);
    inode->seen_at(parent, "name", 10 * kSecond);
    EXPECT_EQ(inode->gone(11 * kSecond).code, ESTALE);
    EXPECT_EQ(inode->gone(12 * kSecond).code, ENOENT);
    EXPECT_EQ(inode->gone(99 * kSecond).code, ENOENT);
    inode->seen_at(parent, "name", 100 * kSecond);
    EXPECT_EQ(inode->gone(101 * kSecond).code, ESTALE) << "it was found again meanwhile";
}

TEST_F(InodeTest, WhatWasSeenJustNowDoesNotExist) {
    const auto inode = make(3, true);
    inode->seen_at(parent, "name", 10 * kSecond);
    EXPECT_EQ(inode->gone(10 * kSecond + Inode::kFresh - 1).code, ENOENT);
}

TEST_F(InodeTest, WhatWasSeenAndNotHeldIsStale) {
    const auto inode = make(3, true);
    inode->seen_unheld(10 * kSecond);
    EXPECT_EQ(inode->gone(10 * kSecond).code, ESTALE);
}

TEST_F(InodeTest, WhatWasNeverSeenByNameIsStale) {
    EXPECT_EQ(make(3, true)->gone(kSecond).code, ESTALE);
}

TEST_F(InodeTest, DescriptorsAreGivenUpByAllPoolsOfTheProcess) {
    DescriptorPool one(100), other(100);
    const auto a = make(3, true), b = make(4, true), pinned = make(5, true);
    const auto descriptor = [] { return UniqueFd(::open("/", O_PATH | O_CLOEXEC)); };
    one.put(*a, descriptor());
    other.put(*b, descriptor());
    other.pin(*pinned, descriptor());
    EXPECT_TRUE(DescriptorPool::shed_all());
    EXPECT_EQ(one.get(*a), nullptr);
    EXPECT_EQ(other.get(*b), nullptr);
    EXPECT_NE(other.get(*pinned), nullptr);
    EXPECT_FALSE(DescriptorPool::shed_all()) << "nothing is left to give up";
    other.remove(*pinned);
}

TEST_F(InodeTest, APlaceIsKeptWhereThereAreNoHandles) {
    const auto by_name = make(3, false), by_handle = make(4, true), root = make(kRootNode, false);
    for (const auto& inode : {by_name, by_handle, root}) inode->seen_at(parent, "name", 0);
    EXPECT_EQ(by_name->place().parent, parent);
    EXPECT_EQ(by_name->place().name, "name");
    EXPECT_EQ(by_handle->place().parent, nullptr);
    EXPECT_EQ(root->place().parent, nullptr);
}

}  // namespace
}  // namespace bandfs
