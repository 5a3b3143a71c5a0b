#include "fuse/data_job.h"

#include <linux/fuse.h>

#include <cassert>
#include <cstdlib>
#include <cstring>
#include <new>

#include "fuse/data_job_caller.h"
#include "fuse/request.h"
#include "fuse/session_message.h"

namespace bandfs {
namespace {

/// Payloads up to this size are copied when they are held. A buffer of the pool costs two mappings and touches a page
/// more than it holds: 8 KiB for 4 KiB.
constexpr std::size_t kCopyBytes = 32u << 10;

std::size_t rounded_up(std::size_t bytes, std::size_t alignment) {
    return (bytes + alignment - 1) / alignment * alignment;
}

}  // namespace

DeferredReply::DeferredReply(fuse_req_t request)
    : request_(request), filesystem_(filesystem_of(request)), slot_(Replying::current()) {}

DeferredReply::~DeferredReply() {
    ignore_interrupts();
    if (deferred_) filesystem_.pending.done();
}

void DeferredReply::defer() {
    filesystem_.pending.add();
    deferred_ = true;
}

void DeferredReply::defer_until_killed(Job& job) {
    defer();
    if (job.caller_tid() != 0) remember_caller(request_);
    killable_ = &job;
    fuse_req_interrupt_func(request_, interrupted, this);
}

void DeferredReply::ignore_interrupts() {
    if (killable_ == nullptr) return;
    fuse_req_interrupt_func(request_, nullptr, nullptr);  // waits for a callback that runs, which looks at killable_
    killable_ = nullptr;
}

Replying DeferredReply::begin_reply() {
    ignore_interrupts();
    return Replying(slot_);
}

/// FUSE_INTERRUPT comes for every signal. One that the caller handles must not end its read or write, which on a disk
/// goes on as well; the gate asks again later whether the caller was killed.
void DeferredReply::interrupted(fuse_req_t, void* self) {
    auto& reply = *static_cast<DeferredReply*>(self);
    Job& job = *reply.killable_;
    if (reply.filesystem_.callers->dying(job.caller_tid())) reply.filesystem_.gate->cancel(job);
}

FuseRead::FuseRead(fuse_req_t request, std::shared_ptr<OpenFile> file, IoFlags flags, std::uint64_t offset,
                   std::uint32_t bytes)
    : DeferredReply(request),
      ReadRequest(std::move(file), flags, offset, bytes, fuse_req_ctx(request)->pid, current_message().header->unique) {
}

void FuseRead::kept() {
    defer_until_killed(*this);
}

void FuseRead::start_reading(int fd, std::span<std::byte> memory, std::uint64_t offset) {
    defer();
    slot().transport->read(slot(), fd, memory, offset, *this);
}

void FuseRead::answer(Result<std::span<const std::byte>> data) {
    const Replying replying = begin_reply();
    if (data)
        fuse_reply_buf(request(), reinterpret_cast<const char*>(data->data()), data->size());
    else
        fuse_reply_err(request(), data.code());
}

FuseWrite::FuseWrite(fuse_req_t request, std::shared_ptr<OpenFile> file, IoFlags flags, std::uint64_t offset,
                     std::span<const std::byte> payload, bool writepage)
    : DeferredReply(request),
      WriteRequest(std::move(file), flags, offset, payload, writepage, writepage ? 0 : fuse_req_ctx(request)->pid),
      payload_(payload) {
    if (!direct()) data().changes().write_comes();
}

// The kernel's pages have been right until here, or are to be dropped once more.
FuseWrite::~FuseWrite() {
    if (!direct() && data().changes().write_goes()) filesystem().pages.drop(data().shared_from_this());
}

void FuseWrite::Free::operator()(std::byte* memory) const {
    std::free(memory);
}

bool FuseWrite::perform(std::uint64_t begin, std::uint64_t end) {
    const fuse_ctx& caller = *fuse_req_ctx(request());
    std::optional<ActingAs> ordinary;
    // Nobody in particular writes what a mapping has left.
    if (caller.uid != 0 && data().near_reserve(payload_.size())) ordinary.emplace(Identity{caller.uid, caller.gid});
    return WriteRequest::perform(begin, end);
}

std::span<const std::byte> FuseWrite::keep_payload() {
    if (direct()) wait_.emplace(data());
    if (slot().transport->keeps_payload()) {
        // It begins a page there.
    } else if (payload_.size() <= kCopyBytes) {
        // By whole pages malloc would take one more for each.
        const std::size_t alignment = data().memory_alignment();
        copy_.reset(static_cast<std::byte*>(std::aligned_alloc(alignment, rounded_up(payload_.size(), alignment))));
        if (!copy_) throw std::bad_alloc();
        std::memcpy(copy_.get(), payload_.data(), payload_.size());
        payload_ = {copy_.get(), payload_.size()};
    } else {
        IncomingMessage& message = current_message();
        assert(message.memory != nullptr && *message.memory);
        message_ = std::move(*message.memory);
        message.header = nullptr;
    }
    defer_until_killed(*this);
    return payload_;
}

void FuseWrite::answer(Result<std::size_t> written) {
    wait_.reset();  // before who waits for the answer goes on
    const Replying replying = begin_reply();
    if (written)
        fuse_reply_write(request(), *written);
    else
        fuse_reply_err(request(), written.code());
}

FuseSync::FuseSync(fuse_req_t request, std::shared_ptr<OpenFile> file, bool data_only)
    : DeferredReply(request), SyncRequest(std::move(file), data_only, fuse_req_ctx(request)->pid) {}

void FuseSync::kept() {
    defer_until_killed(*this);
}

void FuseSync::answer(Status status) {
    const Replying replying = begin_reply();
    fuse_reply_err(request(), status.code());
}

FuseAllocate::FuseAllocate(fuse_req_t request, fuse_ino_t node, std::shared_ptr<OpenFile> file, int mode,
                           std::uint64_t offset, std::uint64_t bytes, std::optional<Identity> caller)
    : DeferredReply(request),
      Job(fuse_req_ctx(request)->pid),
      node_(node),
      file_(std::move(file)),
      mode_(mode),
      offset_(offset),
      bytes_wanted_(bytes),
      caller_(std::move(caller)) {
    defer_until_killed(*this);
}

bool FuseAllocate::perform(std::uint64_t, std::uint64_t end) {
    if (end != bytes()) return true;
    std::optional<ActingAs> acting;
    if (caller_) acting.emplace(*caller_);
    status_ = filesystem().data->allocate(*file_, mode_, offset_, bytes_wanted_);
    return true;
}

void FuseAllocate::finish(JobOutcome outcome) {
    const Replying replying = begin_reply();
    // One that fails for want of space may have made the file longer until there. The kernel takes a failure for one
    // that has changed nothing.
    if (!status_) filesystem().forget_attributes(node_);
    fuse_reply_err(request(), outcome == JobOutcome::performed ? status_.code() : EINTR);
}

}  // namespace bandfs
