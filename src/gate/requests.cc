#include "gate/requests.h"

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <utility>

#include "gate/gate.h"
#include "gate/write_back.h"
#include "sys/file_capabilities.h"
#include "sys/magic_links.h"
#include "sys/setid.h"

namespace bandfs {
namespace {

constexpr std::uint32_t kLarge = 64u << 10;  ///< a read that fills much of a buffer

}  // namespace

void FirstEnd::note(std::size_t place, int error) noexcept {
    const std::uint64_t mine = std::uint64_t{place} << kErrorBits | static_cast<std::uint64_t>(error);
    std::uint64_t first = first_.load();
    while (mine < first && !first_.compare_exchange_weak(first, mine)) {
    }
}

std::size_t FirstEnd::place(std::size_t all) const noexcept {
    return static_cast<std::size_t>(std::min<std::uint64_t>(first_.load() >> kErrorBits, all));
}

int FirstEnd::error() const noexcept {
    const std::uint64_t first = first_.load();
    return first == kNone ? 0 : static_cast<int>(first & ((1u << kErrorBits) - 1));
}

// Reads.

ReadRequest::ReadRequest(std::shared_ptr<OpenFile> file, IoFlags flags, std::uint64_t offset, std::uint32_t size,
                         pid_t caller_tid, std::uint64_t number)
    : Job(caller_tid), file_(std::move(file)), flags_(flags), offset_(offset), size_(size), number_(number) {
    assert(size <= PooledBuffer::kLargestPayload);
}

// What is large comes from the disk sooner into one of huge pages, and by a worker, though it is copied then.
bool ReadRequest::take_buffer(BufferPool& pool, bool for_cached) {
    const std::lock_guard lock(taking_buffer_);  // two pieces may begin at once
    if (buffer_ || !in_answer_.empty()) return true;
    if (offset_ % PooledBuffer::kPage == 0 && (for_cached || size_ < kLarge)) in_answer_ = answer_memory();
    if (!in_answer_.empty()) return true;
    buffer_ = size_ < kLarge ? pool.take() : pool.take_large();
    return static_cast<bool>(buffer_);
}

void ReadRequest::drop_buffer() {
    buffer_ = PooledBuffer();
    in_answer_ = {};
}

// Bytes [from, to) of the range in the buffer: as far into a page as they are in the file, and a page of room before
// them.
std::span<std::byte> ReadRequest::place(std::size_t from, std::size_t to) {
    std::byte* const begin =
        in_answer_.empty() ? buffer_.data() + PooledBuffer::kPage + offset_ % PooledBuffer::kPage : in_answer_.data();
    return {begin + from, begin + to};
}

bool ReadRequest::perform(std::uint64_t begin, std::uint64_t end) {
    if (!take_buffer(*pool_)) {
        first_end_.note(begin, ENOMEM);
        return false;
    }
    const std::span<std::byte> into = place(cached_ + begin, cached_ + end);
    const std::uint64_t at = offset_ + cached_ + begin;
    FileData& data = *file_->data;
    const bool quiet = flags_.quiet();
    const Result<std::size_t> n = flags_.direct() ? data.read_direct(at, into, quiet) : data.read(at, into, quiet);
    if (n && *n == into.size()) return true;
    first_end_.note(begin + (n ? *n : 0), n ? 0 : n.code());
    return false;
}

// What ends in a page is read by whole ones, as FileData does it.
void ReadRequest::look_for_reader() {
    const bool whole = (offset_ + cached_) % PooledBuffer::kPage == 0 && offset_ % PooledBuffer::kPage == 0;
    if (whole && bytes() != 0 && bytes() < kLarge && can_start_reading())
        reader_ = file_->data->direct_reader(offset_ + cached_, bytes(), flags_.quiet());
}

bool ReadRequest::start() {
    if (!take_buffer(*pool_) || in_answer_.empty()) return false;
    constexpr std::size_t kPage = PooledBuffer::kPage;
    start_reading(reader_, place(cached_, cached_ + (bytes() + kPage - 1) / kPage * kPage), offset_ + cached_);
    return true;
}

void ReadRequest::has_read(Gate& gate, Result<std::size_t> n) {
    const bool whole = n && *n >= bytes();
    // Only a file ends in the middle of a page.
    const bool ends = n && (*n == 0 || *n % PooledBuffer::kPage != 0);
    const bool refused = n.code() == EINVAL || n.code() == EAGAIN || n.code() == EINTR || n.code() == ECANCELED;
    if (!whole && (n ? !ends : refused)) {
        gate.performed(*this, perform(0, bytes()));  // without O_DIRECT, or in several parts
        return;
    }
    if (!whole) first_end_.note(n ? *n : 0, n.code());
    gate.performed(*this, whole);
}

bool ReadRequest::stop_short(std::uint64_t at) {
    first_end_.note(at, EINTR);
    return true;
}

// In whole pages, for a piece may spill over into the pages it begins and ends in.
bool ReadRequest::overlaps() const {
    return (offset_ + cached_) % PooledBuffer::kPage == 0;
}

void ReadRequest::finish(JobOutcome outcome) {
    if (outcome == JobOutcome::cancelled) {
        answer(Errno{EINTR});
    } else if (first_end_.error() != 0) {
        // Also when some bytes were read, for the same reason as in stop_short().
        answer(Errno{first_end_.error()});
    } else {
        answer(std::span<const std::byte>(place(0, cached_ + first_end_.place(bytes()))));
    }
}

// Writes.

WriteRequest::WriteRequest(std::shared_ptr<OpenFile> file, IoFlags flags, std::uint64_t offset,
                           std::span<const std::byte> payload, bool writepage, pid_t caller_tid)
    : Job(caller_tid),
      file_(std::move(file)),
      flags_(writepage ? IoFlags(0) : flags),
      offset_(offset),
      payload_(payload),
      writepage_(writepage) {
    assert(payload.size() <= PooledBuffer::kLargestPayload);
}

// One that was not performed, for want of memory, still has its room.
WriteRequest::~WriteRequest() {
    if (reserved_ != 0 || claims_ != 0) write_back_->forget(*this);
    if (counted_ != 0) memory_->give_back(counted_);
}

void WriteRequest::kept() {
    payload_ = keep_payload();
    if (memory_ == nullptr) return;
    counted_ = payload_.size();
    if (!memory_->take(counted_)) pass_at_once();
}

Result<std::size_t> WriteRequest::write(std::uint64_t offset, std::span<const std::byte> from) {
    FileData& data = *file_->data;
    if (into_cache()) return data.write(offset, from);
    if (flags_.direct()) return data.write_direct(offset, from, flags_.durability());
    return data.write_synchronously(offset, from, flags_.durability());
}

Result<std::size_t> WriteRequest::write_piece(std::uint64_t offset, std::span<const std::byte> from) {
    if (!writepage_) return write(offset, from);
    FileData& data = *file_->data;
    const SetidKeeper bits(data.descriptor());
    const FileCapabilities capabilities(MagicLinks::path(data.descriptor()));
    if ((bits.any() || capabilities.any()) && into_cache() && data.store(offset, from)) return from.size();
    const Result<std::size_t> n = write(offset, from);
    (void)capabilities.restore();  // what was stored is written, and that is what the answer tells
    return n;
}

bool WriteRequest::perform(std::uint64_t begin, std::uint64_t end) {
    if (into_cache()) {
        begin = 0;
        end = payload_.size();
    }
    const std::span<const std::byte> piece = payload_.subspan(begin, end - begin);
    const Result<std::size_t> n = write_piece(offset_ + begin, piece);
    const bool whole = n && *n == piece.size();
    if (!whole) first_end_.note(begin + (n ? *n : 0), n ? 0 : n.code());
    if (write_back_ != nullptr) write_back_->wrote(*this);
    return whole;
}

// What goes into the page cache is done at once.
bool WriteRequest::stop_short(std::uint64_t at) {
    if (into_cache()) return false;
    first_end_.note(at, 0);
    return true;
}

void WriteRequest::finish(JobOutcome outcome) {
    if (write_back_ != nullptr && first_end_.error() != 0) write_back_->count_failure(owner_);
    if (outcome == JobOutcome::cancelled) {
        if (write_back_ != nullptr) write_back_->forget(*this);
        answer(Errno{EINTR});
    } else if (written() == 0 && first_end_.error() != 0) {
        answer(Errno{first_end_.error()});
    } else {
        answer(written());
    }
}

// Fsync.

SyncRequest::SyncRequest(std::shared_ptr<OpenFile> file, bool data_only, pid_t caller_tid)
    : Job(caller_tid), file_(std::move(file)), data_only_(data_only) {}

bool SyncRequest::perform(std::uint64_t, std::uint64_t) {
    status_ = file_->data->sync(data_only_, file_->error_mark);
    return true;
}

void SyncRequest::finish(JobOutcome outcome) {
    write_back_->forget(*this);
    answer(outcome == JobOutcome::cancelled ? Status(Errno{EINTR}) : status_);
}

}  // namespace bandfs
