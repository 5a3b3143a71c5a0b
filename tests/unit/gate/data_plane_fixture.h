// data_plane_fixture.h - a data plane over a disk that fails and waits as the test likes, and requests that keep their
// answers.
#pragma once

#include <atomic>
#include <cstring>
#include <memory>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "gate/data_plane.h"
#include "support/faulty_disk.h"
#include "support/scratch_file.h"
#include "support/waiting.h"

namespace bandfs::test {

inline constexpr std::uint64_t kPage = DirtyExtents::kGranule;
inline constexpr std::uint32_t kUnit = 4 * kPage;
inline constexpr std::uint64_t kBound = 64 * kPage;
inline constexpr GroupId kAlice = 1000;
inline constexpr GroupId kBob = 1001;

/// What was answered, kept when the request is gone.
struct Answer {
    std::atomic<int> answers{0};
    std::atomic<int> kept{0};
    int code = -1;
    std::vector<std::byte> data;
    std::size_t written = 0;
    std::thread::id thread;

    bool come() const { return answers == 1; }
};

class TestRead final : public ReadRequest {
public:
    TestRead(Answer& to, std::shared_ptr<OpenFile> file, IoFlags flags, std::uint64_t offset, std::uint32_t size,
             pid_t tid)
        : ReadRequest(std::move(file), flags, offset, size, tid), to_(to) {}
    void kept() override { ++to_.kept; }
    void answer(Result<std::span<const std::byte>> data) override {
        to_.code = data.code();
        to_.thread = std::this_thread::get_id();
        if (data) to_.data.assign(data->begin(), data->end());
        ++to_.answers;
    }

private:
    Answer& to_;
};

class TestWrite final : public WriteRequest {
public:
    TestWrite(Answer& to, std::shared_ptr<OpenFile> file, IoFlags flags, std::uint64_t offset,
              std::span<const std::byte> payload, bool writepage, pid_t tid)
        : WriteRequest(std::move(file), flags, offset, payload, writepage, tid), to_(to), borrowed_(payload) {}
    std::span<const std::byte> keep_payload() override {
        ++to_.kept;
        own_ = pool().take();
        std::memcpy(own_.data(), borrowed_.data(), borrowed_.size());
        return {own_.data(), borrowed_.size()};
    }
    void answer(Result<std::size_t> written) override {
        to_.code = written.code();
        to_.written = written ? *written : 0;
        ++to_.answers;
    }

private:
    static BufferPool& pool() {
        static BufferPool pool;
        return pool;
    }
    Answer& to_;
    const std::span<const std::byte> borrowed_;
    PooledBuffer own_;
};

class TestSync final : public SyncRequest {
public:
    TestSync(Answer& to, std::shared_ptr<OpenFile> file, pid_t tid)
        : SyncRequest(std::move(file), true, tid), to_(to) {}
    void answer(Status status) override {
        to_.code = status.code();
        ++to_.answers;
    }

private:
    Answer& to_;
};

inline std::vector<std::byte> pattern(std::size_t bytes) {
    std::vector<std::byte> data(bytes);
    for (std::size_t i = 0; i != bytes; ++i) data[i] = static_cast<std::byte>(i * 7 + i / 251);
    return data;
}

class DataPlaneTest : public ::testing::Test {
protected:
    DataPlaneTest() : gate_(DeviceGroup::create({.io_throttle = 8, .io_limit = 16}, "weight")) {
        gate_.with([&](DeviceGroup& group) {
            groups_ = std::make_unique<MountGroups>(group, 100);
            EXPECT_EQ(groups_->attach(kAlice, 30), Error::none);
            EXPECT_EQ(groups_->attach(kBob, 10), Error::none);
        });
        start(kNever / 2);
    }
    ~DataPlaneTest() override {
        let_everything_go();
        EXPECT_TRUE(plane_->drain(now_ns() + 20 * kSecond));
        plane_.reset();
        gate_.with([&](DeviceGroup&) { groups_.reset(); });
    }

