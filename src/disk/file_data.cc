#include "disk/file_data.h"

#include <fcntl.h>
#include <linux/falloc.h>

#include <algorithm>
#include <utility>

#include "disk/descriptor_share.h"
#include "disk/file_table.h"

namespace bandfs {

namespace {

constexpr std::uint64_t kPage = DirtyExtents::kGranule;
constexpr int kWriteZeroes = 0x80;  // FALLOC_FL_WRITE_ZEROES, of Linux 6.17

std::uint64_t page_begin(std::uint64_t at) {
    return at / kPage * kPage;
}
std::uint64_t page_end(std::uint64_t at) {
    return page_begin(at + kPage - 1);
}
std::uint64_t pages_of(std::uint64_t begin, std::uint64_t end) {
    return (page_end(end) - page_begin(begin)) / kPage;
}

bool same_place_in_page(const std::byte* memory, std::uint64_t offset) {
    return reinterpret_cast<std::uintptr_t>(memory) % kPage == offset % kPage;
}

}  // namespace

FileData::FileData(FileTable& table, DiskIo& io, FileKey key, NodeId node, Volume volume, SpaceWatch& space,
                   const ChangeLog& changes)
    : table_(table), io_(io), key_(key), node_(node), volume_(volume), space_(space), changes_(changes) {}

FileData::~FileData() {
    table_.goes(*this);
    owned_.clear();
    table_.went();
}

int FileData::descriptor() const {
    const int writer = writer_.load();
    if (writer >= 0) return writer;
    const int usual = usual_.buffered.load();
    return usual >= 0 ? usual : quiet_.buffered.load();
}

// Takes over a buffered descriptor that was opened with `flags`, if one of that kind is missing.
void FileData::adopt(UniqueFd fd, int flags) {
    const int mode = flags & O_ACCMODE;
    const std::lock_guard lock(mutex_);
    std::atomic<int>& reader = readers(leaves_access_time(fd.get())).buffered;
    const bool reads = mode != O_WRONLY && reader < 0;
    const bool appends = (flags & O_APPEND) != 0;
    const bool writes = mode != O_RDONLY && (writer_ < 0 || (append_only_ && !appends));
    if (!reads && !writes) return;
    turn_readahead_off(fd.get());
    if (reads) reader = fd.get();
    if (writes) {
        direct_writer_ = -1;
        writer_ = fd.get();
        append_only_ = appends;
    }
    owned_.push_back(std::move(fd));
}

// The descriptor for buffered reads. One that no open has brought is opened when it is first wanted, since fcntl(2) and
// a remount may set and clear O_NOATIME later; where that is refused, the other one has to do.
int FileData::reader(bool quiet) {
    std::atomic<int>& slot = readers(quiet).buffered;
    if (const int fd = slot; fd >= 0) return fd;
    const std::lock_guard lock(mutex_);
    if (const int fd = slot; fd >= 0) return fd;
    const int other = readers(!quiet).buffered;
    if (quiet && quiet_refused_) return other;
    Result<UniqueFd> fd = DescriptorShare::of_process().granted(reopen(other, O_RDONLY | (quiet ? O_NOATIME : 0)));
    if (!fd) {
        if (fd.code() == EPERM) quiet_refused_ = true;
        return other;
    }
    turn_readahead_off(fd->get());
    slot = fd->get();
    owned_.push_back(*std::move(fd));
    return slot;
}

// The O_DIRECT descriptor for reading or writing, opened when it is first wanted.
Result<int> FileData::direct_descriptor(bool writable, bool quiet) {
    quiet = quiet && !quiet_refused_;
    Readers& of_reads = readers(quiet);
    std::atomic<int>& slot = writable ? direct_writer_ : of_reads.direct;
    if (const int fd = slot; fd >= 0) return fd;
    if (volume_.direct_alignment == 0 || direct_refused_) return Errno{EINVAL};
    std::unique_lock lock(mutex_);
    if (const int fd = slot; fd >= 0) return fd;
    const int writer = writer_;
    if (writable && writer < 0) return Errno{EBADF};
    const bool is_read = usual_.buffered >= 0 || quiet_.buffered >= 0;
    const int mode = writer < 0 ? O_RDONLY : is_read ? O_RDWR : O_WRONLY;
    const int appending = mode != O_RDONLY && append_only_ ? O_APPEND : 0;
    const int access_time = quiet ? O_NOATIME : 0;
    Result<UniqueFd> fd =
        DescriptorShare::of_process().granted(reopen(descriptor(), mode | appending | access_time | O_DIRECT));
    if (quiet && fd.code() == EPERM) {
        quiet_refused_ = true;
        lock.unlock();
        return direct_descriptor(writable, false);
    }
    if (const int other = readers(!quiet).direct; !fd && !writable && other >= 0) return other;
    if (!fd) return fd.error();
    if (mode != O_WRONLY && of_reads.direct < 0) of_reads.direct = fd->get();
    if (mode != O_RDONLY && direct_writer_ < 0) direct_writer_ = fd->get();
    owned_.push_back(*std::move(fd));
    return slot >= 0 ? Result<int>(slot) : Errno{EBADF};
}

Status FileData::open_direct(bool quiet) {
    const Result<int> opened = direct_descriptor(writer_ >= 0, quiet);
    if (opened) return {};
    return lacks_descriptors(opened) ? opened.error() : Errno{EINVAL};
}

std::size_t FileData::memory_alignment() const {
    constexpr std::size_t kSmallestBlock = 512;
    const std::size_t said = volume_.direct_alignment;
    return said > 1 ? std::max(said, kSmallestBlock) : kPage;
}

bool FileData::direct_allows(std::uint64_t offset, std::size_t bytes) const {
    const std::uint32_t alignment = volume_.direct_alignment;
    return alignment != 0 && offset % alignment == 0 && bytes % alignment == 0;
}

// Reads.

Result<std::size_t> FileData::read_fully(int fd, std::uint64_t offset, std::span<std::byte> into) {
    std::size_t done = 0;
    while (done < into.size()) {
        const Result<std::size_t> n = io_.read(fd, into.subspan(done), offset + done);
        if (!n) return n.error();
        if (*n == 0) break;
        done += *n;
        // From here O_DIRECT cannot go on, and need not: only the end of the file is at such a place.
        if ((fd == usual_.direct || fd == quiet_.direct) && (offset + done) % kPage != 0) break;
    }
    return done;
}

Result<CachedRead> FileData::read_cached(std::uint64_t offset, std::span<std::byte> into, bool quiet) {
    const int fd = reader(quiet);
    if (volume_.kind == WriteBackKind::memory) {
        const Result<std::size_t> n = read_fully(fd, offset, into);
        if (!n) return n.error();
        return CachedRead{*n, true, offset + *n};
    }
    CachedRead result{0, false, offset + into.size()};
    const std::optional<std::uint64_t> resident = io_.resident_pages(fd, offset, into.size());
    const std::uint64_t pages = pages_of(offset, result.end);
    if (resident && *resident >= pages) {
        result.bytes = read_held(fd, offset, into);
        result.complete = result.bytes == into.size();
        if (result.complete) return result;
    }
    // Something is not there, or is behind the end of the file.
    const Result<FileFacts> facts = file_facts(fd);
    if (!facts) return facts.error();
    result.end = std::clamp(facts->size, offset, result.end);
    const std::uint64_t existing = pages_of(offset, result.end);
    if (result.bytes == 0 && resident && *resident != 0 && existing != 0) {
        const std::uint64_t held = *resident >= existing ? existing : resident_start(fd, offset, existing);
        const std::uint64_t held_end = std::min(page_begin(offset) + held * kPage, result.end);
        if (held != 0) result.bytes = read_held(fd, offset, into.first(static_cast<std::size_t>(held_end - offset)));
    }
    const std::uint64_t got_end = offset + result.bytes;
    result.complete = got_end >= result.end;
    // What follows is read from the disk: from the beginning of a page.
    if (!result.complete) result.bytes = static_cast<std::size_t>(std::max(page_begin(got_end), offset) - offset);
    return result;
}

// Reads from the page cache alone; as much as it gives.
std::size_t FileData::read_held(int fd, std::uint64_t offset, std::span<std::byte> into) {
    const Result<std::size_t> n = io_.read_cached(fd, into, offset);
    return n ? *n : 0;
}

// How many of the first pages are in the page cache without a gap: found by halving.
std::uint64_t FileData::resident_start(int fd, std::uint64_t offset, std::uint64_t pages) {
    std::uint64_t present = 0;
    std::uint64_t absent = pages;
    while (absent - present > 1) {
        const std::uint64_t middle = present + (absent - present) / 2;
        const auto resident = io_.resident_pages(fd, page_begin(offset), middle * kPage);
        (resident && *resident == middle ? present : absent) = middle;
    }
    if (present == 0) {
        const auto resident = io_.resident_pages(fd, page_begin(offset), kPage);
        if (resident && *resident == 1) present = 1;
    }
    return present;
}

Result<std::size_t> FileData::read(std::uint64_t offset, std::span<std::byte> into, bool quiet) {
    // What is dirty is in the page cache, and O_DIRECT would make the file system write it first, uncharged.
    const bool direct = same_place_in_page(into.data(), offset) && !dirty(offset, offset + into.size());
    const Result<int> fd = direct ? direct_descriptor(false, quiet) : Errno{EINVAL};
    if (fd && !direct_refused_) {
        const std::size_t lead = static_cast<std::size_t>(offset % kPage);
        const std::size_t whole = static_cast<std::size_t>(page_end(lead + into.size()));
        const Result<std::size_t> n = read_fully(*fd, offset - lead, {into.data() - lead, whole});
        if (n) return *n <= lead ? 0 : std::min(*n - lead, into.size());
        if (n.code() != EINVAL) return n.error();
        direct_refused_ = true;
    }
    return read_fully(reader(quiet), offset, into);
}

int FileData::direct_reader(std::uint64_t offset, std::size_t bytes, bool quiet) {
    if (!io_.of_system() || direct_refused_ || dirty(offset, offset + bytes)) return -1;
    const Result<int> fd = direct_descriptor(false, quiet);
    return fd ? *fd : -1;
}

Result<std::size_t> FileData::read_direct(std::uint64_t offset, std::span<std::byte> into, bool quiet) {
    const Result<int> fd = direct_descriptor(false, quiet);
    if (!fd) return fd.error();
    // The range may have been cut at the end of the file; O_DIRECT wants the rest of the page, too.
    const std::size_t whole = static_cast<std::size_t>(page_end(offset + into.size()) - offset);
    const Result<std::size_t> n = read_fully(*fd, offset, {into.data(), whole});
    return n ? Result<std::size_t>(std::min(*n, into.size())) : n;
}

// Writes.

Result<std::size_t> FileData::write_fully(int fd, std::uint64_t offset, std::span<const std::byte> from,
                                          Durability durability) {
    std::size_t done = 0;
    while (done < from.size()) {
        const Result<std::size_t> n = io_.write(fd, from.subspan(done), offset + done, durability);
        if (n && *n != 0) {
            done += *n;
            continue;
        }
        if (done != 0) break;
        return n ? Errno{EIO} : n.error();
    }
    return done;
}

Result<std::size_t> FileData::write(std::uint64_t offset, std::span<const std::byte> from) {
    const ChangeWatch::Ours ours = change();
    return write_fully(writer_, offset, from, Durability::none);
}

Result<std::size_t> FileData::write_synchronously(std::uint64_t offset, std::span<const std::byte> from,
                                                  Durability durability) {
    const ChangeWatch::Ours ours = change();
    const Result<std::size_t> n = write_fully(writer_, offset, from, durability);
    if (!n || durability != Durability::none) return n;
    if (const Status synced = io_.sync(writer_, true); !synced) return synced.error();
    return n;
}

bool FileData::store(std::uint64_t offset, std::span<const std::byte> from) {
    const ChangeWatch::Ours ours = change();
    return store_mapped(writer_, offset, from);
}

Result<std::size_t> FileData::write_direct(std::uint64_t offset, std::span<const std::byte> from,
                                           Durability durability) {
    const Result<int> fd = direct_descriptor(true, false);
    if (!fd) return fd.error();
    const Result<std::size_t> n = write_fully(*fd, offset, from, durability);
    changes_.pages_are_old();
    return n;
}

std::uint32_t FileData::write_would_read(std::uint64_t offset, std::size_t bytes) {
    const std::uint64_t end = offset + bytes;
    if (volume_.kind != WriteBackKind::ranges || (offset % kPage == 0 && end % kPage == 0)) return 0;
    const Result<FileFacts> facts = file_facts(writer_);
    const std::uint64_t size = facts ? facts->size : UINT64_MAX;
    const auto missing = [&](std::uint64_t at) {
        if (at % kPage == 0 || page_begin(at) >= size) return false;
        return io_.resident_pages(writer_, page_begin(at), kPage) != 1;
    };
    const bool first = missing(offset);
    const bool last = end < size && missing(end) && !(first && page_begin(end) == page_begin(offset));
    return static_cast<std::uint32_t>((first ? kPage : 0) + (last ? kPage : 0));
}

void FileData::touch() {
    std::byte some{};
    (void)read_held(reader(false), 0, {&some, 1});
}

// Durability.

std::uint64_t FileData::write_back(std::span<const Extent> extents, DirtyOwner owner, Status& status) {
    std::vector<Extent> pieces;
    {
        const std::lock_guard lock(mutex_);
        for (const Extent& extent : extents) {
            for (const Extent& piece : dirty_.take(extent, owner)) pieces.push_back(piece);
        }
    }
    if (pieces.empty()) return 0;
    std::uint64_t bytes = 0;
    for (const Extent& piece : pieces) bytes += piece.bytes();
    // One call over all of them: what lies between is clean and costs nothing, and the disk gets them together.
    const std::uint64_t begin = pieces.front().begin;
    status = io_.write_back(descriptor(), begin, pieces.back().end - begin);
    if (!status) fail(status.error());
    return bytes;
}

std::uint32_t FileData::fail(Errno error) {
    const std::lock_guard lock(mutex_);
    last_failure_ = error.code;
    told_ = false;
    return ++failures_;
}

Status FileData::sync(bool data_only, std::atomic<std::uint32_t>& mark) {
    const Status synced = io_.sync(descriptor(), data_only);
    if (!synced) fail(synced.error());
    const std::lock_guard lock(mutex_);
    if (mark.exchange(failures_) == failures_) return {};
    told_ = true;
    return Errno{last_failure_};
}

std::uint32_t FileData::error_mark() {
    const std::lock_guard lock(mutex_);
    return told_ ? failures_ : failures_ - 1;
}

int FileData::untold_failure() const {
    const std::lock_guard lock(mutex_);
    return told_ ? 0 : last_failure_;
}

void FileData::write_waits(TimeNs now) {
    const std::lock_guard lock(mutex_);
    if (writes_waiting_++ == 0) writes_wait_since_ = now;
}

void FileData::write_waits_no_more() {
    const std::lock_guard lock(mutex_);
    --writes_waiting_;
}

bool FileData::writes_wait_long(TimeNs now) const {
    const std::lock_guard lock(mutex_);
    return writes_waiting_ != 0 && now - writes_wait_since_ > kLong;
}

std::uint64_t FileData::note_dirty(std::uint64_t offset, std::uint64_t bytes, DirtyOwner owner) {
    const std::lock_guard lock(mutex_);
    return dirty_.note(offset, offset + bytes, owner);
}

std::vector<Extent> FileData::schedule(DirtyOwner owner, std::uint64_t span) {
    const std::lock_guard lock(mutex_);
    return dirty_.schedule(owner, span);
}

std::vector<OwnedBytes> FileData::discard(std::uint64_t begin, std::uint64_t end) {
    const std::lock_guard lock(mutex_);
    return dirty_.discard(begin, end);
}

bool FileData::dirty(std::uint64_t begin, std::uint64_t end) const {
    const std::lock_guard lock(mutex_);
    return dirty_.any(begin, end);
}

std::uint64_t FileData::written_by_allocation(int mode, std::uint64_t offset, std::uint64_t bytes) const {
    constexpr int kMakesHoles = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE;
    constexpr int kShifts = FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE;
    constexpr int kWrites = FALLOC_FL_UNSHARE_RANGE | kWriteZeroes;
    if (volume_.kind == WriteBackKind::memory) return 0;
    if ((mode & kWrites) != 0) return bytes;
    const std::lock_guard lock(mutex_);
    if ((mode & kShifts) != 0) return dirty_.bytes(offset, UINT64_MAX);
    return (mode & kMakesHoles) != 0 && volume_.holes_write ? dirty_.bytes(offset, offset + bytes) : 0;
}

bool FileData::abandoned() const {
    if (opens_ != 0) return false;
    const Result<FileFacts> facts = file_facts(descriptor());
    return facts && !facts->has_name;
}

}  // namespace bandfs
