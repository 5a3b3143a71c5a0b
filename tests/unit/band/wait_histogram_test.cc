#include "bandfs/wait_histogram.h"

#include <gtest/gtest.h>

namespace bandfs {
namespace {

constexpr TimeNs kMs = 1'000'000;

TEST(WaitHistogram, Empty) {
    const WaitHistogram waits;
    EXPECT_EQ(waits.total(), 0u);
    EXPECT_EQ(waits.percentile(99), 0);
}

TEST(WaitHistogram, BucketsDouble) {
    WaitHistogram waits;
    waits.add(0);
    waits.add(16'383);
    waits.add(16'384);
    waits.add(32'767);
    waits.add(32'768);
    EXPECT_EQ(waits.count(0), 2u);
    EXPECT_EQ(waits.count(1), 2u);
    EXPECT_EQ(waits.count(2), 1u);
    EXPECT_EQ(WaitHistogram::upper_bound(0), 16'384);
    EXPECT_EQ(WaitHistogram::upper_bound(1), 32'768);
}

TEST(WaitHistogram, WhatIsBelowAndBeyondTheBucketsIsCounted) {
    WaitHistogram waits;
    waits.add(-5);
    waits.add(kNever);
    waits.add(TimeNs{1} << 34);
    EXPECT_EQ(waits.count(0), 1u);
    EXPECT_EQ(waits.count(WaitHistogram::kBuckets - 1), 2u);
    EXPECT_EQ(waits.percentile(100), kNever);
}

TEST(WaitHistogram, PercentilesAreExactToAFactorOfTwo) {
    WaitHistogram waits;
    for (int i = 0; i < 99; ++i) waits.add(1 * kMs);
    waits.add(900 * kMs);
    EXPECT_GE(waits.percentile(50), 1 * kMs);
    EXPECT_LE(waits.percentile(50), 2 * kMs);
    EXPECT_EQ(waits.percentile(99), waits.percentile(50));
    EXPECT_GE(waits.percentile(99.9), 900 * kMs);
    EXPECT_LE(waits.percentile(99.9), 1800 * kMs);
}

}  // namespace
}  // namespace bandfs
