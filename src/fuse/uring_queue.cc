#include "fuse/uring_queue.h"

#include <linux/fuse.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <new>
#include <utility>

#include "fuse/uring_wire.h"
#include "sys/thread_setup.h"

namespace bandfs {
namespace {

// SEND_MSG_RING, of Linux 6.13.
constexpr unsigned kSendMessage = 31;

constexpr std::chrono::milliseconds kMemoryRetry{1};

constexpr unsigned kSubmissions = 256;
constexpr unsigned kCompletions = 4096;

// Places at first: of the thread's own processor, so many more than all requests that no caller waits for, and of one
// that is not there.
constexpr unsigned kFirst = UringQueue::kMostUnattended + 512;
constexpr unsigned kFirstOfAbsent = 32;
// When a fourth of them is left, so many more are added, up to kMost.
constexpr unsigned kMore = 256;
constexpr unsigned kMost = 65536;

// Of so many places the memory of large payloads is kept; it is taken from the last that was given back first.
constexpr unsigned kMostLarge = 32;
constexpr std::size_t kMostGivenBack = 256;  // at a time
constexpr std::size_t kLarge = 64u << 10;

// So many requests are out that the pages that each takes are worth a call.
constexpr unsigned kManyOut = 64;

// For the kernel's headers of a place and a message without payload.
constexpr std::size_t kHeaders = 512;

UringHeaders& headers_of(const RingEntry& entry) {
    return *reinterpret_cast<UringHeaders*>(entry.headers);
}

/// Gives the first bytes of its memory back to the system.
void empty(const RingEntry& entry, std::size_t bytes) {
    ::madvise(entry.memory, bytes, MADV_DONTNEED);
}

}  // namespace

void UringQueue::Unmap::operator()(std::byte* memory) const {
    ::munmap(memory, bytes);
}

UringQueue::UringQueue(UringSink& sink, int dev_fuse, std::vector<std::uint16_t> queues)
    : sink_(sink), dev_fuse_(dev_fuse) {
    for (const std::uint16_t queue : queues) queues_.push_back({queue});
    large_.reserve(kMostGivenBack);
    thread_ = std::thread([this] { run(); });
}

UringQueue::~UringQueue() {
    end();
}

Status UringQueue::ready() {
    state_.wait(State::opening);
    return state_ == State::open ? Status() : failure_;
}

void UringQueue::end() {
    if (!thread_.joinable()) return;
    const bool open = ready().ok();
    if (open) go(kEnd);
    thread_.join();
    if (open) io_uring_queue_exit(&ring_);
}

// The thread.

Status UringQueue::open() {
    io_uring_params parameters{};
    parameters.flags = IORING_SETUP_SQE128 | IORING_SETUP_CQSIZE | IORING_SETUP_SINGLE_ISSUER |
                       IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG;
    parameters.cq_entries = kCompletions;
    if (const int made = io_uring_queue_init_params(kSubmissions, &ring_, &parameters); made < 0) return Errno{-made};
    if (const int known = io_uring_register_files(&ring_, &dev_fuse_, 1); known < 0) {
        io_uring_queue_exit(&ring_);
        return Errno{-known};
    }
    for (UringPlaces& places : queues_) {
        if (make_places(places, &places == &queues_.front() ? kFirst : kFirstOfAbsent)) continue;
        io_uring_queue_exit(&ring_);
        return Errno{ENOMEM};
    }
    return {};
}

void UringQueue::run() {
    set_up_thread("bandfs-ring");
    keep_thread_on(queues_.front().queue);
    failure_ = open();
    state_ = failure_ ? State::open : State::failed;
    state_.notify_all();
    if (!failure_) return;
    while (!ending_) {
        const int submitted = io_uring_submit_and_wait(&ring_, 1);
        if (submitted < 0 && submitted != -EINTR) std::this_thread::sleep_for(kMemoryRetry);
        io_uring_cqe* completion = nullptr;
        while (io_uring_peek_cqe(&ring_, &completion) == 0) {
            const std::uint64_t data = completion->user_data;
            const int result = completion->res;
            io_uring_cqe_seen(&ring_, completion);
            // What has been answered goes before the next request is looked at.
            if ((data & kTags) <= kRead && io_uring_sq_ready(&ring_) != 0) io_uring_submit(&ring_);
            take(data, result);
            grow();
        }
        if (!large_.empty()) give_memory_back();
    }
    while (io_uring_sq_ready(&ring_) != 0 && io_uring_submit(&ring_) < 0) std::this_thread::sleep_for(kMemoryRetry);
}

void UringQueue::take(std::uint64_t data, int result) {
    auto* entry = reinterpret_cast<RingEntry*>(data & ~std::uint64_t{kTags});
    switch (data & kTags) {
        case kDone:
            if (std::exchange(entry->free, false)) --entry->places->free;
            if (result == 0) fetched(*entry);                                    // else the place is gone
            if (result == -ENOTCONN || result == -ECONNABORTED) grows_ = false;  // and so is the mount
            break;
        case kRead:
            std::exchange(entry->read, nullptr)
                ->done(result < 0 ? Result<std::size_t>(Errno{-result}) : static_cast<std::size_t>(result));
            break;
        case kAnswer:
            (void)entry->answered.load(std::memory_order_acquire);
            answer(*entry);
            break;
        case kStart:
            for (const Batch& batch : batches_) register_places(batch);
            break;
        case kEnd:
            ending_ = true;
            break;
    }
}

void UringQueue::fetched(RingEntry& entry) {
    const UringHeaders& headers = headers_of(entry);
    entry.commit_id = headers.commit_id;
    if (entry.large) --entry.places->large;
    entry.large = entry.large || headers.payload_bytes > kLarge;
    // A request that is held has no use for what others have left there, nor, once it was looked at here, for what
    // stands before its payload.
    const std::size_t payload = headers.payload_bytes;
    const bool sparing = entry.places->all - entry.places->free > kManyOut;
    if (sparing && payload == 0) empty(entry, 2 * kPage);
    sink_.arrived(entry);
    if (sparing && payload != 0 && !entry.free && !entry.helped) empty(entry, kPage);
}

// Places.

bool UringQueue::make_places(UringPlaces& places, unsigned count) {
    constexpr std::size_t kEach = kPage + kPayload;
    const std::size_t headers = (count * kHeaders + kPage - 1) / kPage * kPage;
    const std::size_t bytes = headers + count * kEach;
    void* const memory =
        ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return false;
    auto* const begin = static_cast<std::byte*>(memory);
    std::unique_ptr<std::byte, Unmap> owned(begin, Unmap{bytes});
    ::madvise(memory, bytes, MADV_NOHUGEPAGE);
    try {
        Batch made{&places, count, std::make_unique<RingEntry[]>(count), std::move(owned)};
        for (unsigned i = 0; i != count; ++i) {
            RingEntry& entry = made.entries[i];
            entry.owner = this;
            entry.places = &places;
            entry.headers = begin + i * kHeaders;
            entry.memory = begin + headers + i * kEach;
            entry.pieces = {iovec{entry.headers, sizeof(UringHeaders)}, iovec{entry.memory + kPage, kPayload}};
        }
        batches_.push_back(std::move(made));
    } catch (const std::bad_alloc&) {
        return false;
    }
    return true;
}

void UringQueue::register_places(const Batch& batch) {
    for (unsigned i = 0; i != batch.count; ++i)
        command(batch.entries[i], UringOperation::add_entry, &batch.entries[i].pieces);
    batch.places->all += batch.count;
    io_uring_submit(&ring_);
}

void UringQueue::grow() {
    for (UringPlaces& places : queues_) {
        const bool short_of = places.all != 0 && places.free < places.all / 4 && places.all < kMost;
        if (short_of && grows_ && make_places(places, kMore)) register_places(batches_.back());
    }
}

// The kernel puts nothing there before this thread asks for what has come, once it has taken all answers.
void UringQueue::give_memory_back() {
    io_uring_submit(&ring_);
    if (io_uring_sq_ready(&ring_) != 0 || io_uring_cq_ready(&ring_) != 0) return;
    for (RingEntry* const entry : large_) {
        if (!entry->free || !std::exchange(entry->large, false)) continue;
        empty(*entry, kPage + kPayload);
        --entry->places->large;
    }
    large_.clear();
}

// Commands.

io_uring_sqe& UringQueue::next_sqe() {
    for (;;) {
        if (io_uring_sqe* const sqe = io_uring_get_sqe(&ring_)) return *sqe;
        if (io_uring_submit(&ring_) < 0) std::this_thread::sleep_for(kMemoryRetry);
    }
}

void UringQueue::command(RingEntry& entry, UringOperation operation, const std::array<iovec, 2>* memory) {
    io_uring_sqe& sqe = next_sqe();
    std::memset(&sqe, 0, 2 * sizeof sqe);
    sqe.opcode = IORING_OP_URING_CMD;
    sqe.flags = IOSQE_FIXED_FILE;
    sqe.off = static_cast<std::uint64_t>(operation);
    sqe.addr = reinterpret_cast<std::uint64_t>(memory != nullptr ? memory->data() : nullptr);
    sqe.len = memory != nullptr ? 2 : 0;
    sqe.user_data = reinterpret_cast<std::uint64_t>(&entry) | kDone;
    const UringCommand own{0, entry.commit_id, entry.places->queue, {}};
    std::memcpy(reinterpret_cast<std::byte*>(&sqe) + kUringCommandOffset, &own, sizeof own);
    entry.free = true;
    ++entry.places->free;
}

void UringQueue::read(RingEntry& entry, int fd, std::span<std::byte> memory, std::uint64_t offset, StartedRead& read) {
    io_uring_sqe& sqe = next_sqe();
    std::memset(&sqe, 0, 2 * sizeof sqe);
    io_uring_prep_read(&sqe, fd, memory.data(), static_cast<unsigned>(memory.size()), offset);
    sqe.user_data = reinterpret_cast<std::uint64_t>(&entry) | kRead;
    entry.read = &read;
}

void UringQueue::answer(RingEntry& entry) {
    if (!on_its_thread()) {
        entry.answered.store(true, std::memory_order_release);
        go(kAnswer, reinterpret_cast<std::uint64_t>(&entry));
        return;
    }
    entry.large = entry.large || headers_of(entry).payload_bytes > kLarge;
    command(entry, UringOperation::answer_and_fetch, nullptr);
    if (entry.large) ++entry.places->large;
    if (entry.large && entry.places->large > kMostLarge && large_.size() < kMostGivenBack) large_.push_back(&entry);
}

// To the thread, from another one.
void UringQueue::go(Tag tag, std::uint64_t data) {
    io_uring_sqe message{};
    message.opcode = IORING_OP_MSG_RING;
    message.fd = ring_.ring_fd;
    message.off = data | tag;
    // It fails for want of memory alone.
    while (::syscall(SYS_io_uring_register, -1, kSendMessage, &message, 1) != 0)
        std::this_thread::sleep_for(kMemoryRetry);
}

std::span<std::byte> UringQueue::message_of(const RingEntry& entry) {
    const UringHeaders& headers = headers_of(entry);
    fuse_in_header header;
    std::memcpy(&header, headers.header, sizeof header);
    const std::size_t arguments =
        std::min(header.len - sizeof header - headers.payload_bytes, sizeof headers.operation);
    std::byte* const end = headers.payload_bytes == 0 ? entry.headers + kHeaders : entry.memory + kPage;
    std::byte* const begin = end - arguments - sizeof header;
    std::memcpy(begin, &header, sizeof header);
    std::memcpy(begin + sizeof header, headers.operation, arguments);
    return {begin, sizeof header + arguments + headers.payload_bytes};
}

}  // namespace bandfs
