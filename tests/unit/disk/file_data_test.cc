#include "disk/file_data.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <numeric>

#include <gtest/gtest.h>

#include "disk/file_table.h"
#include "support/faulty_disk.h"
#include "support/scratch_file.h"
#include "sys/buffer_pool.h"

namespace bandfs {
namespace {

using test::FaultyDisk;
using test::ScratchFile;

constexpr std::uint64_t kPage = DirtyExtents::kGranule;

std::vector<std::byte> pattern(std::size_t bytes) {
    std::vector<std::byte> data(bytes);
    for (std::size_t i = 0; i != bytes; ++i) data[i] = static_cast<std::byte>(i * 7 + i / 251);
    return data;
}

class FileDataTest : public ::testing::Test {
protected:
    std::shared_ptr<OpenFile> open(int flags) {
        auto opened = files_.adopt(file_.open(FileTable::backing_flags(flags) | O_CREAT), flags);
        return opened ? *opened : nullptr;
    }
    void fill(const std::vector<std::byte>& data) {
        const UniqueFd fd = file_.open(O_RDWR | O_CREAT);
        ASSERT_EQ(::pwrite(fd.get(), data.data(), data.size(), 0), static_cast<ssize_t>(data.size()));
    }
    /// Where bytes at `offset` may be read to.
    std::span<std::byte> place(std::uint64_t offset, std::size_t bytes) {
        return {buffer_.data() + kPage + offset % kPage, bytes};
    }
    bool read_equals(const std::vector<std::byte>& data, std::uint64_t offset, std::span<const std::byte> got) {
        return std::memcmp(data.data() + offset, got.data(), got.size()) == 0;
    }

