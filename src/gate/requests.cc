#include "gate/requests.h"

#include <cassert>
#include <cerrno>
#include <utility>

#include "gate/write_back.h"
#include "sys/setid.h"

namespace bandfs {

// Reads.

ReadRequest::ReadRequest(std::shared_ptr<OpenFile> file, std::uint64_t offset, std::uint32_t size, pid_t caller_tid)
    : Job(caller_tid), file_(std::move(file)), offset_(offset), size_(size) {
    assert(size <= PooledBuffer::kLargestPayload);
}

bool ReadRequest::take_buffer(BufferPool& pool) {
    if (!buffer_) buffer_ = pool.take();
    if (!buffer_) error_ = ENOMEM;
    return static_cast<bool>(buffer_);
}

// Bytes [from, to) of the range in the buffer: as far into a page as they are in the file, and a page of room before
// them.
std::span<std::byte> ReadRequest::place(std::size_t from, std::size_t to) {
    std::byte* const begin = buffer_.data() + PooledBuffer::kPage + offset_ % PooledBuffer::kPage;
    return {begin + from, begin + to};
}

bool ReadRequest::perform(std::uint64_t begin, std::uint64_t end) {
    if (!take_buffer(*pool_)) return false;
    const std::span<std::byte> into = place(cached_ + begin, cached_ + end);
    const std::uint64_t at = offset_ + cached_ + begin;
    FileData& data = *file_->data;
    const Result<std::size_t> n = file_->direct() ? data.read_direct(at, into) : data.read(at, into);
    if (!n) {
        error_ = n.code();
        return false;
    }
    done_ = cached_ + begin + *n;
    return *n == into.size();
}

void ReadRequest::finish(JobOutcome outcome) {
    if (outcome == JobOutcome::cancelled) {
        answer(Errno{EINTR});
    } else if (error_ != 0) {
        // Also when some bytes were read: to the kernel a short answer is the end of the file.
        answer(Errno{error_});
    } else {
        answer(std::span<const std::byte>(buffer_ ? place(0, done_) : std::span<std::byte>()));
    }
}

// Writes.

WriteRequest::WriteRequest(std::shared_ptr<OpenFile> file, std::uint64_t offset, std::span<const std::byte> payload,
                           bool writepage, pid_t caller_tid)
    : Job(caller_tid), file_(std::move(file)), offset_(offset), payload_(payload), writepage_(writepage) {
    assert(payload.size() <= PooledBuffer::kLargestPayload);
}

Result<std::size_t> WriteRequest::write(std::uint64_t offset, std::span<const std::byte> from) {
    FileData& data = *file_->data;
    if (bytes() == 0) return data.write(offset, from);
    if (file_->direct()) return data.write_direct(offset, from, file_->durability());
    return data.write_synchronously(offset, from, file_->durability());
}

Result<std::size_t> WriteRequest::write_piece(std::uint64_t offset, std::span<const std::byte> from) {
    if (!writepage_) return write(offset, from);
    const SetidKeeper keeper(file_->data->descriptor());
    return write(offset, from);
}

bool WriteRequest::perform(std::uint64_t begin, std::uint64_t end) {
    if (bytes() == 0) end = payload_.size();
    const std::span<const std::byte> piece = payload_.subspan(begin, end - begin);
    const Result<std::size_t> n = write_piece(offset_ + begin, piece);
    if (n) written_ += *n;
    if (!n && written_ == 0) error_ = n.code();
    if (write_back_ != nullptr) write_back_->wrote(*this);
    return n && *n == piece.size();
}

void WriteRequest::finish(JobOutcome outcome) {
    if (write_back_ != nullptr) write_back_->forget(*this);
    if (outcome == JobOutcome::cancelled) {
        answer(Errno{EINTR});
    } else if (error_ != 0) {
        answer(Errno{error_});
    } else {
        answer(written_);
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
