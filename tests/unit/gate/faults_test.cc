// What callers are told when the disk below fails, fills up, or does less than it was asked for.
#include <algorithm>
#include <array>
#include <deque>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "data_plane_fixture.h"

namespace bandfs {
namespace {

using namespace test;

class FaultsTest : public DataPlaneTest {
protected:
    Answer& read_now(const std::shared_ptr<OpenFile>& file, std::uint64_t offset, std::uint32_t size) {
        Answer& answer = answers_.emplace_back();
        read(answer, file, offset, size);
        EXPECT_TRUE(eventually([&] { return answer.come(); }));
        return answer;
    }
    Answer& written(const std::shared_ptr<OpenFile>& file, std::uint64_t offset, std::size_t size) {
        Answer& answer = answers_.emplace_back();
        write(answer, file, offset, pattern(size));
        EXPECT_TRUE(eventually([&] { return answer.come(); }));
        return answer;
    }

    std::deque<Answer> answers_;
};

// Reads.

TEST_F(FaultsTest, ShortReadsBelowAreReadOn) {
    const auto file = open();
    write_now(file, 0, 10 * kPage + 7);
    ASSERT_EQ(sync_now(file), 0);
    disk_.resident = [](std::uint64_t) { return false; };
    disk_.longest_read = 1000;
    const Answer& whole = read_now(file, 0, 16 * kPage);
    EXPECT_EQ(whole.code, 0);
    EXPECT_EQ(whole.data, pattern(10 * kPage + 7));
    EXPECT_TRUE(read_now(file, 11 * kPage, kPage).data.empty()) << "only behind the end there is nothing";
}

TEST_F(FaultsTest, AReadThatFailsInItsLastUnitFails) {
    const auto file = open();
    write_now(file, 0, 8 * kPage);
    disk_.resident = [](std::uint64_t) { return false; };
    disk_.bad_from = 7 * kPage;
    EXPECT_EQ(read_now(file, 0, 8 * kPage).code, EIO);
    EXPECT_EQ(read_now(file, 0, 4 * kPage).code, 0);
    EXPECT_EQ(side(kAlice).failures, 1u) << "one request";
    EXPECT_EQ(side(kBob).failures, 0u);
}

// Writes.

TEST_F(FaultsTest, ShortWritesBelowAreWrittenOn) {
    disk_.longest_write = 1000;
    const auto file = open();
    EXPECT_EQ(written(file, 5, 3 * kPage).written, 3 * kPage);
    EXPECT_EQ(plane_->dirty_bytes(kAlice), 4 * kPage);
    const auto durable = open(O_RDWR | O_SYNC);
    EXPECT_EQ(written(durable, 5, 10 * kPage).written, 10 * kPage);
    disk_.resident = nullptr;
    EXPECT_EQ(read_now(file, 5, 10 * kPage).data, pattern(10 * kPage));
}

TEST_F(FaultsTest, AWriteThatFailsLeavesNothingDirty) {
    const auto file = open();
    for (const int code : {EIO, ENOSPC, EDQUOT}) {
        disk_.write_error = code;
        EXPECT_EQ(written(file, 0, 4 * kPage).code, code);
    }
    EXPECT_EQ(side(kAlice).failures, 3u);
    EXPECT_EQ(plane_->dirty_bytes(), 0u);
    disk_.write_error = 0;
    EXPECT_EQ(sync_now(file), 0) << "who wrote has been told";
}

TEST_F(FaultsTest, ADurableWriteIsToldAtOnce) {
    const auto file = open(O_RDWR | O_DSYNC);
    disk_.write_error = EIO;
    EXPECT_EQ(written(file, 0, 4 * kPage).code, EIO);
    disk_.write_error = 0;
    disk_.room = 5 * kPage;  // a unit and a part of the next
    EXPECT_EQ(written(file, 0, 8 * kPage).written, 5 * kPage);
    EXPECT_EQ(written(file, 5 * kPage, kPage).code, ENOSPC);
    EXPECT_EQ(side(kAlice).failures, 2u);
}

TEST_F(FaultsTest, WhereEveryWriteIsSynchronousAFailingSyncIsTheWrites) {
    disk_.is.kind = WriteBackKind::synchronous;
    const auto file = open();
    disk_.sync_error = ENOSPC;
    EXPECT_EQ(written(file, 0, kPage).code, ENOSPC);
    disk_.sync_error = 0;
    EXPECT_EQ(written(file, 0, kPage).written, kPage);
}

// Write-back.

TEST_F(FaultsTest, AFailedWriteBackReachesEachOpenOnceWithItsErrno) {
    for (const int code : {EIO, ENOSPC}) {
        const auto file = open();
        const auto other = open();
        disk_.write_back_error = code;
        write_now(file, 0, kPage);
        EXPECT_EQ(sync_now(file), code);
        disk_.write_back_error = 0;
        EXPECT_EQ(sync_now(file), 0);
        write_now(file, 0, kPage);
        EXPECT_EQ(sync_now(file), 0) << "written again, and it went well";
        EXPECT_EQ(sync_now(other), code);
        EXPECT_EQ(sync_now(other), 0);
    }
    EXPECT_EQ(plane_->counters().writeback_errors, 2u);
    EXPECT_EQ(side(kAlice).failures, 2u);
}

TEST_F(FaultsTest, AWriteBackThatNobodyAskedForIsToldToTheNextFsync) {
    const auto file = open();
    disk_.write_back_error = EIO;
    write_now(file, 0, kBound / 4 * 3 + kPage);  // more than may rest
    ASSERT_TRUE(eventually([&] { return plane_->dirty_bytes() == 0; }));
    disk_.write_back_error = 0;
    EXPECT_EQ(sync_now(file), EIO);
    EXPECT_EQ(sync_now(file), 0);
}

TEST_F(FaultsTest, AMappingsWriteBackFailsLikeAnyOther) {
    const auto file = open();
    disk_.write_back_error = EIO;
    Answer answer;
    write(answer, file, 0, pattern(kPage), {}, true);
    ASSERT_TRUE(answer.come());
    EXPECT_EQ(sync_now(file), EIO);
}

TEST_F(FaultsTest, OneFilesFailureIsNotAnothers) {
    const auto file = open();
    const auto other = open_other();
    write_now(other, 0, kPage);
    EXPECT_EQ(sync_now(other), 0);
    disk_.write_back_error = EIO;
    write_now(file, 0, kPage);
    EXPECT_EQ(sync_now(file), EIO);
    EXPECT_EQ(sync_now(other), 0);
}

TEST_F(FaultsTest, WritersThatWaitGoOnWhenTheDiskFails) {
    const auto file = open();
    disk_.write_back_error = EIO;
    disk_.at_write_back.shut();
    for (std::uint64_t page = 0; page < kBound / kPage; page += 8) write_now(file, page * kPage, 8 * kPage);
    std::array<Answer, 4> waiting;
    for (Answer& answer : waiting) write(answer, file, kBound, pattern(8 * kPage));
    disk_.at_write_back.open();
    ASSERT_TRUE(eventually([&] { return std::ranges::all_of(waiting, &Answer::come); }));
    EXPECT_TRUE(plane_->drain(now_ns() + 20 * kSecond));
    EXPECT_EQ(plane_->dirty_bytes(), 0u);
    EXPECT_EQ(sync_now(file), EIO);
}

}  // namespace
}  // namespace bandfs
