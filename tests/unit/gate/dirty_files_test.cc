// How many files may be dirty at a time, what is given up when there are no descriptors left, and what of a failure
// stays when the file has gone.
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "data_plane_fixture.h"

namespace bandfs {
namespace {

using namespace test;

class DirtyFilesTest : public DataPlaneTest {
protected:
    /// Writes a page of a file and closes it.
    void write_and_close(const ScratchFile& scratch, std::vector<GroupId> lineage = {kAlice}) {
        auto file = open_of(scratch);
        write_now(file, 0, kPage, std::move(lineage));
        plane_->release(std::move(file));
    }
    FileKey key_of(const ScratchFile& scratch) { return open_of(scratch)->data->key(); }

    std::array<ScratchFile, 8> many_;
};

TEST_F(DirtyFilesTest, BeyondTheBoundAWriteToAnotherFileWaits) {
    start(kNever / 2, 4);
    disk_.at_write_back.shut();
    std::vector<std::shared_ptr<OpenFile>> files;
    for (std::size_t i = 0; i != 4; ++i) {
        files.push_back(open_of(many_[i]));
        write_now(files.back(), 0, kPage);
    }
    files.push_back(open_of(many_[4]));
    Answer waits;
    write(waits, files[4], 0, pattern(kPage));
    EXPECT_FALSE(waits.come());
    EXPECT_EQ(plane_->counters().waited_writes, 1u);
    write_now(open_other(), 0, kPage, {kBob});  // its own part is free
    disk_.at_write_back.open();
    ASSERT_TRUE(eventually([&] { return waits.come(); }));
    EXPECT_EQ(waits.written, kPage);
}

TEST_F(DirtyFilesTest, AFileThatIsDirtyAlreadyIsNoFurtherOne) {
    start(kNever / 2, 2);
    disk_.at_write_back.shut();
    const auto first = open_of(many_[0]);
    const auto second = open_of(many_[1]);
    write_now(first, 0, kPage);
    write_now(second, 0, kPage);
    write_now(first, 4 * kPage, kPage);
    write_now(second, 4 * kPage, kPage);
    EXPECT_EQ(plane_->counters().waited_writes, 0u);
}

TEST_F(DirtyFilesTest, ManyWritersThatWaitComeInOneAfterTheOther) {
    start(kNever / 2, 1);
    disk_.at_write_back.shut();
    std::array<Answer, 8> answers;
    std::vector<std::shared_ptr<OpenFile>> files;
    for (std::size_t i = 0; i != many_.size(); ++i) {
        files.push_back(open_of(many_[i]));
        write(answers[i], files.back(), 0, pattern(kPage));
    }
    for (unsigned done = 1; done != many_.size(); ++done) {
        ASSERT_TRUE(eventually([&] { return answers[done - 1].come(); }));
        ASSERT_TRUE(disk_.at_write_back.reached(done));
        EXPECT_FALSE(answers[done].come());
        disk_.at_write_back.let(1);
    }
    disk_.at_write_back.open();
    ASSERT_TRUE(eventually([&] { return answers.back().come(); }));
}

TEST_F(DirtyFilesTest, ReliefWritesWhatNobodyHasOpenAndNothingElse) {
    const auto stays_open = open_other();
    write_now(stays_open, 0, kPage);
    EXPECT_FALSE(plane_->relieve()) << "there is nothing to give up";
    write_and_close(many_[0]);
    const std::size_t before = plane_->files().gone();
    EXPECT_TRUE(plane_->relieve());
    EXPECT_EQ(plane_->files().gone(), before + 1);
    EXPECT_EQ(plane_->dirty_bytes(), kPage);
    EXPECT_FALSE(plane_->relieve());
}

TEST_F(DirtyFilesTest, ReliefIsNotHeldBehindOtherGroups) {
    write_and_close(many_[0]);
    const auto file = open_other();
    write_now(file, 0, kPage, {kBob});
    disk_.resident = [](std::uint64_t) { return false; };
    disk_.at_read.shut();
    std::vector<Answer> others(40);  // fills io_limit and waits behind it
    for (Answer& other : others) read(other, file, 0, kPage, {kBob});
    EXPECT_TRUE(plane_->relieve());
    disk_.at_read.open();
    ASSERT_TRUE(eventually([&] { return std::ranges::all_of(others, &Answer::come); }));
}

TEST_F(DirtyFilesTest, AnOpenWithODirectGetsTheDescriptorsOfClosedFiles) {
    disk_.is.direct_alignment = 512;
    if (open(O_RDWR | O_DIRECT) == nullptr) GTEST_SKIP() << "no O_DIRECT in the temporary directory";
    rlimit limit{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
    write_and_close(many_[0]);
    const rlimit lower{128, limit.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &lower), 0);
    UniqueFd last = file_.open(FileTable::backing_flags(O_RDWR));
    std::vector<UniqueFd> all;
    for (int fd = ::dup(0); fd >= 0; fd = ::dup(0)) all.emplace_back(fd);
    const auto opened = plane_->files().adopt(std::move(last), O_RDWR | O_DIRECT);
    all.clear();
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
    EXPECT_TRUE(opened) << opened.code();
}

TEST_F(DirtyFilesTest, AFailureThatNobodyWasToldOfReachesTheNextOpenOnce) {
    disk_.write_back_error = EIO;
    write_and_close(many_[0]);
    ASSERT_TRUE(plane_->relieve());
    disk_.write_back_error = 0;
    const auto next = open_of(many_[0]);
    const auto another = open_of(many_[0]);
    EXPECT_EQ(sync_now(next), EIO);
    EXPECT_EQ(sync_now(next), 0);
    EXPECT_EQ(sync_now(another), EIO);
    const auto last = open_of(many_[0]);
    EXPECT_EQ(sync_now(last), 0);
}

TEST_F(DirtyFilesTest, AFailureGoesWithTheFile) {
    disk_.write_back_error = EIO;
    write_and_close(many_[0]);
    ASSERT_TRUE(plane_->relieve());
    disk_.write_back_error = 0;
    plane_->unlinked(key_of(many_[0]));
    EXPECT_EQ(sync_now(open_of(many_[0])), 0);
}

}  // namespace
}  // namespace bandfs
