#include "gate/data_plane.h"

#include <linux/falloc.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "data_plane_fixture.h"

namespace bandfs {
namespace {

using namespace test;

TEST(FirstEnd, IsTheLowestPlaceWhoeverComesFirst) {
    FirstEnd end;
    EXPECT_EQ(end.place(1u << 20), 1u << 20);
    EXPECT_EQ(end.error(), 0);
    end.note(8192, EIO);
    end.note(12'288, 0);
    EXPECT_EQ(end.place(1u << 20), 8192u);
    EXPECT_EQ(end.error(), EIO);
    end.note(4096, 0);
    EXPECT_EQ(end.place(1u << 20), 4096u);
    EXPECT_EQ(end.error(), 0) << "the file ended before";
}

// Reads.

TEST_F(DataPlaneTest, AHitIsAnsweredInTheCallAndUncharged) {
    const auto file = open();
    write_now(file, 0, 3 * kPage);
    disk_.resident = [](std::uint64_t) { return true; };
    Answer answer;
    read(answer, file, 0, 8 * kPage);
    ASSERT_TRUE(answer.come());
    EXPECT_EQ(answer.data, pattern(3 * kPage));
    EXPECT_EQ(answer.kept, 0);
    EXPECT_EQ(units(kAlice, Direction::read), 0u);
    EXPECT_EQ(plane_->counters().cached_reads, 1u);
    EXPECT_EQ(side(kAlice), (SideStatistics{.cached_reads = 1, .cached_bytes = 3 * kPage}));
    EXPECT_EQ(side(kBob), SideStatistics());
}

TEST_F(DataPlaneTest, OnlyTheRestOfAPartialHitIsCharged) {
    const auto file = open();
    write_now(file, 0, 16 * kPage);
    disk_.resident = [](std::uint64_t page) { return page < 5; };
    Answer answer;
    read(answer, file, 0, 16 * kPage);
    ASSERT_TRUE(eventually([&] { return answer.come(); }));
    EXPECT_EQ(answer.data, pattern(16 * kPage));
    EXPECT_EQ(answer.kept, 1);
    EXPECT_EQ(units(kAlice, Direction::read), 3u);  // 11 pages in units of 4
    EXPECT_EQ(plane_->counters().cached_bytes, 5 * kPage);
    EXPECT_EQ(side(kAlice), (SideStatistics{.cached_bytes = 5 * kPage}));
}

TEST_F(DataPlaneTest, AMissMayBeReadByTheReceiver) {
    const auto file = open();
    write_now(file, 0, 4 * kPage);
    disk_.resident = [](std::uint64_t) { return false; };
    Answer answer;
    read(answer, file, 0, 4 * kPage, {kBob}, true);
    ASSERT_TRUE(answer.come());
    EXPECT_EQ(answer.thread, std::this_thread::get_id());
    EXPECT_EQ(answer.kept, 0);
    EXPECT_EQ(answer.data, pattern(4 * kPage));
    EXPECT_EQ(units(kBob, Direction::read), 1u);
}

TEST_F(DataPlaneTest, AReadErrorIsNoShortAnswer) {
    const auto file = open();
    write_now(file, 0, 8 * kPage);
    disk_.resident = [](std::uint64_t page) { return page < 2; };
    disk_.read_error = EIO;
    Answer answer;
    read(answer, file, 0, 8 * kPage);
    ASSERT_TRUE(eventually([&] { return answer.come(); }));
    EXPECT_EQ(answer.code, EIO);
}

TEST_F(DataPlaneTest, ReadsOfAFileThatShrankEndWhereItEnds) {
    const auto file = open();
    write_now(file, 0, 16 * kPage);
    disk_.resident = [](std::uint64_t) { return false; };
    disk_.at_read.shut();
    Answer answer;
    read(answer, file, 0, 16 * kPage);
    ASSERT_TRUE(disk_.at_read.reached(1));
    ASSERT_EQ(plane_->resize(*file, 5 * kPage + 3).code(), 0);
    disk_.at_read.open();
    ASSERT_TRUE(eventually([&] { return answer.come(); }));
    EXPECT_EQ(answer.code, 0);
    EXPECT_EQ(answer.data, pattern(5 * kPage + 3));
}

TEST_F(DataPlaneTest, ReadsOfAFileThatWasLongerEndWhereItEnds) {
    const auto file = open();
    write_now(file, 0, 16 * kPage);
    disk_.resident = [](std::uint64_t) { return false; };
    const auto got = [&](std::uint64_t offset) {
        Answer answer;
        read(answer, file, offset, static_cast<std::uint32_t>(16 * kPage - offset));
        EXPECT_TRUE(eventually([&] { return answer.come(); }));
        EXPECT_EQ(answer.code, 0);
        return answer.data;
    };
    EXPECT_EQ(got(0), pattern(16 * kPage));
    for (const std::uint64_t size : {5 * kPage + 3, 4 * kPage}) {
        ASSERT_EQ(::ftruncate(file->data->descriptor(), static_cast<off_t>(size)), 0);  // as somebody else does it
        EXPECT_EQ(got(0), pattern(size));
        const std::uint64_t charged = units(kAlice, Direction::read);
        EXPECT_TRUE(got(8 * kPage).empty());
        EXPECT_EQ(units(kAlice, Direction::read), charged) << "it has been seen by then";
    }
}

TEST_F(DataPlaneTest, AMisalignedDirectReadBehindTheEndReadsNothing) {
    disk_.is.direct_alignment = 512;
    const auto file = open(O_RDWR | O_DIRECT);
    if (file == nullptr) GTEST_SKIP() << "no O_DIRECT in the temporary directory";
    Answer written, got;
    write(written, file, 0, pattern(8 * kPage));
    ASSERT_TRUE(eventually([&] { return written.come(); }));
    read(got, file, 0, 8 * kPage);
    ASSERT_TRUE(eventually([&] { return got.come(); }));
    ASSERT_EQ(::ftruncate(file->data->descriptor(), 100), 0);
    Answer end;
    read(end, file, 100, kPage);
    ASSERT_TRUE(end.come());
    EXPECT_EQ(end.code, 0);
    EXPECT_TRUE(end.data.empty());
}

TEST_F(DataPlaneTest, DirectRequestsAreUnitsAndMisalignedOnesRefused) {
    disk_.is.direct_alignment = 512;
    disk_.resident = [](std::uint64_t) { return true; };
    const auto file = open(O_RDWR | O_DIRECT);
    if (file == nullptr) GTEST_SKIP() << "no O_DIRECT in the temporary directory";
    const auto data = pattern(8 * kPage);
    Answer written, misaligned, got;
    write(written, file, 0, data);
    ASSERT_TRUE(eventually([&] { return written.come(); }));
    EXPECT_EQ(written.written, data.size());
    EXPECT_EQ(units(kAlice, Direction::write), 2u);
    EXPECT_EQ(plane_->dirty_bytes(), 0u);
    write(misaligned, file, 100, data);
    EXPECT_EQ(misaligned.code, EINVAL);
    read(got, file, 0, 8 * kPage);
    ASSERT_TRUE(eventually([&] { return got.come(); }));
    EXPECT_EQ(got.data, data);
    EXPECT_EQ(units(kAlice, Direction::read), 2u);
}

TEST_F(DataPlaneTest, EachRequestsFlagsCountAndNotThoseOfTheOpen) {
    disk_.is.direct_alignment = 512;
    disk_.resident = [](std::uint64_t) { return true; };
    const auto direct = open(O_RDWR | O_DIRECT);
    const auto buffered = open();
    if (direct == nullptr) GTEST_SKIP() << "no O_DIRECT in the temporary directory";
    const auto data = pattern(4 * kPage);

    Answer durable;
    write_as(O_RDWR | O_DIRECT | O_DSYNC, durable, direct, 0, data);
    ASSERT_TRUE(eventually([&] { return durable.come(); }));
    EXPECT_EQ(disk_.last_durability, Durability::data);
    EXPECT_EQ(units(kAlice, Direction::write), 1u);

    Answer unaligned;
    write_as(O_RDWR, unaligned, direct, 4 * kPage, std::span(data).first(100));
    ASSERT_TRUE(unaligned.come()) << "into the page cache";
    EXPECT_EQ(unaligned.written, 100u);
    EXPECT_EQ(plane_->dirty_bytes(), kPage);

    Answer later, got, synced;
    write_as(O_RDWR | O_DIRECT, later, buffered, 0, data);
    ASSERT_TRUE(eventually([&] { return later.come(); }));
    EXPECT_EQ(units(kAlice, Direction::write), 2u);
    read_as(O_RDWR | O_DIRECT, got, buffered, 0, 4 * kPage);
    ASSERT_TRUE(eventually([&] { return got.come(); }));
    EXPECT_EQ(got.data, data);
    EXPECT_EQ(units(kAlice, Direction::read), 1u) << "from the disk";
    write_as(O_RDWR | O_SYNC, synced, buffered, 0, data);
    ASSERT_TRUE(eventually([&] { return synced.come(); }));
    EXPECT_EQ(disk_.last_durability, Durability::all);
    EXPECT_EQ(units(kAlice, Direction::write), 3u);
}

TEST_F(DataPlaneTest, AWriteIntoAPageThatIsNotThereIsChargedItsRead) {
    const auto file = open();
    const auto data = pattern(10);
    write_now(file, 0, 4 * kPage);
    disk_.resident = [](std::uint64_t) { return false; };
    disk_.at_read.shut();
    std::vector<Answer> others(40);  // the disk has enough to do
    for (Answer& other : others) read(other, file, 0, kPage, {kBob});
    Answer answer;
    write(answer, file, kPage + 5, data);
    EXPECT_FALSE(answer.come()) << "it waits for its turn as a read does";
    EXPECT_EQ(units(kAlice, Direction::read), 1u);
    disk_.at_read.open();
    ASSERT_TRUE(eventually([&] { return answer.come() && std::ranges::all_of(others, &Answer::come); }));
    EXPECT_EQ(answer.written, data.size());
    EXPECT_EQ(units(kAlice, Direction::write), 0u) << "until it is written back";
}

TEST_F(DataPlaneTest, BeyondItsMemoryPayloadIsNotHeld) {
    disk_.is.direct_alignment = 512;
    start(kNever / 2, 1000, 2 * kPage);
    const auto direct = open(O_RDWR | O_DIRECT);
    const auto file = open();
    if (direct == nullptr) GTEST_SKIP() << "no O_DIRECT in the temporary directory";
    write_now(file, 0, kPage);
    disk_.resident = [](std::uint64_t) { return false; };
    disk_.at_read.shut();
    std::vector<Answer> others(40);
    for (Answer& other : others) read(other, file, 0, kPage, {kBob});
    const auto data = pattern(kPage);
    std::array<Answer, 3> writes;
    for (std::size_t i = 0; i != writes.size(); ++i) write(writes[i], direct, i * kPage, data);
    EXPECT_TRUE(eventually([&] { return writes[2].come(); }));
    EXPECT_FALSE(writes[0].come());
    EXPECT_FALSE(writes[1].come());
    EXPECT_EQ(plane_->counters().passed_over_memory, 1u);
    disk_.at_read.open();
    ASSERT_TRUE(eventually(
        [&] { return std::ranges::all_of(writes, &Answer::come) && std::ranges::all_of(others, &Answer::come); }));
    Answer later;
    disk_.at_read.shut();
    std::vector<Answer> more(40);
    for (Answer& other : more) read(other, file, 0, kPage, {kBob});
    write(later, direct, 0, data);
    EXPECT_FALSE(later.come()) << "there is room again";
    disk_.at_read.open();
    ASSERT_TRUE(eventually([&] { return later.come() && std::ranges::all_of(more, &Answer::come); }));
}

TEST_F(DataPlaneTest, ADyingReaderIsAnsweredAndReadsNothing) {
    const auto file = open();
    write_now(file, 0, 4 * kPage);
    disk_.resident = [](std::uint64_t) { return false; };
    disk_.at_read.shut();
    gate_.set_dying([](pid_t tid) { return tid == 7; });
    std::vector<Answer> running(16);
    for (Answer& answer : running) read(answer, file, 0, kPage);
    Answer dies;
    read(dies, file, 0, kPage, {kAlice}, false, 7);
    ASSERT_TRUE(eventually([&] { return dies.come(); }));
    EXPECT_EQ(dies.code, EINTR);
    disk_.at_read.open();
    ASSERT_TRUE(eventually([&] { return std::ranges::all_of(running, &Answer::come); }));
}

TEST_F(DataPlaneTest, ADyingReaderOfAHalfReadRangeIsNotToldThatTheFileEndsThere) {
    const auto file = open();
    write_now(file, 0, 256 * kPage);  // 64 units, of which 16 may be read
    disk_.resident = [](std::uint64_t) { return false; };
    disk_.at_read.shut();
    gate_.set_dying([](pid_t tid) { return tid == 7; });
    Answer dies;
    read(dies, file, 0, 256 * kPage, {kAlice}, false, 7);
    ASSERT_TRUE(disk_.at_read.reached(1));
    ASSERT_TRUE(eventually([&] { return gate_.report().cancelled == 1; }));
    EXPECT_FALSE(dies.come()) << "the disk has some of it";
    disk_.at_read.open();
    ASSERT_TRUE(eventually([&] { return dies.come(); }));
    EXPECT_EQ(dies.code, EINTR);
    EXPECT_EQ(dies.answers, 1);
    EXPECT_EQ(side(kAlice).failures, 0u);
}

// Buffered writes and their write-back.

TEST_F(DataPlaneTest, ABufferedWriteIsAnsweredBeforeItIsOnTheDisk) {
    const auto file = open();
    write_now(file, 0, 4 * kPage);
    EXPECT_EQ(plane_->dirty_bytes(kAlice), 4 * kPage);
    EXPECT_EQ(plane_->dirty_bytes(), 4 * kPage);
    write_now(file, 0, 4 * kPage);
    EXPECT_EQ(plane_->dirty_bytes(kAlice), 4 * kPage);
    EXPECT_TRUE(disk_.written_back().empty());
    EXPECT_EQ(units(kAlice, Direction::write), 0u);
}

TEST_F(DataPlaneTest, OverTheBoundTheWriterWaitsForItsOwnGroupAlone) {
    const auto file = open();
    disk_.at_write_back.shut();
    for (std::uint64_t page = 0; page < kBound / kPage; page += 8) write_now(file, page * kPage, 8 * kPage);
    const auto more = pattern(8 * kPage);
    Answer waits, waits_too;
    write(waits, file, kBound, more);
    write(waits_too, file, kBound + 8 * kPage, more);
    EXPECT_FALSE(waits.come());
    write_now(file, 4 * kBound, 8 * kPage, {kBob});
    EXPECT_EQ(plane_->counters().waited_writes, 2u);
    EXPECT_LE(plane_->dirty_bytes(kAlice), kBound);
    disk_.at_write_back.open();
    ASSERT_TRUE(eventually([&] { return waits.come() && waits_too.come(); }));
    EXPECT_EQ(waits.written, more.size());
    EXPECT_GT(units(kAlice, Direction::write), 0u);
}

TEST_F(DataPlaneTest, WriteBackIsChargedToWhoDirtied) {
    const auto file = open();
    write_now(file, 0, 4 * kPage, {kAlice});
    write_now(file, 4 * kPage, 8 * kPage, {kBob});
    write_now(file, 12 * kPage, 4 * kPage, {});
    EXPECT_EQ(sync_now(file), 0);
    EXPECT_EQ(units(kAlice, Direction::write), 1u);
    EXPECT_EQ(units(kBob, Direction::write), 2u);
    EXPECT_EQ(units(0, Direction::write), 1u);  // the default group's
    EXPECT_EQ(disk_.written_back_bytes(), 16 * kPage);
}

TEST_F(DataPlaneTest, WhatRestsTooLongIsWrittenBack) {
    start(10 * kMillisecond);
    const auto file = open();
    write_now(file, 0, 2 * kPage);
    EXPECT_TRUE(eventually([&] { return disk_.written_back_bytes() == 2 * kPage; }));
    EXPECT_TRUE(eventually([&] { return plane_->dirty_bytes() == 0; }));
    write_now(file, 0, 2 * kPage);
    EXPECT_TRUE(eventually([&] { return disk_.written_back_bytes() == 4 * kPage; }));
}

TEST_F(DataPlaneTest, AWriteDuringItsWriteBackIsWrittenAgain) {
    const auto file = open();
    disk_.at_write_back.shut();
    write_now(file, 0, kPage);
    Answer first;
    plane_->sync(std::make_unique<TestSync>(first, file, 0));
    ASSERT_TRUE(disk_.at_write_back.reached(1));
    write_now(file, 0, kPage);
    disk_.at_write_back.open();
    EXPECT_EQ(sync_now(file), 0);
    ASSERT_TRUE(eventually([&] { return first.come(); }));
    EXPECT_EQ(disk_.written_back_bytes(), 2 * kPage);
}

TEST_F(DataPlaneTest, SynchronousVolumesAnswerWhenItIsDurable) {
    disk_.is.kind = WriteBackKind::synchronous;
    const auto file = open();
    disk_.at_sync.shut();
    Answer answer;
    write(answer, file, 0, pattern(6 * kPage));
    ASSERT_TRUE(disk_.at_sync.reached(1));
    EXPECT_FALSE(answer.come());
    disk_.at_sync.open();
    ASSERT_TRUE(eventually([&] { return answer.come(); }));
    EXPECT_EQ(answer.written, 6 * kPage);
    EXPECT_EQ(units(kAlice, Direction::write), 2u);
}

TEST_F(DataPlaneTest, OSyncWritesAreUnits) {
    const auto file = open(O_RDWR | O_SYNC);
    Answer answer;
    write(answer, file, 0, pattern(6 * kPage));
    ASSERT_TRUE(eventually([&] { return answer.come(); }));
    EXPECT_EQ(answer.written, 6 * kPage);
    EXPECT_EQ(units(kAlice, Direction::write), 2u);
    EXPECT_EQ(plane_->dirty_bytes(), 0u);
}

TEST_F(DataPlaneTest, InMemoryNothingIsChargedOrWrittenBack) {
    disk_.is.kind = WriteBackKind::memory;
    disk_.resident = [](std::uint64_t) { return false; };
    const auto file = open();
    write_now(file, 0, 8 * kPage);
    Answer answer;
    read(answer, file, 0, 8 * kPage);
    ASSERT_TRUE(answer.come());
    EXPECT_EQ(answer.data, pattern(8 * kPage));
    EXPECT_EQ(sync_now(file), 0);
    EXPECT_TRUE(disk_.written_back().empty());
    EXPECT_EQ(units(kAlice, Direction::write) + units(kAlice, Direction::read), 0u);
}

TEST_F(DataPlaneTest, AMappingsWriteBackIsCounted) {
    const auto file = open();
    Answer answer;
    write(answer, file, 0, pattern(4 * kPage), {kBob}, true);
    ASSERT_TRUE(answer.come());
    EXPECT_EQ(plane_->dirty_bytes(kBob), 4 * kPage);
    EXPECT_EQ(plane_->counters().mapped_writes, 1u);
}

TEST_F(DataPlaneTest, AFullDiskDirtiesWhatItTook) {
    const auto file = open();
    disk_.room = 2 * kPage;
    Answer part, nothing;
    write(part, file, 0, pattern(4 * kPage));
    EXPECT_EQ(part.written, 2 * kPage);
    write(nothing, file, 2 * kPage, pattern(2 * kPage));
    EXPECT_EQ(nothing.code, ENOSPC);
    EXPECT_EQ(plane_->dirty_bytes(kAlice), 2 * kPage);
}

TEST_F(DataPlaneTest, AHigherBoundLetsWritersRunAndALowerOneWritesBack) {
    const auto file = open();
    disk_.at_write_back.shut();
    for (std::uint64_t page = 0; page < kBound / kPage; page += 8) write_now(file, page * kPage, 8 * kPage);
    Answer waits;
    write(waits, file, kBound, pattern(8 * kPage));
    EXPECT_FALSE(waits.come());
    plane_->set_dirty_bound(2 * kBound);
    EXPECT_EQ(plane_->dirty_bound(), 2 * kBound);
    ASSERT_TRUE(eventually([&] { return waits.come(); }));
    disk_.at_write_back.open();
    ASSERT_EQ(sync_now(file), 0);
    write_now(file, 0, kBound / 2);  // may rest
    EXPECT_EQ(plane_->dirty_bytes(), kBound / 2);
    plane_->set_dirty_bound(kBound / 4);
    EXPECT_TRUE(eventually([&] { return plane_->dirty_bytes() == 0; }));
}

TEST_F(DataPlaneTest, ADyingWriterThatWaitsIsAnswered) {
    gate_.set_dying([](pid_t tid) { return tid == 7; });
    const auto file = open();
    disk_.at_write_back.shut();
    for (std::uint64_t page = 0; page < kBound / kPage; page += 8) write_now(file, page * kPage, 8 * kPage);
    Answer dies, waits;
    write(dies, file, kBound, pattern(kPage), {kAlice}, false, 7);
    write(waits, file, kBound, pattern(kPage), {kAlice}, false, 8);
    ASSERT_TRUE(eventually([&] { return dies.come(); }));
    EXPECT_EQ(dies.code, EINTR);
    EXPECT_FALSE(waits.come());
    disk_.at_write_back.open();
    ASSERT_TRUE(eventually([&] { return waits.come(); }));
    EXPECT_EQ(waits.written, kPage);
}

// Durability.

TEST_F(DataPlaneTest, AnFsyncWaitsForItsFileAndThenSyncsIt) {
    const auto file = open();
    write_now(file, 0, 5 * kPage);
    disk_.at_write_back.shut();
    Answer answer;
    plane_->sync(std::make_unique<TestSync>(answer, file, 0));
    ASSERT_TRUE(disk_.at_write_back.reached(1));
    EXPECT_EQ(disk_.syncs, 0u);
    EXPECT_FALSE(answer.come());
    disk_.at_write_back.open();
    ASSERT_TRUE(eventually([&] { return answer.come(); }));
    EXPECT_EQ(disk_.syncs, 1u);
    EXPECT_EQ(disk_.written_back_bytes(), 5 * kPage);
}

TEST_F(DataPlaneTest, AnFsyncWaitsForTheLastOfItsExtents) {
    const auto file = open();
    for (std::uint64_t i = 0; i != 6; ++i) {
        write_now(file, i << 22, kPage);
    }
    disk_.at_write_back.shut();
    Answer answer;
    plane_->sync(std::make_unique<TestSync>(answer, file, 0));
    disk_.at_write_back.let(5);
    ASSERT_TRUE(eventually([&] { return disk_.written_back_bytes() == 5 * kPage; }));
    EXPECT_EQ(sync_now(open_other()), 0);  // what was let run by then has run
    EXPECT_EQ(disk_.syncs, 1u);
    EXPECT_FALSE(answer.come());
    disk_.at_write_back.open();
    ASSERT_TRUE(eventually([&] { return answer.come(); }));
    EXPECT_EQ(disk_.syncs, 2u);
}

TEST_F(DataPlaneTest, AnFsyncIsNotHeldBehindOtherGroups) {
    const auto file = open();
    write_now(file, 0, 2 * kPage);
    disk_.resident = [](std::uint64_t) { return false; };
    disk_.at_read.shut();
    std::vector<Answer> others(40);  // fills io_limit and waits behind it
    for (Answer& other : others) read(other, file, 0, kPage, {kBob});
    EXPECT_EQ(sync_now(file), 0);
    EXPECT_EQ(disk_.written_back_bytes(), 2 * kPage);
    disk_.at_read.open();
    ASSERT_TRUE(eventually([&] { return std::ranges::all_of(others, &Answer::come); }));
}

TEST_F(DataPlaneTest, WhatFsyncsPutBeforeOthersTheNextWritesWaitFor) {
    const auto file = open();
    write_now(file, 0, kPage);
    disk_.resident = [](std::uint64_t) { return false; };
    disk_.at_read.shut();
    std::vector<Answer> others(40);  // the disk has enough to do
    for (Answer& other : others) read(other, file, 0, kPage, {kBob});
    write_now(file, 0, kPage);
    EXPECT_EQ(sync_now(file), 0);  // is not held
    Answer waits;
    const std::uint64_t before = units(kAlice, Direction::write);
    write(waits, file, 0, pattern(kPage));
    EXPECT_FALSE(waits.come());
    write_now(file, kPage, kPage, {});  // the default group has made nobody wait
    disk_.at_read.open();
    ASSERT_TRUE(eventually([&] { return waits.come() && std::ranges::all_of(others, &Answer::come); }));
    EXPECT_EQ(waits.written, kPage);
    EXPECT_EQ(units(kAlice, Direction::write), before) << "a turn is not counted";
}

TEST_F(DataPlaneTest, ManyFsyncsOfOneFileAllEnd) {
    const auto file = open();
    std::vector<Answer> answers(20);
    for (std::size_t i = 0; i != answers.size(); ++i) {
        write_now(file, 100 * kPage * i, 2 * kPage);
        plane_->sync(std::make_unique<TestSync>(answers[i], file, 0));
    }
    ASSERT_TRUE(eventually([&] { return std::ranges::all_of(answers, &Answer::come); }));
    EXPECT_EQ(disk_.written_back_bytes(), 40 * kPage);
}

TEST_F(DataPlaneTest, AWriteBackErrorIsCountedAndReachesFsync) {
    const auto file = open();
    disk_.write_back_error = EIO;
    write_now(file, 0, kPage);
    EXPECT_EQ(sync_now(file), EIO);
    EXPECT_EQ(plane_->counters().writeback_errors, 1u);
    EXPECT_EQ(sync_now(file), 0);
    EXPECT_EQ(plane_->dirty_bytes(), 0u);
}

TEST_F(DataPlaneTest, TruncatingWritesNothingNeedless) {
    const auto file = open();
    write_now(file, 0, 8 * kPage);
    ASSERT_EQ(plane_->resize(*file, 2 * kPage).code(), 0);
    EXPECT_EQ(plane_->dirty_bytes(kAlice), 2 * kPage);
    EXPECT_EQ(sync_now(file), 0);
    EXPECT_EQ(disk_.written_back_bytes(), 2 * kPage);
}

/// How many bytes a job would be charged that allocates so.
class Allocation final : public Job {
public:
    Allocation() : Job(0) {}
    bool perform(std::uint64_t, std::uint64_t) override { return true; }
    void finish(JobOutcome) override {}
};

TEST_F(DataPlaneTest, AllocationsAreChargedForWhatTheyWrite) {
    const auto charge = [&](const OpenFile& file, int mode, std::uint64_t offset, std::uint64_t bytes) {
        Allocation job;
        plane_->charge_allocation(job, file, mode, offset, bytes);
        return job.bytes();
    };
    disk_.is.holes_write = true;
    const auto file = open();
    write_now(file, 2 * kPage, 4 * kPage);
    EXPECT_EQ(charge(*file, 0, 0, 64 * kPage), 0u);
    EXPECT_EQ(charge(*file, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 0, 3 * kPage), kPage);
    EXPECT_EQ(charge(*file, FALLOC_FL_ZERO_RANGE, 3 * kPage, 64 * kPage), 3 * kPage);
    EXPECT_EQ(charge(*file, FALLOC_FL_COLLAPSE_RANGE, 4 * kPage, kPage), 2 * kPage);
    EXPECT_EQ(charge(*file, FALLOC_FL_INSERT_RANGE, 0, kPage), 4 * kPage);
    EXPECT_EQ(charge(*file, FALLOC_FL_UNSHARE_RANGE, 0, 64 * kPage), 64 * kPage);
    EXPECT_EQ(charge(*file, FALLOC_FL_UNSHARE_RANGE, 0, 1ull << 40), 64u << 20);
}

TEST_F(DataPlaneTest, HolesOfFileSystemsThatDropWhatIsDirtyAreFree) {
    disk_.is.holes_write = false;
    const auto file = open();
    write_now(file, 0, 4 * kPage);
    Allocation job;
    plane_->charge_allocation(job, *file, FALLOC_FL_ZERO_RANGE, 0, 4 * kPage);
    EXPECT_EQ(job.bytes(), 0u);
}

TEST_F(DataPlaneTest, AnOpenThatTruncatesDropsWhatWasDirty) {
    const auto file = open();
    write_now(file, 0, 8 * kPage);
    const auto again = open(O_WRONLY | O_TRUNC);
    EXPECT_EQ(plane_->dirty_bytes(), 0u);
}

TEST_F(DataPlaneTest, AFileThatIsGoneIsNotWritten) {
    auto file = open();
    write_now(file, 0, 8 * kPage);
    file_.unlink();
    EXPECT_EQ(plane_->dirty_bytes(), 8 * kPage);  // it is open: it may get a name again
    plane_->release(std::move(file));
    EXPECT_EQ(plane_->dirty_bytes(), 0u);
    EXPECT_TRUE(disk_.written_back().empty());
}

TEST_F(DataPlaneTest, AFileRemovedAfterItsCloseIsNotWritten) {
    auto file = open();
    write_now(file, 0, 8 * kPage);
    const FileKey key = file->data->key();
    plane_->release(std::move(file));
    EXPECT_EQ(plane_->dirty_bytes(), 8 * kPage);
    file_.unlink();
    plane_->unlinked(key);
    EXPECT_EQ(plane_->dirty_bytes(), 0u);
    EXPECT_EQ(plane_->files().find(key), nullptr);
    EXPECT_TRUE(disk_.written_back().empty());
}

TEST_F(DataPlaneTest, AForgottenRemovalIsFoundWhenItsTurnComes) {
    auto file = open();
    write_now(file, 0, 8 * kPage);
    plane_->release(std::move(file));
    file_.unlink();
    EXPECT_TRUE(plane_->drain(now_ns() + 20 * kSecond));
    EXPECT_TRUE(disk_.written_back().empty());
}

TEST_F(DataPlaneTest, DrainWritesEverythingBack) {
    auto file = open();
    write_now(file, 0, 8 * kPage, {kAlice});
    write_now(file, 100 * kPage, 8 * kPage, {kBob});
    plane_->release(std::move(file));
    EXPECT_TRUE(plane_->drain(now_ns() + 20 * kSecond));
    EXPECT_EQ(disk_.written_back_bytes(), 16 * kPage);
    EXPECT_EQ(plane_->dirty_bytes(), 0u);
}

TEST_F(DataPlaneTest, ADetachedGroupsDirtyDataIsWrittenByTheDefaultGroup) {
    const auto file = open();
    write_now(file, 0, 4 * kPage, {kBob});
    gate_.with([&](DeviceGroup&) { EXPECT_EQ(groups_->detach(kBob, now_ns(), nullptr), Error::none); });
    EXPECT_EQ(sync_now(file), 0);
    EXPECT_EQ(disk_.written_back_bytes(), 4 * kPage);
    EXPECT_EQ(units(0, Direction::write), 1u);
}

// Many threads write, read, fsync and truncate one file over a small bound; nothing is lost, left over or answered
// twice.
TEST_F(DataPlaneTest, EverythingIsAnsweredOnceInConfusion) {
    start(5 * kMillisecond);
    gate_.set_dying([](pid_t tid) { return tid == 3; });
    const auto file = open(O_RDWR);
    constexpr int kThreads = 4;
    constexpr int kSteps = 150;
    std::vector<Answer> answers(kThreads * kSteps);
    std::vector<std::thread> threads;
    const auto data = pattern(16 * kPage);
    for (int t = 0; t != kThreads; ++t) {
        threads.emplace_back([&, t] {
            unsigned state = 17 * static_cast<unsigned>(t) + 1;
            const auto random = [&] { return (state = state * 1664525u + 1013904223u) >> 16; };
            for (int i = 0; i != kSteps; ++i) {
                Answer& answer = answers[static_cast<std::size_t>(t * kSteps + i)];
                const std::uint64_t offset = random() % 256 * kPage / 2;
                const std::size_t size = 1 + random() % data.size();
                const GroupId who = random() % 2 != 0 ? kAlice : kBob;
                const auto tid = static_cast<pid_t>(random() % 5);
                switch (random() % 8) {
                    case 0:
                        plane_->sync(std::make_unique<TestSync>(answer, file, tid));
                        break;
                    case 1:
                        read(answer, file, offset, static_cast<std::uint32_t>(size), {who}, true, tid);
                        break;
                    case 2:
                        EXPECT_EQ(plane_->resize(*file, offset).code(), 0);
                        ++answer.answers;
                        break;
                    default:
                        write(answer, file, offset, std::span(data).first(size), {who}, random() % 4 == 0, tid);
                }
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    ASSERT_TRUE(eventually([&] { return std::ranges::all_of(answers, &Answer::come); }));
    ASSERT_TRUE(plane_->drain(now_ns() + 20 * kSecond));
    EXPECT_EQ(plane_->dirty_bytes(), 0u);
    EXPECT_FALSE(file->data->dirty(0, UINT64_MAX));
    EXPECT_EQ(gate_.with([](DeviceGroup& group) { return group.issued() + group.blocked(); }), 0u);
}

}  // namespace
}  // namespace bandfs