    /// (Re)starts the data plane: what is dirty so long is written back, and so many files may be.
    void start(TimeNs oldest_dirty, std::size_t dirty_files = 1000, std::uint64_t kept_bytes = 0) {
        plane_.reset();
        plane_ = std::make_unique<DataPlane>(gate_, *groups_, disk_,
                                             DataPlaneSettings{.unit_size = kUnit,
                                                               .dirty_bytes = kBound,
                                                               .oldest_dirty_ns = oldest_dirty,
                                                               .dirty_files = dirty_files,
                                                               .kept_bytes = kept_bytes});
    }
    void let_everything_go() {
        disk_.at_read.open();
        disk_.at_write_back.open();
        disk_.at_sync.open();
    }

    std::shared_ptr<OpenFile> open(int flags = O_RDWR) {
        auto opened = plane_->files().adopt(file_.open(FileTable::backing_flags(flags) | O_CREAT), flags);
        return opened ? *opened : nullptr;
    }
    std::shared_ptr<OpenFile> open_other() { return open_of(other_file_); }
    std::shared_ptr<OpenFile> open_of(const ScratchFile& file) {
        return *plane_->files().adopt(file.open(O_RDWR | O_CREAT), O_RDWR);
    }
    void read(Answer& to, const std::shared_ptr<OpenFile>& file, std::uint64_t offset, std::uint32_t size,
              std::vector<GroupId> lineage = {kAlice}, bool may_inline = false, pid_t tid = 0) {
        plane_->read(std::make_unique<TestRead>(to, file, IoFlags(file->flags), offset, size, tid), lineage,
                     may_inline);
    }
    void write(Answer& to, const std::shared_ptr<OpenFile>& file, std::uint64_t offset, std::span<const std::byte> from,
               std::vector<GroupId> lineage = {kAlice}, bool writepage = false, pid_t tid = 0) {
        const IoFlags flags(file->flags);
        plane_->write(std::make_unique<TestWrite>(to, file, flags, offset, from, writepage, tid), lineage, false);
    }
    /// A read and a write whose flags are not those of open(2).
    void read_as(int flags, Answer& to, const std::shared_ptr<OpenFile>& file, std::uint64_t offset,
                 std::uint32_t size) {
        const std::vector<GroupId> lineage{kAlice};
        plane_->read(std::make_unique<TestRead>(to, file, IoFlags(flags), offset, size, 0), lineage, false);
    }
    void write_as(int flags, Answer& to, const std::shared_ptr<OpenFile>& file, std::uint64_t offset,
                  std::span<const std::byte> from) {
        const std::vector<GroupId> lineage{kAlice};
        plane_->write(std::make_unique<TestWrite>(to, file, IoFlags(flags), offset, from, false, 0), lineage, false);
    }
    void write_now(const std::shared_ptr<OpenFile>& file, std::uint64_t offset, std::size_t bytes,
                   std::vector<GroupId> lineage = {kAlice}) {
        Answer answer;
        write(answer, file, offset, pattern(bytes), std::move(lineage));
        ASSERT_TRUE(answer.come());
        ASSERT_EQ(answer.written, bytes);
    }
    int sync_now(const std::shared_ptr<OpenFile>& file) {
        Answer answer;
        plane_->sync(std::make_unique<TestSync>(answer, file, 0));
        EXPECT_TRUE(eventually([&] { return answer.come(); }));
        return answer.code;
    }
    SideStatistics side(GroupId id) {
        return gate_.with([&](DeviceGroup&) { return groups_->for_id(id).side_statistics(); });
    }
    std::uint64_t units(GroupId id, Direction direction) {
        return gate_.with([&](DeviceGroup&) { return groups_->for_id(id).statistics().of(direction).requests; });
    }

    ScratchFile file_;
    ScratchFile other_file_;
    FaultyDisk disk_;
    Gate gate_;
    std::unique_ptr<MountGroups> groups_;
    std::unique_ptr<DataPlane> plane_;
};

}  // namespace bandfs::test
