// A whole mount inside the test's process: a directory served by a session, over a disk that can be stopped.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "disk/disk_io.h"
#include "fuse/filesystem.h"
#include "fuse/session.h"
#include "support/waiting.h"

namespace bandfs {

using test::eventually;

/// Nothing here takes longer, unless it hangs.
/// FUSE_DIRECT_IO_ALLOW_MMAP, in the second word of flags; Debian 12's header does not know it.
inline constexpr std::uint32_t kDirectIoAllowMmap2 = 1u << 4;

inline constexpr std::chrono::seconds kTestDeadline{20};
/// A test that takes longer loses its mount.
inline constexpr std::chrono::seconds kMountDeadline{90};

/// The real disk, whose reads, direct writes and write-back can be made to wait; writes into the page cache are none of
/// its business. Counts.
class StoppableDisk final : public DiskIo {
public:
    void stop();
    /// As stop(), and writes into the page cache wait as well: in a receiver.
    void stop_all();
    void go();
    /// The next call of volume() throws std::bad_alloc, once.
    void run_out_of_memory() { without_memory_ = true; }
    int waiting() const { return waiting_; }  ///< calls that wait for go()
    int reads() const { return reads_; }      ///< that went to the disk
    int cached_reads() const { return cached_reads_; }

    Result<std::size_t> read(int fd, std::span<std::byte> into, std::uint64_t offset) override;
    Result<std::size_t> read_cached(int fd, std::span<std::byte> into, std::uint64_t offset) override;
    Result<std::size_t> write(int fd, std::span<const std::byte> from, std::uint64_t offset,
                              Durability durability) override;
    Status write_back(int fd, std::uint64_t offset, std::uint64_t bytes) override;
    Status sync(int fd, bool data_only) override;
    std::optional<std::uint64_t> resident_pages(int fd, std::uint64_t offset, std::uint64_t bytes) override;
    Volume volume(int fd) override;

private:
    void pass();

    std::mutex mutex_;
    std::condition_variable going_;
    bool stopped_ = false;
    std::atomic<bool> all_stopped_{false};
    std::atomic<bool> without_memory_{false};
    std::atomic<int> waiting_{0};
    std::atomic<int> reads_{0};
    std::atomic<int> cached_reads_{0};
};

/// Mounts a new directory over another. Skips where that is not permitted.
class MountedTest : public testing::Test {
protected:
    void SetUp() override;
    void TearDown() override;

    /// One mount; `settings` of its device group, `options` of libfuse.
    void mount(const DeviceGroupSettings& settings, const std::vector<std::string>& options = {});
    void unmount(int flags);
    /// Before mount(): the directory below is a new file system of that type, without a disk.
    void use_file_system(const char* type);
    /// The file system is complete and nobody uses it yet; `options.control_name` is empty.
    virtual void before_start() {}

    std::filesystem::path in_mount(const std::string& name) const { return mountpoint_ / name; }
    std::filesystem::path below(const std::string& name) const { return source_ / name; }

    /// Drops the backing page cache of a file, so that its next read goes to the disk.
    void evict(const std::string& name) const;

    StoppableDisk disk_;
    Filesystem filesystem_;
    std::unique_ptr<Resolver> resolver_;
    std::unique_ptr<Session> session_;
    std::atomic<int> readied_{0};
    std::atomic<int> ended_{0};

private:
    void watch();

    std::filesystem::path directory_;
    std::filesystem::path source_;
    std::filesystem::path mountpoint_;
    bool mounted_ = false;
    bool mounted_below_ = false;

    std::thread watchdog_;  ///< ends a mount that hangs, and with it what waits in it for ever
    std::mutex watch_mutex_;
    std::condition_variable watch_ends_;
    bool watching_ = false;  ///< guarded by watch_mutex_
};

/// Runs `body` in a child process, as that user; its result is the exit status. The child execs nothing.
pid_t in_child(uid_t uid, const std::function<int()>& body);
/// The exit status of a child, -1 when a signal ended it, -2 when it had not ended by the deadline.
int exit_status(pid_t child);

std::string contents(const std::filesystem::path& path);
void write_contents(const std::filesystem::path& path, const std::string& text);

}  // namespace bandfs
