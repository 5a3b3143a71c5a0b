#include "band/rank_tree.h"

#include <algorithm>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace bandfs {
namespace {

TEST(RankTree, EmptyHasNone) {
    RankTree tree;
    EXPECT_TRUE(tree.empty());
    EXPECT_EQ(tree.least_rank(), RankTree::kNone);
    tree.reserve(1);
    EXPECT_TRUE(tree.empty());
    EXPECT_GE(tree.capacity(), 1u);
}

TEST(RankTree, EqualRanksLowestSlotFirst) {
    RankTree tree;
    tree.reserve(100);
    for (const std::size_t slot : {70, 9, 33, 8}) tree.set(slot, 5);
    EXPECT_EQ(tree.least(), 8u);
    tree.clear(8);
    EXPECT_EQ(tree.least(), 9u);
}

TEST(RankTree, IsAScanForTheSmallestWhateverHappens) {
    std::mt19937_64 random(7);
    for (const std::size_t slots : {1, 7, 8, 9, 64, 65, 600}) {
        RankTree tree;
        std::vector<RankTree::Rank> ranks;
        for (int step = 0; step < 3000; ++step) {
            if (ranks.size() < slots && (ranks.empty() || random() % 4 == 0)) {
                ranks.push_back(RankTree::kNone);
                tree.reserve(ranks.size());
            }
            const std::size_t slot = random() % ranks.size();
            const RankTree::Rank rank = random() % 3 == 0 ? RankTree::kNone : random() % 50;
            ranks[slot] = rank;
            tree.set(slot, rank);
            const auto least = std::min_element(ranks.begin(), ranks.end());
            ASSERT_EQ(tree.least_rank(), *least) << slots << " slots, step " << step;
            ASSERT_EQ(tree.rank(slot), rank);
            if (*least == RankTree::kNone) continue;
            ASSERT_EQ(tree.least(), static_cast<std::size_t>(least - ranks.begin()));
        }
    }
}

}  // namespace
}  // namespace bandfs
