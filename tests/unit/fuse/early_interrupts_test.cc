#include "fuse/early_interrupts.h"

#include <gtest/gtest.h>

namespace bandfs {
namespace {

using Numbers = std::vector<std::uint64_t>;

TEST(EarlyInterrupts, AreHandedOnEachTimeTheyAreGivenBack) {
    EarlyInterrupts early;
    EXPECT_FALSE(early.any());
    early.add(7, 0);
    early.add(9, 0);
    EXPECT_TRUE(early.any());
    EXPECT_EQ(early.take(1), (Numbers{7, 9}));
    EXPECT_FALSE(early.any());
    EXPECT_EQ(early.take(2), Numbers());
    early.add(9, 3);
    EXPECT_EQ(early.take(4), Numbers{9});
}

TEST(EarlyInterrupts, AreGivenUpWhenTheirRequestsDoNotCome) {
    EarlyInterrupts early;
    early.add(7, 0);
    EXPECT_EQ(early.take(1), Numbers{7});
    early.add(7, EarlyInterrupts::kPatienceNs - 1);
    EXPECT_EQ(early.take(EarlyInterrupts::kPatienceNs), Numbers());
    EXPECT_FALSE(early.any());
    early.add(7, EarlyInterrupts::kPatienceNs);
    EXPECT_EQ(early.take(EarlyInterrupts::kPatienceNs + 1), Numbers{7}) << "a new one";
}

}  // namespace
}  // namespace bandfs
