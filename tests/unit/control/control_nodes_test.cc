// Numbers for paths: one node per path, stable inode numbers, and none reused for something else.
#include "fuse/control_nodes.h"

#include <set>

#include <gtest/gtest.h>

namespace bandfs {
namespace {

TEST(ControlNodes, GiveEachPathOneNodeWhileItIsKnown) {
    ControlNodes nodes;
    const std::uint64_t status = nodes.enter("status");
    EXPECT_TRUE(is_control(status));
    EXPECT_EQ(nodes.enter("status"), status);
    EXPECT_NE(nodes.enter("table"), status);
    EXPECT_EQ(nodes.path(status), "status");
    nodes.forget(status, 1);
    EXPECT_EQ(nodes.path(status), "status") << "one of its two lookups is left";
    nodes.forget(status, 1);
    EXPECT_EQ(nodes.path(status), std::nullopt);
    EXPECT_EQ(nodes.count(), 1u);
    EXPECT_NE(nodes.enter("status"), status) << "a number is used once";
}

TEST(ControlNodes, RetireADirectoryAndWhatIsInIt) {
    ControlNodes nodes;
    const std::uint64_t directory = nodes.enter("groups/1");
    const std::uint64_t file = nodes.enter("groups/1/weight");
    const std::uint64_t others[] = {nodes.enter("groups"), nodes.enter("groups/1-2"), nodes.enter("groups/10"),
                                    nodes.enter("groups/10/weight"), nodes.enter("groups/1.x")};
    nodes.retire("groups/1");
    EXPECT_EQ(nodes.path(directory), std::nullopt);
    EXPECT_EQ(nodes.path(file), std::nullopt);
    for (const std::uint64_t other : others) EXPECT_NE(nodes.path(other), std::nullopt);
    EXPECT_NE(nodes.enter("groups/1"), directory);
    nodes.forget(directory, 1);
    nodes.forget(file, 1);
    EXPECT_EQ(nodes.path(nodes.enter("groups/1")), "groups/1");
}

TEST(ControlNodes, InodeNumbersAreStableAndApart) {
    EXPECT_EQ(control_inode_number("status"), control_inode_number("status"));
    std::set<std::uint64_t> numbers;
    for (int group = 0; group < 10000; ++group) {
        numbers.insert(control_inode_number("groups/" + std::to_string(group)));
        numbers.insert(control_inode_number("groups/" + std::to_string(group) + "/weight"));
    }
    EXPECT_EQ(numbers.size(), 20000u);
}

TEST(ControlNodes, PointersAndTheRootAreNone) {
    int local = 0;
    EXPECT_FALSE(is_control(reinterpret_cast<std::uintptr_t>(&local)));
    EXPECT_FALSE(is_control(1));
}

}  // namespace
}  // namespace bandfs
