// The data plane over the real page cache: what O_DIRECT reads, write-back, truncation and buffered writes make of a
// file together is what a plain file would hold.
#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "gate/data_plane.h"
#include "support/scratch_file.h"
#include "support/waiting.h"

namespace bandfs {
namespace {

using test::ScratchFile;

/// Waits for one answer.
class Turnstile {
public:
    void come(int code) {
        const std::lock_guard lock(mutex_);
        code_ = code;
        come_ = true;
        changed_.notify_one();
    }
    int wait() {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, test::kLongEnough, [&] { return come_; }) ? code_ : -1;
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool come_ = false;
    int code_ = -1;
};

class RealRead final : public ReadRequest {
public:
    RealRead(Turnstile& done, std::vector<std::byte>& into, std::shared_ptr<OpenFile> file, std::uint64_t offset,
             std::uint32_t size)
        : ReadRequest(file, IoFlags(file->flags), offset, size, 0), done_(done), into_(into) {}
    void answer(Result<std::span<const std::byte>> data) override {
        if (data) into_.assign(data->begin(), data->end());
        done_.come(data.code());
    }

private:
    Turnstile& done_;
    std::vector<std::byte>& into_;
};

class RealWrite final : public WriteRequest {
public:
    RealWrite(Turnstile& done, std::shared_ptr<OpenFile> file, std::uint64_t offset, std::span<const std::byte> payload)
        : WriteRequest(file, IoFlags(file->flags), offset, payload, false, 0), done_(done), payload_(payload) {}
    std::span<const std::byte> keep_payload() override { return payload_; }
    void answer(Result<std::size_t> written) override {
        done_.come(!written ? written.code() : *written == payload_.size() ? 0 : EIO);
    }

private:
    Turnstile& done_;
    const std::span<const std::byte> payload_;
};

class RealSync final : public SyncRequest {
public:
    RealSync(Turnstile& done, std::shared_ptr<OpenFile> file) : SyncRequest(std::move(file), false, 0), done_(done) {}
    void answer(Status status) override { done_.come(status.code()); }

private:
    Turnstile& done_;
};

class RealDiskTest : public ::testing::Test {
protected:
    RealDiskTest() : gate_(DeviceGroup::create({.io_throttle = 2, .io_limit = 4}, "weight")) {
        gate_.with([&](DeviceGroup& group) { groups_ = std::make_unique<MountGroups>(group, 100); });
        plane_ = std::make_unique<DataPlane>(
            gate_, *groups_, DiskIo::system(),
            DataPlaneSettings{.unit_size = 16384, .dirty_bytes = 256 << 10, .oldest_dirty_ns = 5 * kMillisecond});
    }
    ~RealDiskTest() override {
        EXPECT_TRUE(plane_->drain(now_ns() + 20 * kSecond));
        plane_.reset();
        gate_.with([&](DeviceGroup&) { groups_.reset(); });
    }

    std::shared_ptr<OpenFile> open(int flags) {
        auto opened = plane_->files().adopt(file_.open(FileTable::backing_flags(flags) | O_CREAT), flags);
        return opened ? *opened : nullptr;
    }
    std::vector<std::byte> read(const std::shared_ptr<OpenFile>& file, std::uint64_t offset, std::uint32_t size) {
        std::vector<std::byte> data;
        Turnstile done;
        plane_->read(std::make_unique<RealRead>(done, data, file, offset, size), {}, false);
        EXPECT_EQ(done.wait(), 0);
        return data;
    }
    void write(const std::shared_ptr<OpenFile>& file, std::uint64_t offset, std::span<const std::byte> data) {
        Turnstile done;
        plane_->write(std::make_unique<RealWrite>(done, file, offset, data), {}, false);
        EXPECT_EQ(done.wait(), 0);
    }
    void sync(const std::shared_ptr<OpenFile>& file) {
        Turnstile done;
        plane_->sync(std::make_unique<RealSync>(done, file));
        EXPECT_EQ(done.wait(), 0);
    }
    /// Puts the page cache's clean pages of the file out of it, so that reads go to the disk.
    void forget_pages() {
        const UniqueFd fd = file_.open(O_RDONLY);
        ::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED);
    }

    ScratchFile file_;
    Gate gate_;
    std::unique_ptr<MountGroups> groups_;
    std::unique_ptr<DataPlane> plane_;
};

TEST_F(RealDiskTest, HoldsWhatAPlainFileWouldHold) {
    constexpr std::uint64_t kLargest = 2 << 20;
    std::mt19937 random(4);
    std::vector<std::byte> model;
    std::vector<std::byte> payload(1 << 18);
    const auto file = open(O_RDWR);
    const auto synced = open(O_RDWR | O_DSYNC);
    for (int step = 0; step != 600; ++step) {
        SCOPED_TRACE("seed 4, step " + std::to_string(step));
        const std::uint64_t grain = random() % 2 == 0 ? 4096 : 1;
        const std::uint64_t offset = random() % (kLargest / grain) * grain;
        const std::size_t size = std::max<std::size_t>(grain, random() % payload.size() / grain * grain);
        switch (random() % 10) {
            case 0:
                sync(file);
                break;
            case 1:
                sync(file);
                forget_pages();
                break;
            case 2:
                ASSERT_EQ(plane_->resize(*file, offset).code(), 0);
                model.resize(offset);
                break;
            case 3:
            case 4:
            case 5: {
                for (std::byte& byte : std::span(payload).first(size)) byte = static_cast<std::byte>(random());
                if (model.size() < offset + size) model.resize(offset + size);
                std::copy_n(payload.begin(), size, model.begin() + static_cast<std::ptrdiff_t>(offset));
                write(random() % 16 == 0 ? synced : file, offset, std::span(payload).first(size));
                break;
            }
            default: {
                const auto got = read(file, offset, static_cast<std::uint32_t>(size));
                const std::size_t expected =
                    offset >= model.size() ? 0 : std::min<std::size_t>(size, model.size() - offset);
                ASSERT_EQ(got.size(), expected);
                if (expected != 0) {
                    ASSERT_EQ(std::memcmp(got.data(), model.data() + offset, expected), 0);
                }
            }
        }
    }
}

TEST_F(RealDiskTest, DirectAndBufferedOpensSeeEachOther) {
    const auto buffered = open(O_RDWR);
    const auto direct = open(O_RDWR | O_DIRECT);
    if (direct == nullptr) GTEST_SKIP() << "no O_DIRECT in the temporary directory";
    alignas(4096) static std::byte page[8192];
    std::fill_n(page, sizeof page, std::byte{1});
    write(buffered, 0, page);
    EXPECT_EQ(read(direct, 0, sizeof page), std::vector<std::byte>(sizeof page, std::byte{1}));
    std::fill_n(page, sizeof page, std::byte{2});
    write(direct, 0, page);
    EXPECT_EQ(read(buffered, 0, sizeof page), std::vector<std::byte>(sizeof page, std::byte{2}));
}

}  // namespace
}  // namespace bandfs
