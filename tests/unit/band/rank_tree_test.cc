#include "band/rank_tree.h"

#include <algorithm>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace bandfs {
namespace {

using Tree = RankTree<3>;

TEST(RankTree, EmptyHasNone) {
    Tree tree;
    EXPECT_TRUE(tree.empty(0));
    EXPECT_EQ(tree.least_rank(2), Tree::kNone);
    tree.reserve(9);
    EXPECT_TRUE(tree.empty(1));
    EXPECT_GE(tree.capacity(), 9u);
}

TEST(RankTree, ASlotHasARankOfOneKindAtATime) {
    Tree tree;
    tree.set(0, 0, Tree::kEnd - 1);
    EXPECT_EQ(tree.least_rank(0), Tree::kEnd - 1);
    tree.set(0, 2, 0);
    EXPECT_TRUE(tree.empty(0));
    EXPECT_EQ(tree.least_rank(2), 0u);
    EXPECT_TRUE(tree.has(0));
    tree.clear(0);
    EXPECT_TRUE(tree.empty(2));
    EXPECT_FALSE(tree.has(0));
}

TEST(RankTree, IsAScanForTheSmallestWhateverHappens) {
    std::mt19937_64 random(7);
    for (const std::size_t slots : {1, 7, 8, 9, 64, 65, 600}) {
        Tree tree;
        std::vector<std::optional<std::pair<Tree::Kind, Tree::Rank>>> ranks;
        for (int step = 0; step < 5000; ++step) {
            if (ranks.size() < slots && (ranks.empty() || random() % 4 == 0)) {
                ranks.emplace_back();
                tree.reserve(ranks.size());
            }
            const auto slot = static_cast<Tree::Slot>(random() % ranks.size());
            if (random() % 4 == 0) {
                ranks[slot].reset();
                tree.clear(slot);
            } else {
                ranks[slot].emplace(random() % 3, random() % 50);
                tree.set(slot, ranks[slot]->first, ranks[slot]->second);
            }
            for (Tree::Kind kind = 0; kind < 3; ++kind) {
                std::size_t least = ranks.size();
                for (std::size_t i = ranks.size(); i-- > 0;) {
                    const bool smaller = ranks[i] && ranks[i]->first == kind &&
                                         (least == ranks.size() || ranks[i]->second <= ranks[least]->second);
                    if (smaller) least = i;
                }
                ASSERT_EQ(tree.empty(kind), least == ranks.size()) << slots << " slots, step " << step;
                if (tree.empty(kind)) continue;
                ASSERT_EQ(tree.least_rank(kind), ranks[least]->second);
                const auto& found = ranks[tree.least(kind)];
                ASSERT_TRUE(found && found->first == kind && found->second == tree.least_rank(kind));
            }
        }
    }
}

}  // namespace
}  // namespace bandfs
