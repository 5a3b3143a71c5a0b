// faulty_disk.h - a disk that fails, is slow and remembers, over files of the real one.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "disk/dirty_extents.h"
#include "disk/disk_io.h"
#include "support/waiting.h"

namespace bandfs::test {

/// Thread-safe. Reads and writes go to the file; writing back only notes what was asked for.
class FaultyDisk final : public DiskIo {
public:
    Volume is{WriteBackKind::ranges, 0};

    // The errno the next calls fail with, 0: they do not.
    std::atomic<int> read_error{0};
    std::atomic<int> write_error{0};
    std::atomic<int> write_back_error{0};
    std::atomic<int> sync_error{0};
    // The longest read and write, in bytes.
    std::atomic<std::size_t> longest_read{SIZE_MAX};
    std::atomic<std::size_t> longest_write{SIZE_MAX};
    /// Reads that reach this byte fail with EIO.
    std::atomic<std::uint64_t> bad_from{UINT64_MAX};
    /// How many bytes may still be written before ENOSPC.
    std::atomic<std::int64_t> room{INT64_MAX};
    /// Which pages the page cache holds; unset: all.
    std::function<bool(std::uint64_t page)> resident;

    Door at_read;        ///< every read passes it
    Door at_write_back;  ///< every write-back passes it
    Door at_sync;

    std::atomic<unsigned> reads{0};
    std::atomic<unsigned> cached_reads{0};
    std::atomic<unsigned> syncs{0};
    std::atomic<Durability> last_durability{Durability::none};  ///< that a write was asked for

    std::vector<Extent> written_back() {
        const std::lock_guard lock(mutex_);
        return written_back_;
    }
    std::uint64_t written_back_bytes() {
        std::uint64_t bytes = 0;
        for (const Extent& extent : written_back()) bytes += extent.bytes();
        return bytes;
    }

    Result<std::size_t> read(int fd, std::span<std::byte> into, std::uint64_t offset) override {
        ++reads;
        at_read.pass();
        if (read_error != 0) return Errno{read_error};
        if (offset + into.size() > bad_from) return Errno{EIO};
        return system().read(fd, into.first(std::min(into.size(), longest_read.load())), offset);
    }
    Result<std::size_t> read_cached(int fd, std::span<std::byte> into, std::uint64_t offset) override {
        ++cached_reads;
        std::uint64_t page = offset / kPage;
        while (is_resident(page)) {
            if (page * kPage >= offset + into.size()) break;
            ++page;
        }
        if (page * kPage <= offset) return Errno{EAGAIN};
        const std::size_t held = std::min<std::size_t>(into.size(), page * kPage - offset);
        return system().read(fd, into.first(held), offset);
    }
    Result<std::size_t> write(int fd, std::span<const std::byte> from, std::uint64_t offset,
                              Durability durability) override {
        if (write_error != 0) return Errno{write_error};
        last_durability = durability;
        if (room <= 0) return Errno{ENOSPC};
        const std::size_t most = std::min<std::size_t>(longest_write, static_cast<std::size_t>(room.load()));
        const auto n = system().write(fd, from.first(std::min(from.size(), most)), offset, durability);
        if (n) room -= static_cast<std::int64_t>(*n);
        return n;
    }
    Status write_back(int, std::uint64_t offset, std::uint64_t bytes) override {
        at_write_back.pass();
        {
            const std::lock_guard lock(mutex_);
            written_back_.push_back({offset, offset + bytes});
        }
        if (write_back_error != 0) return Errno{write_back_error};
        return {};
    }
    Status sync(int, bool) override {
        ++syncs;
        at_sync.pass();
        if (sync_error != 0) return Errno{sync_error};
        return {};
    }
    std::optional<std::uint64_t> resident_pages(int fd, std::uint64_t offset, std::uint64_t bytes) override {
        if (!resident) return system().resident_pages(fd, offset, bytes);
        std::uint64_t count = 0;
        for (std::uint64_t page = offset / kPage; page * kPage < offset + bytes; ++page) count += is_resident(page);
        return count;
    }
    Volume volume(int) override { return is; }

private:
    static constexpr std::uint64_t kPage = DirtyExtents::kGranule;

    bool is_resident(std::uint64_t page) const { return !resident || resident(page); }

    std::mutex mutex_;
    std::vector<Extent> written_back_;
};

}  // namespace bandfs::test
