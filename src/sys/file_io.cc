#include "sys/file_io.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <string>
#include <vector>

namespace bandfs {

namespace {

constexpr std::uint64_t kPage = 4096;

template <typename Call>
Result<std::size_t> until_uninterrupted(Call call) {
    for (;;) {
        const ssize_t n = call();
        if (n >= 0) return static_cast<std::size_t>(n);
        if (last_errno().code != EINTR) return last_errno();
    }
}

template <typename Call>
Status succeed(Call call) {
    while (call() != 0) {
        if (last_errno().code != EINTR) return last_errno();
    }
    return {};
}

// cachestat(2), Linux 6.5, which Debian 12's C library and headers do not know.
constexpr long kCachestatCall = 451;
struct CachestatRange {
    std::uint64_t offset;
    std::uint64_t bytes;
};
struct Cachestat {
    std::uint64_t cached;
    std::uint64_t dirty;
    std::uint64_t under_write_back;
    std::uint64_t evicted;
    std::uint64_t recently_evicted;
};

std::atomic<bool> cachestat_is_missing{false};

bool may_ask_mincore(int fd) {
    // To others the kernel answers that every page is there.
    struct stat attr {};
    if (::fstat(fd, &attr) != 0) return false;
    const uid_t me = ::geteuid();
    return me == 0 || attr.st_uid == me || (::fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY;
}

std::optional<std::uint64_t> resident_by_mincore(int fd, std::uint64_t offset, std::uint64_t bytes) {
    if (!may_ask_mincore(fd)) return std::nullopt;
    const std::uint64_t begin = offset / kPage * kPage;
    const std::size_t length = static_cast<std::size_t>(offset + bytes - begin);
    void* const map = ::mmap(nullptr, length, PROT_READ, MAP_SHARED, fd, static_cast<off_t>(begin));
    if (map == MAP_FAILED) return std::nullopt;
    std::vector<unsigned char> pages((length + kPage - 1) / kPage);
    const bool answered = ::mincore(map, length, pages.data()) == 0;
    ::munmap(map, length);
    if (!answered) return std::nullopt;
    std::uint64_t resident = 0;
    for (const unsigned char page : pages) resident += page & 1;
    return resident;
}

}  // namespace

Result<std::size_t> read_at(int fd, std::span<std::byte> into, std::uint64_t offset) {
    return until_uninterrupted([&] { return ::pread(fd, into.data(), into.size(), static_cast<off_t>(offset)); });
}

Result<std::size_t> read_at_once(int fd, std::span<std::byte> into, std::uint64_t offset) {
    const iovec piece{into.data(), into.size()};
    return until_uninterrupted([&] { return ::preadv2(fd, &piece, 1, static_cast<off_t>(offset), RWF_NOWAIT); });
}

Result<std::size_t> write_at(int fd, std::span<const std::byte> from, std::uint64_t offset, SyncedWrite synced) {
    if (synced == SyncedWrite::no) {
        return until_uninterrupted([&] { return ::pwrite(fd, from.data(), from.size(), static_cast<off_t>(offset)); });
    }
    const iovec piece{const_cast<std::byte*>(from.data()), from.size()};
    const int flags = synced == SyncedWrite::data ? RWF_DSYNC : RWF_DSYNC | RWF_SYNC;
    return until_uninterrupted([&] { return ::pwritev2(fd, &piece, 1, static_cast<off_t>(offset), flags); });
}

Status write_back_range(int fd, std::uint64_t offset, std::uint64_t bytes) {
    constexpr unsigned kAll = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
    return succeed([&] { return ::sync_file_range(fd, static_cast<off_t>(offset), static_cast<off_t>(bytes), kAll); });
}

Status sync_file(int fd, bool data_only) {
    return succeed([&] { return data_only ? ::fdatasync(fd) : ::fsync(fd); });
}

std::optional<std::uint64_t> resident_pages(int fd, std::uint64_t offset, std::uint64_t bytes) {
    if (bytes == 0) return 0;
    if (!cachestat_is_missing.load(std::memory_order_relaxed)) {
        CachestatRange range{offset, bytes};
        Cachestat counts{};
        if (::syscall(kCachestatCall, fd, &range, &counts, 0U) == 0) return counts.cached;
        if (last_errno().code != ENOSYS) return std::nullopt;
        cachestat_is_missing.store(true, std::memory_order_relaxed);
    }
    return resident_by_mincore(fd, offset, bytes);
}

Result<FileFacts> file_facts(int fd) {
    struct stat attr {};
    if (::fstat(fd, &attr) != 0) return last_errno();
    return FileFacts{attr.st_dev, attr.st_ino, static_cast<std::uint64_t>(attr.st_size), attr.st_nlink != 0,
                     S_ISREG(attr.st_mode)};
}

Result<std::uint64_t> file_system_type(int fd) {
    struct statfs facts {};
    if (::fstatfs(fd, &facts) != 0) return last_errno();
    return static_cast<std::uint64_t>(static_cast<std::uint32_t>(facts.f_type));
}

std::uint32_t direct_io_alignment(int fd) {
#ifdef STATX_DIOALIGN
    struct statx facts {};
    if (::statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &facts) == 0 && (facts.stx_mask & STATX_DIOALIGN) != 0) {
        return facts.stx_dio_offset_align;
    }
#endif
    return reopen(fd, O_RDONLY | O_DIRECT).ok() ? 1 : 0;
}

Result<UniqueFd> reopen(int fd, int flags) {
    const std::string path = "/proc/self/fd/" + std::to_string(fd);
    UniqueFd opened(::open(path.c_str(), flags | O_CLOEXEC));
    if (!opened) return last_errno();
    return opened;
}

bool leaves_access_time(int fd) {
    const int flags = ::fcntl(fd, F_GETFL);
    return flags >= 0 && (flags & O_NOATIME) != 0;
}

void turn_readahead_off(int fd) {
    ::posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
}

bool store_mapped(int fd, std::uint64_t offset, std::span<const std::byte> from) {
    // A call of the kernel's does the store: where it faults it says so, and sends no SIGBUS.
    constexpr unsigned kNotToBeExecuted = 8;  // MFD_NOEXEC_SEAL, which Linux before 6.3 does not know
    UniqueFd carrier(::memfd_create("bandfs", MFD_CLOEXEC | kNotToBeExecuted));
    if (!carrier) carrier = UniqueFd(::memfd_create("bandfs", MFD_CLOEXEC));
    if (!carrier || ::pwrite(carrier.get(), from.data(), from.size(), 0) != static_cast<ssize_t>(from.size()))
        return false;
    const std::size_t lead = static_cast<std::size_t>(offset % kPage);
    const std::size_t length = lead + from.size();
    void* const mapped =
        ::mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, static_cast<off_t>(offset - lead));
    if (mapped == MAP_FAILED) return false;
    const ssize_t stored = ::pread(carrier.get(), static_cast<std::byte*>(mapped) + lead, from.size(), 0);
    ::munmap(mapped, length);
    return stored == static_cast<ssize_t>(from.size());
}

Status truncate_file(int fd, std::uint64_t size) {
    return succeed([&] { return ::ftruncate(fd, static_cast<off_t>(size)); });
}

Status allocate_file(int fd, int mode, std::uint64_t offset, std::uint64_t bytes) {
    return succeed([&] { return ::fallocate(fd, mode, static_cast<off_t>(offset), static_cast<off_t>(bytes)); });
}

Result<std::uint64_t> seek_file(int fd, std::uint64_t offset, int whence) {
    const off_t at = ::lseek(fd, static_cast<off_t>(offset), whence);
    if (at < 0) return last_errno();
    return static_cast<std::uint64_t>(at);
}

std::uint64_t physical_memory_bytes() {
    return static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace bandfs
