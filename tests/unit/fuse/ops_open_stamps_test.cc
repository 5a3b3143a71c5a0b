// When the kernel may keep the pages of a file that is opened again.
#include "fuse/ops_open_stamps.h"

#include <gtest/gtest.h>

#include "sys/clock.h"

namespace bandfs {
namespace {

constexpr TimeNs kOpened = 1'700'000'000 * kSecond;

struct stat file_of(std::int64_t size, TimeNs mtime, TimeNs ctime) {
    struct stat file {};
    file.st_ino = 7;
    file.st_size = size;
    file.st_mtim = {mtime / kSecond, mtime % kSecond};
    file.st_ctim = {ctime / kSecond, ctime % kSecond};
    return file;
}

TEST(OpenStamps, AFileIsUnchangedFromTheSecondOpenOn) {
    OpenStamps stamps;
    const struct stat file = file_of(100, kOpened - kSecond + 1, kOpened - kSecond + 1);
    EXPECT_FALSE(stamps.unchanged(1, file, kOpened));
    EXPECT_TRUE(stamps.unchanged(1, file, kOpened + kMillisecond));
    EXPECT_TRUE(stamps.unchanged(1, file, kOpened + 2 * kMillisecond));
    EXPECT_FALSE(stamps.unchanged(2, file, kOpened)) << "another node";
}

TEST(OpenStamps, SizeAndTimesTell) {
    OpenStamps stamps;
    const TimeNs old = kOpened - kSecond + 1;
    EXPECT_FALSE(stamps.unchanged(1, file_of(100, old, old), kOpened));
    EXPECT_FALSE(stamps.unchanged(1, file_of(101, old, old), kOpened));
    EXPECT_FALSE(stamps.unchanged(1, file_of(101, old + 1, old), kOpened));
    EXPECT_FALSE(stamps.unchanged(1, file_of(101, old + 1, old + 1), kOpened)) << "mtime can be set back, ctime cannot";
    EXPECT_TRUE(stamps.unchanged(1, file_of(101, old + 1, old + 1), kOpened));
}

TEST(OpenStamps, TheTimeOfAccessMattersWhereItMoves) {
    OpenStamps stamps;
    const TimeNs old = kOpened - kSecond + 1;
    struct stat file = file_of(100, old, old);
    file.st_atim = {1000, 0};
    EXPECT_FALSE(stamps.unchanged(1, file, kOpened, true));
    EXPECT_TRUE(stamps.unchanged(1, file, kOpened, true)) << "it does not move";
    file.st_atim = {1001, 0};
    EXPECT_FALSE(stamps.unchanged(1, file, kOpened, true));
}

TEST(OpenStamps, AChangeWithinTheClocksGrainIsNotTrusted) {
    OpenStamps stamps;
    const struct stat fresh = file_of(100, kOpened - 5 * kMillisecond, kOpened - 5 * kMillisecond);
    EXPECT_FALSE(stamps.unchanged(1, fresh, kOpened));
    EXPECT_FALSE(stamps.unchanged(1, fresh, kOpened + 100 * kMillisecond))
        << "it may have been written again in the same tick";
    EXPECT_TRUE(stamps.unchanged(1, fresh, kOpened + 200 * kMillisecond));

    const struct stat coarse = file_of(100, kOpened - kSecond, kOpened - kSecond);
    EXPECT_FALSE(stamps.unchanged(2, coarse, kOpened));
    EXPECT_FALSE(stamps.unchanged(2, coarse, kOpened + 2 * kSecond))
        << "whole seconds: two of them are not enough to be sure";
    EXPECT_TRUE(stamps.unchanged(2, coarse, kOpened + 3 * kSecond));
}

}  // namespace
}  // namespace bandfs
