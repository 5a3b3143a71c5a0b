// Who has changed a file, as its size and times tell.
#include "disk/change_log.h"

#include <fcntl.h>

#include <gtest/gtest.h>

#include "sys/clock.h"

namespace bandfs {
namespace {

constexpr TimeNs kNow = 1'700'000'000 * kSecond;
constexpr TimeNs kOld = kNow - kSecond + 1;

struct stat file_of(std::int64_t size, TimeNs mtime, TimeNs ctime) {
    struct stat file {};
    file.st_ino = 7;
    file.st_size = size;
    file.st_mtim = {mtime / kSecond, mtime % kSecond};
    file.st_ctim = {ctime / kSecond, ctime % kSecond};
    return file;
}
struct stat file_of(std::int64_t size, TimeNs changed) {
    return file_of(size, changed, changed);
}

/// Looks, and says whether others have changed it.
bool others(ChangeLog& log, const struct stat& file, TimeNs realtime) {
    log.look(file, realtime);
    return log.take_changed_by_others();
}

/// What has been looked at and is as it was.
ChangeLog known(const struct stat& file) {
    ChangeLog log(true);
    EXPECT_TRUE(others(log, file, kNow));
    EXPECT_FALSE(others(log, file, kNow));
    return log;
}

void change(ChangeLog& log, TimeNs ends) {
    log.begins();
    log.ends(ends);
}

TEST(ChangeLog, NothingIsKnownOfAFileThatIsSeenFirst) {
    ChangeLog log(true);
    EXPECT_TRUE(others(log, file_of(100, kOld), kNow));
    EXPECT_FALSE(others(log, file_of(100, kOld), kNow + 1));
}

TEST(ChangeLog, SizeAndTimesTell) {
    ChangeLog log = known(file_of(100, kOld));
    EXPECT_TRUE(others(log, file_of(101, kOld), kNow));
    EXPECT_TRUE(others(log, file_of(101, kOld + 1, kOld), kNow));
    EXPECT_TRUE(others(log, file_of(101, kOld + 1, kOld + 1), kNow)) << "mtime can be set back, ctime cannot";
    EXPECT_FALSE(others(log, file_of(101, kOld + 1, kOld + 1), kNow));
}

TEST(ChangeLog, AChangeThroughTheMountIsOurs) {
    ChangeLog log = known(file_of(100, kOld));
    change(log, kNow + 10);
    EXPECT_FALSE(others(log, file_of(200, kNow + 9), kNow + 11)) << "however near: another of ours is ours as well";
    change(log, kNow + 12);
    EXPECT_FALSE(others(log, file_of(300, kNow + 12), kNow + 13));
    EXPECT_TRUE(others(log, file_of(300, kNow + kSecond), kNow + 2 * kSecond)) << "that was after ours";
}

TEST(ChangeLog, WhileItIsUnderWayAllIsOurs) {
    ChangeLog log = known(file_of(100, kOld));
    log.begins();
    EXPECT_FALSE(others(log, file_of(150, kNow + 5), kNow + 6)) << "half of it is there";
    EXPECT_FALSE(others(log, file_of(200, kNow + 7), kNow + 8));
    log.ends(kNow + 9);
    EXPECT_FALSE(others(log, file_of(200, kNow + 8), kNow + 10)) << "what came between the look and its end";
    EXPECT_TRUE(others(log, file_of(200, kNow + kSecond), kNow + 2 * kSecond));
}

TEST(ChangeLog, OthersAreFoundBetweenTwoOfOurs) {
    ChangeLog log = known(file_of(100, kOld));
    change(log, kNow);
    const TimeNs later = kNow + kSecond;
    ASSERT_TRUE(log.wants_look(later)) << "or the second hides what came between";
    log.look(file_of(100, kNow + kSecond / 2), later);
    change(log, later + 1);
    EXPECT_FALSE(log.wants_look(later + 2)) << "in a stream of writes there is no time for others";
    EXPECT_TRUE(others(log, file_of(100, later + 1), later + 2));
}

TEST(ChangeLog, NoLookIsNeededWhileOneIsUnderWay) {
    ChangeLog log = known(file_of(100, kOld));
    EXPECT_TRUE(log.wants_look(kNow));
    log.begins();
    EXPECT_FALSE(log.wants_look(kNow + kSecond));
    EXPECT_FALSE(ChangeLog(true).wants_look(kNow)) << "nothing is known";
}

TEST(ChangeLog, AChangeOfOthersWithinTheClocksGrainIsNotTrusted) {
    ChangeLog log(true);
    const struct stat fresh = file_of(100, kNow - 5 * kMillisecond);
    EXPECT_TRUE(others(log, fresh, kNow));
    EXPECT_TRUE(others(log, fresh, kNow + 100 * kMillisecond)) << "it may have been written again in the same tick";
    EXPECT_FALSE(others(log, fresh, kNow + 200 * kMillisecond));

    ChangeLog coarse(true);
    EXPECT_TRUE(others(coarse, file_of(100, kNow - kSecond), kNow));
    EXPECT_TRUE(others(coarse, file_of(100, kNow - kSecond), kNow + 2 * kSecond))
        << "whole seconds: two of them are not enough to be sure";
    EXPECT_FALSE(others(coarse, file_of(100, kNow - kSecond), kNow + 3 * kSecond));
}

TEST(ChangeLog, ADoubtEndsAlsoWhileWeWriteOn) {
    ChangeLog log(true);
    EXPECT_TRUE(others(log, file_of(100, kNow - 1), kNow));
    TimeNs now = kNow;
    int doubted = 0;
    for (int i = 0; i < 50; ++i) {
        now += 10 * kMillisecond;
        change(log, now);
        doubted += others(log, file_of(100 + i, now), now + 1) ? 1 : 0;
    }
    EXPECT_LE(doubted, 3) << "within the grain, and once after it";
}

TEST(ChangeLog, WholeSecondsDoNotTellWhoseAChangeWas) {
    ChangeLog log = known(file_of(100, kNow - 100 * kSecond));
    change(log, kNow + kMillisecond);
    EXPECT_TRUE(others(log, file_of(100, kNow), kNow + kSecond));
}

TEST(ChangeLog, ElsewhereEveryChangeIsOthers) {
    ChangeLog log(false);
    EXPECT_TRUE(others(log, file_of(100, kOld), kNow));
    change(log, kNow + 10);
    EXPECT_TRUE(others(log, file_of(200, kNow + 9), kNow + 11));
    EXPECT_FALSE(log.wants_look(kNow + kSecond));
    EXPECT_FALSE(log.changed_lately(kNow + 12));
}

TEST(ChangeLog, WhatIsCreatedThroughTheMountIsOurs) {
    ChangeLog log(true);
    log.begins_anew(kNow);
    EXPECT_FALSE(others(log, file_of(0, kNow - 1), kNow + 1));
    EXPECT_TRUE(others(log, file_of(10, kNow + kSecond), kNow + 2 * kSecond));
}

TEST(ChangeLog, ItWasChangedLatelyForAMinute) {
    ChangeLog log = known(file_of(100, kOld));
    EXPECT_FALSE(log.changed_lately(kNow));
    log.begins();
    EXPECT_TRUE(log.changed_lately(kNow));
    log.ends(kNow);
    EXPECT_TRUE(log.changed_lately(kNow + 59 * kSecond));
    EXPECT_FALSE(log.changed_lately(kNow + 61 * kSecond));
}

TEST(ChangeLog, WhetherTheTimeOfAccessMoves) {
    ChangeLog log(true);
    EXPECT_FALSE(log.access_time_stays(kOld, kNow));
    EXPECT_TRUE(log.access_time_stays(kOld, kNow));
    EXPECT_FALSE(log.access_time_stays(kOld + 1, kNow));
    EXPECT_FALSE(log.access_time_stays(std::nullopt, kNow));
    EXPECT_FALSE(log.access_time_stays(kOld + 1, kNow)) << "it did not matter meanwhile";
    EXPECT_FALSE(log.access_time_stays(kNow - 1, kNow));
    EXPECT_FALSE(log.access_time_stays(kNow - 1, kNow)) << "it may have moved within the same tick";
}

TEST(ChangeLog, TimesThatWereSetTellNothing) {
    ChangeLog log = known(file_of(100, kOld));
    const TimeNs tomorrow = kNow + 86400 * kSecond + 1;  // whole seconds are another matter
    change(log, kNow + kSecond);
    EXPECT_FALSE(others(log, file_of(100, tomorrow, kNow + kSecond), kNow + kSecond)) << "utimensat through the mount";
    change(log, kNow + 2 * kSecond);
    EXPECT_FALSE(others(log, file_of(100, tomorrow, kNow + 2 * kSecond), kNow + 2 * kSecond));
    EXPECT_TRUE(others(log, file_of(100, tomorrow + 1, kNow + 3 * kSecond), kNow + 3 * kSecond));
    EXPECT_TRUE(others(log, file_of(100, tomorrow + 1, kNow + 3 * kSecond), kNow + 4 * kSecond)) << "once more";
    EXPECT_FALSE(others(log, file_of(100, tomorrow + 1, kNow + 3 * kSecond), kNow + 5 * kSecond));

    ChangeLog ahead(true);  // the clock was set back
    EXPECT_TRUE(others(ahead, file_of(100, tomorrow), kNow));
    EXPECT_TRUE(others(ahead, file_of(100, tomorrow), kNow + kSecond));
    EXPECT_FALSE(others(ahead, file_of(100, tomorrow), kNow + 2 * kSecond));
}

TEST(ChangeLog, PagesThatWereDroppedUnderAWriteAreOldWhenItIsDone) {
    ChangeLog log = known(file_of(100, kOld));
    log.write_comes(kNow);
    EXPECT_TRUE(log.changed_lately(kNow)) << "or an open might drop them";
    EXPECT_TRUE(others(log, file_of(100, kNow + kSecond), kNow + 2 * kSecond));
    EXPECT_FALSE(log.take_changed_by_others());
    change(log, kNow + 3 * kSecond);
    log.write_goes();
    EXPECT_TRUE(log.take_changed_by_others());
    EXPECT_FALSE(log.take_changed_by_others());

    log.write_comes(kNow + 3 * kSecond);
    log.write_goes();
    EXPECT_FALSE(log.take_changed_by_others()) << "the next one has seen no drop";
    log.write_comes(kNow + 3 * kSecond);
    log.dropped();
    log.write_goes();
    EXPECT_TRUE(log.take_changed_by_others());
}

TEST(ChangeLog, AWriteThatComesRightAfterADropMayHaveBeenOnItsWay) {
    ChangeLog log = known(file_of(100, kOld));
    const TimeNs later = kNow + kSecond;
    EXPECT_TRUE(others(log, file_of(100, later - 500 * kMillisecond), later));
    log.write_comes(later + kMillisecond);
    log.write_goes();
    EXPECT_TRUE(log.take_changed_by_others());
    log.write_comes(later + kSecond);
    log.write_goes();
    EXPECT_FALSE(log.take_changed_by_others());
}

TEST(ChangeWatch, AWriteHasNothingDroppedThatWasNotDroppedUnderIt) {
    ChangeWatch watch{ChangeLog(true)};
    watch.write_comes();
    watch.pages_are_old();  // by a direct write: the next look tells
    EXPECT_FALSE(watch.write_goes());
}

TEST(ChangeMemory, RemembersFilesByTheirNumbers) {
    ChangeMemory memory;
    memory.remember({1, 2}, known(file_of(100, kOld)));
    std::optional<ChangeLog> same = memory.recall({1, 2});
    ASSERT_TRUE(same);
    EXPECT_FALSE(others(*same, file_of(100, kOld), kNow));
    EXPECT_FALSE(memory.recall({1, 3}));
}

}  // namespace
}  // namespace bandfs
