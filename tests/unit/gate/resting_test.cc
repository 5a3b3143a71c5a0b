// What is dirty and may rest, and what presses although nobody waits.
#include <memory>

#include <gtest/gtest.h>

#include "data_plane_fixture.h"
#include "gate/dirty_ledger.h"

namespace bandfs {
namespace {

using namespace test;

constexpr std::uint64_t kMuch = 16u << 20;
constexpr std::uint64_t kPiece = 64u << 10;

class RestingTest : public DataPlaneTest {
protected:
    RestingTest() { plane_->set_dirty_bound(kMuch); }

    /// With room between the pieces.
    void scatter(const std::shared_ptr<OpenFile>& file, std::uint64_t bytes, std::uint64_t from = 0) {
        for (std::uint64_t done = 0; done != bytes; done += kPiece) write_now(file, from + 2 * done, kPiece);
    }
    void stream(const std::shared_ptr<OpenFile>& file, std::uint64_t from, std::uint64_t bytes) {
        for (std::uint64_t done = 0; done != bytes; done += kPiece) write_now(file, from + done, kPiece);
    }
};

TEST_F(RestingTest, WhatIsScatteredRestsUpToThreeQuartersOfTheBound) {
    const auto file = open();
    scatter(file, kMuch / 4 * 3);
    EXPECT_EQ(plane_->dirty_bytes(), kMuch / 4 * 3);
    write_now(file, kPiece, kPage);  // in a gap
    // An eighth of what may rest more than need be, lest the next write presses again.
    EXPECT_TRUE(eventually([&] { return plane_->dirty_bytes() == kMuch / 4 * 3 / 8 * 7; }));
}

TEST_F(RestingTest, WhatIsStreamedGoesToTheDiskSoon) {
    const auto scattered = open();
    scatter(scattered, 2u << 20);
    const auto streamed = open_other();
    stream(streamed, 0, kMuch / 8);
    EXPECT_TRUE(disk_.written_back().empty());
    write_now(streamed, kMuch / 8, kPage);
    EXPECT_TRUE(eventually([&] { return plane_->dirty_bytes() == 2u << 20; })) << "and nothing else";
    EXPECT_EQ(disk_.written_back_bytes(), kMuch / 8 + kPage);
}

TEST_F(RestingTest, AStreamMayBeOfSmallWrites) {
    const auto file = open();
    for (std::uint64_t at = 0; at != kMuch / 4; at += kPage / 2) write_now(file, at, kPage / 2);
    EXPECT_TRUE(eventually([&] { return plane_->dirty_bytes() <= kMuch / 8; }));
}

TEST_F(RestingTest, FilesRestUpToThreeQuartersOfTheirBound) {
    start(kNever / 2, 4);
    std::vector<std::unique_ptr<ScratchFile>> scratch;
    std::vector<std::shared_ptr<OpenFile>> files;
    for (int i = 0; i != 4; ++i) {
        scratch.push_back(std::make_unique<ScratchFile>());
        files.push_back(open_of(*scratch.back()));
    }
    const auto place = [](int i) { return static_cast<std::uint64_t>(i) * kPage; };
    for (int i = 0; i != 3; ++i) write_now(files[i], place(i), kPage);
    EXPECT_EQ(plane_->dirty_bytes(), 3 * kPage);
    write_now(files[3], place(3), kPage);
    EXPECT_TRUE(eventually([&] { return plane_->dirty_bytes() == 3 * kPage; }));
    ASSERT_EQ(disk_.written_back().size(), 1u);
    EXPECT_EQ(disk_.written_back()[0], (Extent{0, kPage})) << "the oldest";
}

TEST_F(RestingTest, WhatIsOldIsDueAlthoughSomeOfItsFilePressed) {
    DirtyLedger ledger{DirtyOwner(kAlice)};
    const auto old = open()->data;
    const auto young = open_other()->data;
    const auto note = [&](const std::shared_ptr<FileData>& file, TimeNs now) {
        ledger.note(file, 0, 4 * kPage, 4 * kPage, now);
    };
    note(old, 1);
    note(young, 2);
    ledger.make_due(*old, kPage);
    EXPECT_EQ(ledger.oldest(), 2) << "of those that wait";
    ledger.take(*old, kPage, 3);
    EXPECT_EQ(ledger.oldest(), 1) << "it still has what is as old";
    EXPECT_EQ(ledger.waiting.front().file, old);
    ledger.make_older_due(1);
    note(old, 4);
    ledger.take(*old, 3 * kPage, 5);
    EXPECT_EQ(ledger.oldest(), 2);
    EXPECT_EQ(ledger.waiting.back().since, 5) << "what it has was noted when the rest was due";
    EXPECT_EQ(ledger.noted, 8 * kPage);
}

TEST_F(RestingTest, WhatIsWrittenHereAndThereLaterStreamsNoMore) {
    DirtyLedger ledger{DirtyOwner(kAlice)};
    const auto file = open()->data;
    ledger.note(file, 0, 2u << 20, 2u << 20, 1);
    ASSERT_EQ(ledger.streaming.size(), 1u);
    ledger.note(file, 8u << 20, (8u << 20) + kPage, kPage, 2);
    EXPECT_EQ(ledger.streamed, (2u << 20) + kPage) << "what is there goes soon";
    ledger.make_due(*file, 1u << 20);
    ledger.take(*file, 1u << 20, 3);
    EXPECT_EQ(ledger.streamed, 0u);
    EXPECT_EQ(ledger.waiting.size(), 1u);
    EXPECT_EQ(ledger.waiting.front().since, 1);
    EXPECT_EQ(ledger.noted, (1u << 20) + kPage);
}

TEST_F(RestingTest, WhatWasDueInPartGoesWhenItIsOld) {
    constexpr TimeNs kOldest = 200 * kMillisecond;
    start(kOldest);
    plane_->set_dirty_bound(kMuch);
    disk_.at_write_back.shut();
    const auto file = open();
    // Each page is a job: there are more due than a group has at a time, so the file stays among those that are.
    for (std::uint64_t page = 0; page <= kMuch / 4 * 3 / kPage; ++page) write_now(file, page << 20, kPage);
    const TimeNs written = now_ns();
    // Until the flusher has looked, and found nothing that waits.
    ASSERT_TRUE(eventually([&] { return now_ns() - written > 2 * kOldest; }));
    disk_.at_write_back.open();
    EXPECT_TRUE(eventually([&] { return plane_->dirty_bytes() == 0; }));
}

TEST_F(RestingTest, ThePaceIsThatOfTimesWithSomethingOnItsWay) {
    WriteBackPace pace;
    EXPECT_EQ(pace.bytes_per_second(), 0u);
    pace.begin(0);
    pace.add(5u << 20, 50 * kMillisecond);
    EXPECT_EQ(pace.bytes_per_second(), 0u);
    pace.add(5u << 20, 100 * kMillisecond);
    EXPECT_EQ(pace.bytes_per_second(), 100u << 20);
    pace.end(100 * kMillisecond);
    pace.begin(kSecond);
    pace.add(2u << 20, kSecond + 10 * kMillisecond);
    pace.end(kSecond + 10 * kMillisecond);
    EXPECT_EQ(pace.bytes_per_second(), 150u << 20);
    pace.begin(2 * kSecond);
    pace.add(kPage, 2 * kSecond + 1);
    pace.end(2 * kSecond + 1);
    EXPECT_EQ(pace.bytes_per_second(), 150u << 20) << "a page says nothing";
}

TEST_F(RestingTest, WhereTheDiskIsFastAGroupMayHaveMoreUntilABoundIsSet) {
    constexpr std::uint64_t kAll = 4 * kMuch;
    plane_.reset();
    plane_ = std::make_unique<DataPlane>(
        gate_, *groups_, disk_,
        DataPlaneSettings{
            .unit_size = kUnit, .dirty_bytes = kMuch, .dirty_of_all = kAll, .oldest_dirty_ns = kNever / 2});
    const auto file = open();
    // How fast it is shows when it is used, and until then a write may wait.
    std::uint64_t at = 0;
    for (; plane_->dirty_bytes() <= kMuch && at != 16 * kMuch; at += 2 * kPiece) {
        Answer answer;
        write(answer, file, at, pattern(kPiece));
        ASSERT_TRUE(eventually([&] { return answer.come(); }));
    }
    EXPECT_GT(plane_->dirty_bytes(), kMuch);
    disk_.at_write_back.shut();
    const auto streamed = open_other();
    std::uint64_t begun = 0;
    Answer streams[kMuch / kPiece + 1];
    for (Answer& answer : streams) {
        write(answer, streamed, begun, pattern(kPiece));
        if (!answer.come()) break;
        begun += kPiece;
    }
    EXPECT_GT(begun, kMuch / 2);
    EXPECT_LE(begun, kMuch) << "of what is streamed it may not";
    plane_->set_dirty_bound(kMuch);
    EXPECT_TRUE(plane_->is_dirty_bound_set());
    Answer waits;
    write(waits, file, at, pattern(kPage));
    EXPECT_FALSE(waits.come());
    disk_.at_write_back.open();
    EXPECT_TRUE(eventually([&] { return waits.come() && streams[begun / kPiece].come(); }));
}

}  // namespace
}  // namespace bandfs
