#include "disk/dirty_extents.h"

#include <map>
#include <random>

#include <gtest/gtest.h>

namespace bandfs {
namespace {

constexpr std::uint64_t kGranule = DirtyExtents::kGranule;
constexpr std::uint64_t kMiB = 1u << 20;
const DirtyOwner kAlice = 1000;
const DirtyOwner kBob = 1001;

using Extents = std::vector<Extent>;

TEST(DirtyExtentsTest, NotesWholePagesOnce) {
    DirtyExtents dirty;
    EXPECT_EQ(dirty.note(10, 20, kAlice), kGranule);
    EXPECT_EQ(dirty.note(0, 5, kAlice), 0u);
    EXPECT_EQ(dirty.note(kGranule - 1, kGranule + 1, kAlice), kGranule);
    EXPECT_EQ(dirty.schedule(kAlice, kMiB), (Extents{{0, 2 * kGranule}}));
}

TEST(DirtyExtentsTest, WhoDirtiedFirstOwnsIt) {
    DirtyExtents dirty;
    dirty.note(kGranule, 2 * kGranule, kAlice);
    EXPECT_EQ(dirty.note(0, 3 * kGranule, kBob), 2 * kGranule);
    EXPECT_EQ(dirty.schedule(kAlice, kMiB), (Extents{{kGranule, 2 * kGranule}}));
    EXPECT_EQ(dirty.schedule(kBob, kMiB), (Extents{{2 * kGranule, 3 * kGranule}}));
    EXPECT_EQ(dirty.schedule(kBob, kMiB), (Extents{{0, kGranule}}));
    EXPECT_TRUE(dirty.schedule(kBob, kMiB).empty());
}

TEST(DirtyExtentsTest, ABatchSpansGapsButNotMoreThanAsked) {
    DirtyExtents dirty;
    dirty.note(0, kGranule, kAlice);
    dirty.note(2 * kGranule, 3 * kGranule, kAlice);
    dirty.note(3 * kGranule, 9 * kGranule, kAlice);
    EXPECT_EQ(dirty.schedule(kAlice, 4 * kGranule), (Extents{{0, kGranule}, {2 * kGranule, 4 * kGranule}}));
    EXPECT_EQ(dirty.schedule(kAlice, kMiB), (Extents{{4 * kGranule, 9 * kGranule}}));
}

TEST(DirtyExtentsTest, ARewriteOfWhatIsScheduledAddsNothingUntilItIsTaken) {
    DirtyExtents dirty;
    dirty.note(0, 4 * kGranule, kAlice);
    dirty.schedule(kAlice, kMiB);
    EXPECT_EQ(dirty.note(0, 4 * kGranule, kAlice), 0u);
    EXPECT_EQ(dirty.take({0, 2 * kGranule}, kAlice), (Extents{{0, 2 * kGranule}}));
    EXPECT_EQ(dirty.note(0, 4 * kGranule, kAlice), 2 * kGranule);
    EXPECT_EQ(dirty.take({0, 4 * kGranule}, kAlice), (Extents{{2 * kGranule, 4 * kGranule}}));
}

TEST(DirtyExtentsTest, DiscardTakesPagesThatLieInside) {
    DirtyExtents dirty;
    dirty.note(0, 4 * kGranule, kAlice);
    dirty.schedule(kAlice, 2 * kGranule);
    dirty.note(4 * kGranule, 6 * kGranule, kBob);
    const auto gone = dirty.discard(kGranule + 1, UINT64_MAX);
    ASSERT_EQ(gone.size(), 2u);
    EXPECT_EQ(gone[0].owner, kAlice);
    EXPECT_EQ(gone[0].noted, 2 * kGranule);
    EXPECT_EQ(gone[0].scheduled, 0u);
    EXPECT_EQ(gone[1].noted, 2 * kGranule);
    EXPECT_TRUE(dirty.any(0, 1));
    EXPECT_TRUE(dirty.any(2 * kGranule - 1, 2 * kGranule));
    EXPECT_FALSE(dirty.any(2 * kGranule, UINT64_MAX));
    EXPECT_FALSE(dirty.any(0, 0));
}

/// A page at a time: what DirtyExtents does with ranges.
struct Page {
    DirtyOwner owner;
    bool scheduled;
};

TEST(DirtyExtentsTest, AgreesWithPagesInRandomUse) {
    constexpr std::uint64_t kPages = 64;
    std::mt19937 random(20);
    DirtyExtents dirty;
    std::map<std::uint64_t, Page> pages;
    for (int step = 0; step != 20'000; ++step) {
        const std::uint64_t begin = random() % kPages;
        const std::uint64_t end = begin + 1 + random() % 8;
        const DirtyOwner owner = random() % 3 == 0 ? DirtyOwner() : DirtyOwner(random() % 2);
        switch (random() % 4) {
            case 0: {
                std::uint64_t added = 0;
                for (std::uint64_t page = begin; page != end; ++page) {
                    added += pages.try_emplace(page, Page{owner, false}).second ? kGranule : 0;
                }
                ASSERT_EQ(dirty.note(begin * kGranule, end * kGranule, owner), added) << "step " << step;
                break;
            }
            case 1: {
                const auto batch = dirty.schedule(owner, 8 * kGranule);
                for (const Extent& extent : batch) {
                    for (std::uint64_t page = extent.begin / kGranule; page != extent.end / kGranule; ++page) {
                        ASSERT_TRUE(pages.at(page).owner == owner && !pages.at(page).scheduled) << "step " << step;
                        pages.at(page).scheduled = true;
                    }
                }
                if (batch.empty()) {
                    for (const auto& [page, state] : pages) ASSERT_TRUE(state.owner != owner || state.scheduled);
                }
                break;
            }
            case 2: {
                std::uint64_t expected = 0;
                for (std::uint64_t page = begin; page != end; ++page) {
                    const auto it = pages.find(page);
                    if (it == pages.end() || it->second.owner != owner || !it->second.scheduled) continue;
                    pages.erase(it);
                    expected += kGranule;
                }
                std::uint64_t taken = 0;
                for (const Extent& extent : dirty.take({begin * kGranule, end * kGranule}, owner))
                    taken += extent.bytes();
                ASSERT_EQ(taken, expected) << "step " << step;
                break;
            }
            case 3: {
                std::uint64_t expected = 0;
                for (std::uint64_t page = begin; page != end; ++page) expected += pages.erase(page) * kGranule;
                std::uint64_t gone = 0;
                for (const OwnedBytes& bytes : dirty.discard(begin * kGranule, end * kGranule)) {
                    gone += bytes.noted + bytes.scheduled;
                }
                ASSERT_EQ(gone, expected) << "step " << step;
                break;
            }
        }
        const auto next = pages.lower_bound(begin);
        ASSERT_EQ(dirty.any(begin * kGranule, end * kGranule), next != pages.end() && next->first < end)
            << "step " << step;
    }
}

}  // namespace
}  // namespace bandfs
