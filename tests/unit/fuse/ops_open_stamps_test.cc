// When the kernel may keep the pages of a file that is opened again.
#include "fuse/ops_open_stamps.h"

#include <gtest/gtest.h>

namespace bandfs {
namespace {

constexpr TimeNs kMs = 1'000'000;
constexpr TimeNs kS = 1'000'000'000;
constexpr TimeNs kNow = 1'700'000'000 * kS;

struct stat file_of(std::int64_t size, TimeNs mtime, TimeNs ctime) {
    struct stat file {};
    file.st_ino = 7;
    file.st_size = size;
    file.st_mtim = {mtime / kS, mtime % kS};
    file.st_ctim = {ctime / kS, ctime % kS};
    return file;
}

TEST(OpenStamps, AFileIsUnchangedFromTheSecondOpenOn) {
    OpenStamps stamps;
    const struct stat file = file_of(100, kNow - kS + 1, kNow - kS + 1);
    EXPECT_FALSE(stamps.unchanged(1, file, kNow));
    EXPECT_TRUE(stamps.unchanged(1, file, kNow + kMs));
    EXPECT_TRUE(stamps.unchanged(1, file, kNow + 2 * kMs));
    EXPECT_FALSE(stamps.unchanged(2, file, kNow)) << "another node";
}

TEST(OpenStamps, SizeAndTimesTell) {
    OpenStamps stamps;
    const TimeNs old = kNow - kS + 1;
    EXPECT_FALSE(stamps.unchanged(1, file_of(100, old, old), kNow));
    EXPECT_FALSE(stamps.unchanged(1, file_of(101, old, old), kNow));
    EXPECT_FALSE(stamps.unchanged(1, file_of(101, old + 1, old), kNow));
    EXPECT_FALSE(stamps.unchanged(1, file_of(101, old + 1, old + 1), kNow)) << "mtime can be set back, ctime cannot";
    EXPECT_TRUE(stamps.unchanged(1, file_of(101, old + 1, old + 1), kNow));
}

TEST(OpenStamps, TheTimeOfAccessMattersWhereItMoves) {
    OpenStamps stamps;
    const TimeNs old = kNow - kS + 1;
    struct stat file = file_of(100, old, old);
    file.st_atim = {1000, 0};
    EXPECT_FALSE(stamps.unchanged(1, file, kNow, true));
    EXPECT_TRUE(stamps.unchanged(1, file, kNow, true)) << "it does not move";
    file.st_atim = {1001, 0};
    EXPECT_FALSE(stamps.unchanged(1, file, kNow, true));
}

TEST(OpenStamps, AChangeWithinTheClocksGrainIsNotTrusted) {
    OpenStamps stamps;
    const struct stat fresh = file_of(100, kNow - 5 * kMs, kNow - 5 * kMs);
    EXPECT_FALSE(stamps.unchanged(1, fresh, kNow));
    EXPECT_FALSE(stamps.unchanged(1, fresh, kNow + 100 * kMs)) << "it may have been written again in the same tick";
    EXPECT_TRUE(stamps.unchanged(1, fresh, kNow + 200 * kMs));

    const struct stat coarse = file_of(100, kNow - kS, kNow - kS);
    EXPECT_FALSE(stamps.unchanged(2, coarse, kNow));
    EXPECT_FALSE(stamps.unchanged(2, coarse, kNow + 2 * kS)) << "whole seconds: two of them are not enough to be sure";
    EXPECT_TRUE(stamps.unchanged(2, coarse, kNow + 3 * kS));
}

}  // namespace
}  // namespace bandfs
