// When a read sets the time of the last access.
#include "fuse/access_time.h"

#include <sys/statvfs.h>

#include <gtest/gtest.h>

#include "sys/clock.h"

namespace bandfs {
namespace {

constexpr TimeNs kNow = 1'700'000'000 * kSecond;

TEST(AccessTime, IsSetByAReadAsTheMountSays) {
    constexpr TimeNs kHour = 3600 * kSecond;
    struct stat file {};
    const auto at = [](TimeNs when) { return timespec{when / kSecond, when % kSecond}; };
    const auto changed = [&](TimeNs when) { file.st_mtim = file.st_ctim = at(when); };
    const auto accessed = [&](TimeNs when) { file.st_atim = at(when); };

    changed(kNow - 48 * kHour);
    accessed(kNow - kHour);
    EXPECT_FALSE(read_sets_access_time(file, ST_RELATIME, kNow));
    EXPECT_TRUE(read_sets_access_time(file, 0, kNow)) << "strictatime";
    EXPECT_FALSE(read_sets_access_time(file, ST_NOATIME, kNow));
    EXPECT_FALSE(read_sets_access_time(file, ST_RDONLY, kNow));

    accessed(kNow - 24 * kHour);
    EXPECT_TRUE(read_sets_access_time(file, ST_RELATIME, kNow)) << "a day old";
    EXPECT_FALSE(read_sets_access_time(file, ST_NOATIME | ST_RELATIME, kNow));
    accessed(kNow - 24 * kHour + 1);
    EXPECT_FALSE(read_sets_access_time(file, ST_RELATIME, kNow));

    changed(kNow - kHour);
    accessed(kNow - kHour);
    EXPECT_TRUE(read_sets_access_time(file, ST_RELATIME, kNow)) << "no newer than the change";

    file.st_atim.tv_sec = 15'000'000'000;  // the year 2445
    EXPECT_FALSE(read_sets_access_time(file, ST_RELATIME, kNow));
    file.st_atim.tv_sec = -15'000'000'000;
    EXPECT_TRUE(read_sets_access_time(file, ST_RELATIME, kNow));
}

}  // namespace
}  // namespace bandfs
