#include "fuse/uring_transport.h"

#include <linux/fuse.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <new>
#include <string>
#include <system_error>
#include <thread>

#include "caller/task_text.h"
#include "fuse/uring_wire.h"
#include "sys/whole_file.h"

namespace bandfs {
namespace {

// A call that took longer has slept. After one, helpers do the like for so long.
constexpr TimeNs kAwakeNs = kMillisecond;
constexpr TimeNs kSleepsForNs = 100 * kMillisecond;
// Or has waited for the processor: which it was is looked at for so long after the first.
constexpr TimeNs kWatchedForNs = kSecond;

/// The request that this thread handles, beside its queue's thread.
struct Helped {
    RingEntry* entry = nullptr;
    bool answered = false;
};
thread_local Helped helped;

std::uint32_t operation_of(const RingEntry& entry) {
    return reinterpret_cast<const fuse_in_header*>(entry.headers)->opcode;
}

long sleeps_of_thread() {
    rusage usage{};
    ::getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_nvcsw;
}

/// The kernel's queues that each thread serves: of the processors that there are, and of the others by turns. Those of
/// processors that come later begin with few places.
std::vector<std::vector<std::uint16_t>> queues_of_threads() {
    constexpr std::size_t kMostProcessors = 8192;
    const Result<std::string> online = read_whole_file("/sys/devices/system/cpu/online", 4096);
    std::vector<unsigned> present = parse_number_list(online ? *online : "", kMostProcessors);
    if (present.empty()) present.push_back(0);
    const auto possible = static_cast<unsigned>(std::max(1L, ::sysconf(_SC_NPROCESSORS_CONF)));
    std::vector<std::vector<std::uint16_t>> queues;
    for (const unsigned processor : present) queues.push_back({static_cast<std::uint16_t>(processor)});
    for (unsigned i = 0, turn = 0; i < possible; ++i) {
        if (std::ranges::find(present, i) == present.end())
            queues[turn++ % queues.size()].push_back(static_cast<std::uint16_t>(i));
    }
    return queues;
}

}  // namespace

UringTransport::UringTransport(Transport& dev_fuse, Handler handler)
    : dev_fuse_(dev_fuse), handler_(std::move(handler)), helpers_([this](RingEntry& entry) { help(entry); }) {}

UringTransport::~UringTransport() {
    finish();
    for (const auto& queue : queues_) queue->end();
}

Result<std::unique_ptr<UringTransport>> UringTransport::open(Transport& dev_fuse, int mounted, Handler handler) {
    std::unique_ptr<UringTransport> transport;
    try {
        transport.reset(new UringTransport(dev_fuse, std::move(handler)));
        UringSink& sink = *transport;
        for (auto& queues : queues_of_threads())
            transport->queues_.push_back(std::make_unique<UringQueue>(sink, mounted, std::move(queues)));
    } catch (const std::system_error& error) {
        return Errno{error.code().value()};
    } catch (const std::bad_alloc&) {
        return Errno{ENOMEM};
    }
    for (const auto& queue : transport->queues_) {
        if (const Status opened = queue->ready(); !opened) return opened.error();
    }
    return transport;
}

void UringTransport::start() {
    for (const auto& queue : queues_) queue->start();
}

bool UringTransport::begin_handling() {
    ++handling_;
    if (!finished_) return true;
    end_handling();
    return false;
}

void UringTransport::end_handling() {
    if (--handling_ == 0) handling_.notify_all();
}

void UringTransport::finish() {
    finished_ = true;
    for (const auto& queue : queues_) queue->stop_growing();
    for (unsigned busy = handling_; busy != 0; busy = handling_) handling_.wait(busy);
}

void UringTransport::arrived(RingEntry& entry) {
    if (!begin_handling()) return;  // it is answered by the end of the mount
    const std::uint32_t operation = operation_of(entry);
    const TimeNs now = now_ns();
    entry.helped = sleeps_until(operation) > now && helpers_.take(entry);
    if (entry.helped) return;
    const bool watched = watched_until_ > now;
    const long sleeps = watched ? sleeps_of_thread() : 0;
    handle(entry, false);
    const TimeNs then = now_ns();
    // What is not answered yet is a worker's business.
    if (then - now > kAwakeNs && entry.free && entry.owner->others_wait()) {
        if (watched && sleeps_of_thread() != sleeps) sleeps_until(operation) = then + kSleepsForNs;
        watched_until_ = then + kWatchedForNs;
    }
    end_handling();
}

void UringTransport::help(RingEntry& entry) {
    helped = {&entry, false};
    handle(entry, true);
    if (std::exchange(helped, {}).answered) entry.owner->answer(entry);
    end_handling();
}

void UringTransport::handle(RingEntry& entry, bool others_wait) {
    const Replying replying(ReplySlot{this, -1, &entry});
    handler_(UringQueue::message_of(entry), others_wait);
}

Status UringTransport::send(ReplySlot slot, std::span<const iovec> pieces) {
    assert(!pieces.empty() && pieces[0].iov_len == sizeof(fuse_out_header));
    auto header = *static_cast<const fuse_out_header*>(pieces[0].iov_base);
    if (header.unique == 0) return dev_fuse_.send({&dev_fuse_}, pieces);
    RingEntry& entry = *slot.entry;
    assert(header.unique == entry.commit_id);
    const std::span<std::byte> payload = UringQueue::payload_of(entry);
    std::size_t bytes = 0;
    for (const iovec& piece : pieces.subspan(1)) {
        // The kernel asks for no more; if it did, nobody may wait for ever.
        if (piece.iov_len > payload.size() - bytes) {
            header.error = -EIO;
            bytes = 0;
            break;
        }
        std::byte* const place = payload.data() + bytes;
        if (piece.iov_base != place) std::memmove(place, piece.iov_base, piece.iov_len);
        bytes += piece.iov_len;
    }
    auto& headers = *reinterpret_cast<UringHeaders*>(entry.headers);
    std::memcpy(headers.header, &header, sizeof header);
    headers.payload_bytes = static_cast<std::uint32_t>(bytes);
    // The memory is the next request's as soon as it is answered; until then this thread may look at its own.
    if (helped.entry == &entry) {
        helped.answered = true;
    } else {
        entry.owner->answer(entry);
    }
    return {};
}

}  // namespace bandfs