    ScratchFile file_;
    FaultyDisk disk_;
    unsigned emptied_ = 0;
    FileTable files_{disk_, [this](FileData&) { ++emptied_; }};
    BufferPool pool_;
    PooledBuffer buffer_ = pool_.take();
};

TEST_F(FileDataTest, OpensOfAnInodeShareItsData) {
    const auto first = open(O_RDONLY);
    const auto second = open(O_RDWR);
    EXPECT_EQ(first->data, second->data);
    EXPECT_EQ(files_.find(first->data->key()), first->data);
    const FileKey key = first->data->key();
    EXPECT_EQ(files_.find({key.device, key.inode + 1'000'000}), nullptr);
}

TEST_F(FileDataTest, AFileOpenedForWritingLaterCanBeWritten) {
    const auto reader = open(O_RDONLY);
    const auto data = pattern(100);
    EXPECT_FALSE(reader->data->write(0, data));
    const auto writer = open(O_WRONLY);
    EXPECT_EQ(*reader->data->write(0, data), 100u);
    ASSERT_EQ(*reader->data->read(0, place(0, 100)), 100u);
    EXPECT_TRUE(read_equals(data, 0, place(0, 100)));
}

TEST_F(FileDataTest, TruncatingOpensAreTold) {
    open(O_RDWR);
    EXPECT_EQ(emptied_, 0u);
    open(O_RDWR | O_TRUNC);
    EXPECT_EQ(emptied_, 1u);
}

TEST_F(FileDataTest, TheOpenFlagsBelowAreTheDataPlanesOwn) {
    EXPECT_EQ(
        FileTable::backing_flags(O_WRONLY | O_APPEND | O_DIRECT | O_SYNC | O_CREAT | O_EXCL | O_TRUNC) & ~O_CLOEXEC,
        O_RDWR | O_TRUNC);
    EXPECT_EQ(FileTable::backing_flags(O_RDONLY) & ~O_CLOEXEC, O_RDONLY);
}

TEST_F(FileDataTest, AHitIsAnsweredFromThePageCache) {
    const auto data = pattern(3 * kPage + 100);
    fill(data);
    const auto file = open(O_RDONLY);
    disk_.resident = [](std::uint64_t page) { return page <= 3; };
    for (std::size_t asked : {8 * kPage, 4 * kPage, data.size()}) {
        const auto got = file->data->read_cached(0, place(0, asked));
        ASSERT_TRUE(got);
        EXPECT_TRUE(got->complete) << asked;
        EXPECT_EQ(got->bytes, data.size()) << asked;
        EXPECT_TRUE(read_equals(data, 0, place(0, got->bytes)));
    }
    EXPECT_EQ(disk_.reads, 0u);
}

TEST_F(FileDataTest, APartialHitGivesItsStart) {
    const auto data = pattern(16 * kPage);
    fill(data);
    const auto file = open(O_RDONLY);
    for (std::uint64_t hit : {0, 1, 5, 15}) {
        disk_.resident = [&](std::uint64_t page) { return page < hit || page == 15; };
        const auto got = file->data->read_cached(0, place(0, 16 * kPage));
        ASSERT_TRUE(got);
        EXPECT_EQ(got->complete, hit == 15);
        EXPECT_EQ(got->bytes, hit == 15 ? 16 * kPage : hit * kPage);
        EXPECT_EQ(got->end, 16 * kPage);
        EXPECT_TRUE(read_equals(data, 0, place(0, got->bytes)));
    }
}

TEST_F(FileDataTest, BehindTheEndThereIsNothingToRead) {
    fill(pattern(kPage + 1));
    const auto file = open(O_RDONLY);
    disk_.resident = [](std::uint64_t) { return false; };
    const auto behind = file->data->read_cached(4 * kPage, place(0, kPage));
    EXPECT_TRUE(behind->complete);
    EXPECT_EQ(behind->bytes, 0u);
    const auto across = file->data->read_cached(0, place(0, 4 * kPage));
    EXPECT_FALSE(across->complete);
    EXPECT_EQ(across->end, kPage + 1);
}

class ReadTest : public FileDataTest, public ::testing::WithParamInterface<std::uint32_t> {};
// Without and with O_DIRECT below.
INSTANTIATE_TEST_SUITE_P(Alignments, ReadTest, ::testing::Values(0, 1));

TEST_P(ReadTest, ReadsWhatIsThereAtAnyPlace) {
    disk_.is.direct_alignment = GetParam();
    const auto data = pattern(10 * kPage + 77);
    fill(data);
    const auto file = open(O_RDONLY);
    for (const auto& [offset, bytes] :
         std::initializer_list<std::pair<std::uint64_t, std::size_t>>{{0, 4 * kPage},
                                                                      {kPage, 1},
                                                                      {5, 10},
                                                                      {kPage - 1, 2},
                                                                      {3 * kPage + 3, 2 * kPage},
                                                                      {9 * kPage, 2 * kPage},
                                                                      {10 * kPage + 70, 100},
                                                                      {20 * kPage, kPage}}) {
        const auto n = file->data->read(offset, place(offset, bytes));
        ASSERT_TRUE(n);
        const std::size_t expected = offset >= data.size() ? 0 : std::min<std::size_t>(bytes, data.size() - offset);
        ASSERT_EQ(*n, expected) << offset;
        EXPECT_TRUE(read_equals(data, offset, place(offset, *n))) << offset;
    }
}

TEST_F(FileDataTest, ShortReadsGoOnAndErrorsCome) {
    const auto data = pattern(4 * kPage);
    fill(data);
    const auto file = open(O_RDONLY);
    disk_.longest_read = 1000;
    ASSERT_EQ(*file->data->read(0, place(0, 4 * kPage)), 4 * kPage);
    EXPECT_TRUE(read_equals(data, 0, place(0, 4 * kPage)));
    disk_.read_error = EIO;
    EXPECT_EQ(file->data->read(0, place(0, kPage)).code(), EIO);
}

TEST_F(FileDataTest, WhatIsDirtyIsReadThroughThePageCache) {
    disk_.is.direct_alignment = 1;
    fill(pattern(4 * kPage));
    const auto file = open(O_RDWR);
    file->data->note_dirty(0, kPage, {});
    disk_.longest_read = 100;  // O_DIRECT would fail on such pieces
    EXPECT_EQ(*file->data->read(0, place(0, kPage)), kPage);
}

TEST_F(FileDataTest, AFullDiskGivesAShortWriteThenEnospc) {
    const auto file = open(O_RDWR);
    const auto data = pattern(4 * kPage);
    disk_.longest_write = 3000;
    EXPECT_EQ(*file->data->write(0, data), data.size());
    disk_.room = 5000;
    EXPECT_EQ(*file->data->write(0, data), 5000u);
    EXPECT_EQ(file->data->write(5000, data).code(), ENOSPC);
}

TEST_F(FileDataTest, AWriteBackErrorReachesEachOpenOnce) {
    const auto first = open(O_RDWR);
    const auto second = open(O_RDWR);
    first->data->note_dirty(0, kPage, {});
    disk_.write_back_error = EIO;
    Status status;
    const auto batch = first->data->schedule({}, kPage);
    EXPECT_EQ(first->data->write_back(batch, {}, status), kPage);
    EXPECT_EQ(status.code(), EIO);
    const auto later = open(O_RDWR);  // nobody has been told yet: Linux tells this one too
    EXPECT_EQ(first->data->sync(false, first->error_mark).code(), EIO);
    EXPECT_EQ(first->data->sync(false, first->error_mark).code(), 0);
    EXPECT_EQ(second->data->sync(true, second->error_mark).code(), EIO);
    EXPECT_EQ(later->data->sync(true, later->error_mark).code(), EIO);
    const auto last = open(O_RDWR);
    EXPECT_EQ(last->data->sync(true, last->error_mark).code(), 0);
}

TEST_F(FileDataTest, AnErrorOfTheBackingSyncReachesAllOpens) {
    const auto first = open(O_RDWR);
    const auto second = open(O_RDWR);
    disk_.sync_error = ENOSPC;
    EXPECT_EQ(first->data->sync(false, first->error_mark).code(), ENOSPC);
    disk_.sync_error = 0;
    EXPECT_EQ(first->data->sync(false, first->error_mark).code(), 0);
    EXPECT_EQ(second->data->sync(false, second->error_mark).code(), ENOSPC);
}

TEST_F(FileDataTest, OnlyAWriteOfAPartOfAMissingPageWouldRead) {
    fill(pattern(4 * kPage));
    const auto file = open(O_RDWR);
    disk_.resident = [](std::uint64_t page) { return page == 0; };
    FileData& data = *file->data;
    EXPECT_EQ(data.write_would_read(0, kPage), 0u);
    EXPECT_EQ(data.write_would_read(5, 10), 0u);  // its page is there
    EXPECT_EQ(data.write_would_read(kPage + 5, 10), kPage);
    EXPECT_EQ(data.write_would_read(0, kPage + 10), kPage);
    EXPECT_EQ(data.write_would_read(kPage + 5, kPage), 2 * kPage);
    EXPECT_EQ(data.write_would_read(4 * kPage, 10), 0u);  // behind the end there is nothing to read
    EXPECT_EQ(data.write_would_read(3 * kPage, kPage + 10), 0u);
}

TEST_F(FileDataTest, AbandonedIsWhatNobodyCanReach) {
    auto file = open(O_RDWR);
    const auto data = file->data;
    EXPECT_FALSE(data->abandoned());
    file_.unlink();
    EXPECT_FALSE(data->abandoned());
    file.reset();
    EXPECT_TRUE(data->abandoned());
}

TEST_F(FileDataTest, DirectOpensWhereThereIsNoODirectAreRefused) {
    disk_.is.direct_alignment = 0;
    EXPECT_EQ(files_.adopt(file_.open(O_RDWR | O_CREAT), O_RDWR | O_DIRECT).code(), EINVAL);
    disk_.is.direct_alignment = 512;
    FileTable others{disk_, {}};
    const auto file = *others.adopt(file_.open(O_RDWR | O_CREAT), O_RDWR);
    EXPECT_TRUE(file->data->direct_allows(1024, 512));
    EXPECT_FALSE(file->data->direct_allows(1000, 512));
    EXPECT_FALSE(file->data->direct_allows(1024, 500));
}

TEST(DiskVolumeTest, KnownFileSystemsAndTheRest) {
    EXPECT_EQ(write_back_kind_of(0xEF53), WriteBackKind::ranges);
    EXPECT_EQ(write_back_kind_of(0x01021994), WriteBackKind::memory);
    EXPECT_EQ(write_back_kind_of(0x6969), WriteBackKind::synchronous);      // NFS
    EXPECT_EQ(write_back_kind_of(0x9123683E), WriteBackKind::synchronous);  // btrfs
    EXPECT_EQ(write_back_kind_of(0x65735546), WriteBackKind::synchronous);  // FUSE
    EXPECT_EQ(name_of(WriteBackKind::ranges), "ranges");
}

// In a mount namespace of its own, which goes with the child.
TEST(DiskVolumeTest, AnOverlayIsWhatItsUpperLayerIs) {
    const pid_t child = ::fork();
    if (child == 0) {
        constexpr const char* kLayers = "lowerdir=/tmp/l,upperdir=/tmp/u,workdir=/tmp/w";
        if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
            ::mount("t", "/tmp", "tmpfs", 0, nullptr) != 0)
            ::_exit(77);
        for (const char* directory : {"/tmp/l", "/tmp/u", "/tmp/w", "/tmp/m"}) ::mkdir(directory, 0755);
        if (::mount("o", "/tmp/m", "overlay", 0, kLayers) != 0) ::_exit(77);
        const UniqueFd file(::open("/tmp/m/file", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
        ::_exit(volume_of(file.get()).kind == WriteBackKind::synchronous ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    if (status == 77 << 8) GTEST_SKIP() << "no overlay can be mounted here";
    EXPECT_EQ(status, 0) << "the upper layer is in memory";
}

// On the real disk: nothing that has just been written is missing from the page cache, and what was dropped is.
TEST(SystemDiskIoTest, KnowsWhatThePageCacheHolds) {
    const ScratchFile file;
    const UniqueFd fd = file.open(O_RDWR | O_CREAT);
    const auto data = pattern(8 * kPage);
    DiskIo& disk = DiskIo::system();
    ASSERT_EQ(*disk.write(fd.get(), data, 0, Durability::all), data.size());
    const auto present = disk.resident_pages(fd.get(), 0, data.size());
    if (!present) GTEST_SKIP() << "the kernel does not tell what the page cache holds";
    EXPECT_EQ(*present, 8u);
    EXPECT_EQ(disk.write_back(fd.get(), 0, data.size()).code(), 0);
    ASSERT_EQ(::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED), 0);
    if (disk.volume(fd.get()).kind == WriteBackKind::ranges) {
        EXPECT_EQ(*disk.resident_pages(fd.get(), 0, data.size()), 0u);
    }
}

}  // namespace
}  // namespace bandfs
