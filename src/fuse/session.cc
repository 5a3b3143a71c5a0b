#define FUSE_USE_VERSION 314

#include "fuse/session.h"

#include <fcntl.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <condition_variable>
#include <iterator>
#include <mutex>
#include <span>
#include <string_view>
#include <thread>

#include <fuse_lowlevel.h>

#include "fuse/backing_locks.h"
#include "fuse/dispatch.h"
#include "fuse/reply.h"
#include "fuse/session_message.h"
#include "fuse/session_reserve.h"
#include "fuse/statx_answer.h"
#include "fuse/transport.h"
#include "fuse/uring_transport.h"

namespace bandfs {
namespace {

/// Wakes a receiver out of its wait for a message.
constexpr int kWakeSignal = SIGUSR1;
/// A signal may arrive just before the receiver waits, so it is repeated until the receiver has left.
constexpr std::chrono::milliseconds kWakeEvery{1};
/// Without memory for a message, a receiver waits this long for others to give some back.
constexpr std::chrono::milliseconds kMemoryRetry{10};
/// More receivers make names and attributes no faster, which are answered in microseconds; for data see ReceiverDemand.
constexpr unsigned kMostReceivers = 4;
/// One that does a cache hit or a metadata call, one that waits.
constexpr unsigned kFewestReceivers = 2;
/// For when the others sleep in the disk, looking for metadata: at most.
constexpr unsigned kMostInReserve = 64;
constexpr double kShortestLookS = 0.1;  // between two looks at files that are open

struct DestroySession {
    void operator()(fuse_session* session) const { fuse_session_destroy(session); }
};
using FuseSessionPtr = std::unique_ptr<fuse_session, DestroySession>;

/// The handler does nothing and lacks SA_RESTART: read(2) returns EINTR.
void install_wake_handler() {
    struct sigaction action {};
    action.sa_handler = [](int) {};
    ::sigaction(kWakeSignal, &action, nullptr);
}

/// Signals of the process are for its main thread.
void block_signals_of_process() {
    sigset_t blocked;
    ::sigfillset(&blocked);
    for (const int kept : {kWakeSignal, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) ::sigdelset(&blocked, kept);
    ::pthread_sigmask(SIG_SETMASK, &blocked, nullptr);
}

/// The N of an option max_read=N, 0 when there is none.
std::uint32_t max_read_of(const std::vector<std::string>& options) {
    constexpr std::string_view kName = "max_read=";
    std::uint32_t bytes = 0;
    for (const std::string& option : options)
        if (option.starts_with(kName))
            std::from_chars(option.data() + kName.size(), option.data() + option.size(), bytes);
    return bytes;
}

/// What libfuse parses as a command line. Owns its strings.
class LibfuseArguments {
public:
    explicit LibfuseArguments(const std::vector<std::string>& options) {
        add("bandfs");
        for (const std::string& option : options) add(("-o" + option).c_str());
    }
    ~LibfuseArguments() { fuse_opt_free_args(&arguments_); }
    LibfuseArguments(const LibfuseArguments&) = delete;

    fuse_args* get() { return &arguments_; }

private:
    void add(const char* argument) {
        if (fuse_opt_add_arg(&arguments_, argument) != 0) throw std::bad_alloc();
    }
    fuse_args arguments_ = FUSE_ARGS_INIT(0, nullptr);
};

struct ReceiverCounts {
    unsigned wanted;  ///< that wait for messages
    unsigned idle;    ///< that stay in reserve
    unsigned most;    ///< of all
};

ReceiverCounts receiver_counts(const SessionSettings& settings) {
    unsigned wanted = settings.receivers;
    if (wanted == 0) wanted = std::clamp(std::thread::hardware_concurrency() / 2 + 1, kFewestReceivers, kMostReceivers);
    const unsigned most = settings.most_receivers != 0 ? settings.most_receivers : wanted + kMostInReserve;
    const unsigned idle = settings.idle_receivers != 0 ? settings.idle_receivers : ReceiverReserve::kKept;
    return {std::min(wanted, most), idle, most};
}

/// The receivers of one mount.
///
/// Who wakes whom: the kernel wakes a receiver with a message, or all of them with ENODEV when the mount is gone;
/// stop() wakes them with a signal until each has left; who leaves for that sends the reserve home. The last receiver
/// that leaves lets everything held pass, waits until all answers are sent, closes what callers had open, and says that
/// it ended.
class ReceiverSession final : public Session {
public:
    ReceiverSession(Filesystem& filesystem, UniqueFd dev_fuse, const ReceiverCounts& counts)
        : filesystem_(filesystem), transport_(std::move(dev_fuse)), counts_(counts) {}
    ~ReceiverSession() override {
        stop();
        filesystem_.forget_attributes = nullptr;
        filesystem_.open_rings = nullptr;
    }

    Status set_up(int dev_fuse, const SessionSettings& settings);
    Status start(std::function<void()> ready, std::function<void()> ended) override;
    void stop() override;

private:
    struct Receiver {
        Receiver(ReplySlot from, bool reserve) : slot(from), in_reserve(reserve) {}
        const ReplySlot slot;
        const bool in_reserve;
        PooledBuffer memory;             ///< of this receiver's thread alone
        std::atomic<bool> waits{false};  ///< for a message: a signal interrupts nothing else
        std::thread thread;
        bool gone = false;  ///< guarded by mutex_: its thread is ending, and may be replaced
    };

    Status watch_pages();
    Status add_receiver(bool in_reserve);
    void add_to_reserve();
    void receive(Receiver& self);
    bool receive_one(Receiver& self);
    bool handle(std::span<std::byte> message, PooledBuffer* memory, bool others_wait);
    void process(void* message, std::size_t bytes);
    template <typename Arguments>
    void process_own(std::uint32_t opcode, std::uint64_t number, const Arguments& arguments);
    void handle_early_interrupts();
    void forget_early_interrupts();
    bool open_rings(int dev_fuse);
    void leave(Receiver& self);
    void end();

    Filesystem& filesystem_;
    DevFuse transport_;
    const ReceiverCounts counts_;
    FuseSessionPtr session_;  ///< after transport_: answers until it is destroyed

    std::unique_ptr<UringTransport> rings_;  ///< from INIT on, where the kernel offers them
    std::function<void()> ready_;
    std::function<void()> ended_;
    std::atomic<bool> stopping_{false};
    std::atomic<int> waiting_{0};  ///< receivers that wait for a message
    ReceiverReserve reserve_{waiting_, counts_.idle};
    ReceiverDemand demand_;
    std::atomic<unsigned> called_up_{0};  ///< receivers of the reserve that are not in it

    std::mutex mutex_;
    std::condition_variable left_;
    std::vector<std::unique_ptr<Receiver>> receivers_;  ///< guarded by mutex_
    unsigned receiving_ = 0;                            ///< guarded by mutex_: receivers that have not left
};

Status ReceiverSession::set_up(int dev_fuse, const SessionSettings& settings) {
    LibfuseArguments arguments(settings.libfuse_options);
    session_.reset(fuse_session_new(arguments.get(), &dispatch_table(), sizeof(fuse_lowlevel_ops), &filesystem_));
    if (!session_) return Errno{EINVAL};
    // libfuse closes its descriptor when it is destroyed; it never reads or writes it, since all goes through kReplyIo.
    UniqueFd own(::fcntl(dev_fuse, F_DUPFD_CLOEXEC, 3));
    if (!own) return last_errno();
    if (const int refused = fuse_session_custom_io(session_.get(), &kReplyIo, own.get()); refused != 0)
        return Errno{-refused};
    own.release();
    filesystem_.forget_attributes = [this](std::uint64_t node) {
        fuse_lowlevel_notify_inval_inode(session_.get(), node, -1, 0);
    };
    if (settings.rings) filesystem_.open_rings = [this, dev_fuse] { return open_rings(dev_fuse); };
    return {};
}

/// libfuse would not free those it still has. It gives one back with each message that it sees, and this one is about
/// nothing.
void ReceiverSession::forget_early_interrupts() {
    do {
        (void)filesystem_.early_interrupts.take(now_ns());
        process_own(FUSE_BATCH_FORGET, 0, fuse_batch_forget_in{});
    } while (filesystem_.early_interrupts.any());
}

bool ReceiverSession::open_rings(int dev_fuse) {
    auto rings = UringTransport::open(transport_, dev_fuse, [this](std::span<std::byte> message, bool others_wait) {
        handle(message, nullptr, others_wait);
    });
    if (rings) rings_ = std::move(*rings);
    return rings.ok();
}

Status ReceiverSession::watch_pages() {
    const MountOptions& options = filesystem_.options;
    if (options.kept_pages != KeptPages::unchanged_by_others) return {};
    const auto drop = [this](std::uint64_t node) { fuse_lowlevel_notify_inval_inode(session_.get(), node, 0, 0); };
    // As often as the kernel would ask a file that is read.
    const std::chrono::duration<double> every(std::max(options.attr_timeout_s, kShortestLookS));
    return filesystem_.pages.start(filesystem_.data->files(), {.transport = &transport_}, drop,
                                   std::chrono::duration_cast<std::chrono::nanoseconds>(every));
}

Status ReceiverSession::start(std::function<void()> ready, std::function<void()> ended) {
    ready_ = std::move(ready);
    ended_ = std::move(ended);
    if (const Status watched = watch_pages(); !watched) return watched;
    std::lock_guard lock(mutex_);
    for (unsigned i = 0; i < std::min(counts_.wanted + counts_.idle, counts_.most); ++i) {
        const Status added = add_receiver(i >= counts_.wanted);
        if (!added && receivers_.empty()) return added;
        if (!added) break;  // those that there are do
    }
    return {};
}

/// Starts one more receiver, in the place of one that has left where there is one. Requires mutex_.
Status ReceiverSession::add_receiver(bool in_reserve) {
    auto place = std::ranges::find_if(receivers_, [](const auto& receiver) { return receiver->gone; });
    if (place == receivers_.end()) {
        receivers_.push_back(std::make_unique<Receiver>(transport_.open_channel(), in_reserve));
        place = std::prev(receivers_.end());
    } else {
        (*place)->thread.join();  // it has let go of mutex_ for good
        (*place)->gone = false;
    }
    Receiver& self = **place;
    try {
        self.thread = std::thread([this, &self] { receive(self); });
    } catch (const std::system_error& error) {
        receivers_.erase(place);
        return Errno{error.code().value()};
    }
    ++receiving_;
    return {};
}

void ReceiverSession::add_to_reserve() {
    std::lock_guard lock(mutex_);
    if (!stopping_ && receiving_ < counts_.most) (void)add_receiver(true);
}

void ReceiverSession::receive(Receiver& self) {
    block_signals_of_process();
    ::pthread_setname_np(::pthread_self(), "bandfs-receive");
    const Replying replying(self.slot);
    bool superfluous = false;
    // A new one waits in any case: there may be a call that nobody was there to hear.
    for (bool begins = true; !stopping_; begins = false) {
        if (self.in_reserve && (begins || (waiting_ > 0 && called_up_ > demand_.wanted()))) {
            self.memory = PooledBuffer();
            if (!begins) --called_up_;
            const ReceiverReserve::Turn turn = reserve_.wait();
            superfluous = turn == ReceiverReserve::Turn::superfluous;
            if (superfluous || turn == ReceiverReserve::Turn::closed) break;
            ++called_up_;
            if (turn == ReceiverReserve::Turn::needed_last) add_to_reserve();
        }
        if (!self.memory) self.memory = filesystem_.data->buffers().take();
        if (!self.memory)
            std::this_thread::sleep_for(kMemoryRetry);
        else if (!receive_one(self))
            break;
    }
    self.memory = PooledBuffer();
    if (!superfluous) reserve_.close();
    leave(self);
}

/// Waits for one message and handles it. False when no more will come.
bool ReceiverSession::receive_one(Receiver& self) {
    std::byte* message = self.memory.data() + kMessageOffset;
    ++waiting_;
    self.waits = true;
    const Result<std::size_t> bytes = transport_.receive(self.slot, message, kMessageBytes);
    self.waits = false;
    const int others = --waiting_;
    if (!bytes) return bytes.error() == Errno{EINTR};
    if (others == 0) reserve_.call();
    const bool begins = reinterpret_cast<const fuse_in_header*>(message)->opcode == FUSE_INIT;
    const bool left = handle({message, *bytes}, &self.memory, others > 0);
    if (demand_.note(left)) (void)reserve_.summon();
    if (!begins) return true;
    if (rings_) rings_->start();
    if (ready_) std::exchange(ready_, nullptr)();
    return true;
}

/// True when the message was a read or write that was left to a worker.
bool ReceiverSession::handle(std::span<std::byte> message, PooledBuffer* memory, bool others_wait) {
    auto* header = reinterpret_cast<fuse_in_header*>(message.data());
    const bool wants_birth = header->opcode == kFuseStatx;
    make_known_to_libfuse(*header);
    current_message() = {header, memory, others_wait, false, wants_birth};
    process(message.data(), message.size());
    const bool left = std::exchange(current_message(), {}).left;
    if (filesystem_.early_interrupts.any()) handle_early_interrupts();
    return left;
}

void ReceiverSession::process(void* message, std::size_t bytes) {
    fuse_buf buffer{};
    buffer.mem = message;
    buffer.size = bytes;
    fuse_session_process_buf(session_.get(), &buffer);
}

/// Has libfuse see a message that the kernel did not send.
template <typename Arguments>
void ReceiverSession::process_own(std::uint32_t opcode, std::uint64_t number, const Arguments& arguments) {
    struct {
        fuse_in_header header;
        Arguments arguments;
    } message{};
    message.header.len = sizeof message;
    message.header.opcode = opcode;
    message.header.unique = number;
    message.arguments = arguments;
    process(&message, sizeof message);
}

void ReceiverSession::handle_early_interrupts() {
    for (const std::uint64_t number : filesystem_.early_interrupts.take(now_ns()))
        process_own(FUSE_INTERRUPT, number, fuse_interrupt_in{number & ~EarlyInterrupts::kBit});
}

void ReceiverSession::leave(Receiver& self) {
    bool last = false;
    {
        std::lock_guard lock(mutex_);
        self.gone = true;
        last = --receiving_ == 0;
        left_.notify_all();
    }
    if (last) end();
}

void ReceiverSession::end() {
    filesystem_.pages.stop();
    if (rings_) rings_->finish();
    if (rings_) forget_early_interrupts();
    filesystem_.gate->with([this](DeviceGroup&) { filesystem_.groups->go_down(); });
    if (filesystem_.locks) filesystem_.locks->end();
    filesystem_.pending.wait_for_none();
    filesystem_.handles.close_all();
    if (ended_) ended_();
}

void ReceiverSession::stop() {
    filesystem_.pages.stop();
    stopping_ = true;
    reserve_.close();
    std::vector<std::unique_ptr<Receiver>> leaving;
    {
        std::unique_lock lock(mutex_);
        while (receiving_ > 0) {
            for (const auto& receiver : receivers_)
                if (receiver->waits) ::pthread_kill(receiver->thread.native_handle(), kWakeSignal);
            left_.wait_for(lock, kWakeEvery);
        }
        leaving.swap(receivers_);
    }
    for (const auto& receiver : leaving) receiver->thread.join();
    if (!leaving.empty()) rings_.reset();  // of the last receiver, which has seen to its answers
}

}  // namespace

Result<std::unique_ptr<Session>> Session::create(Filesystem& filesystem, UniqueFd dev_fuse,
                                                 const SessionSettings& settings) {
    install_wake_handler();
    filesystem.options.max_read = max_read_of(settings.libfuse_options);
    const int fd = dev_fuse.get();
    auto session = std::make_unique<ReceiverSession>(filesystem, std::move(dev_fuse), receiver_counts(settings));
    if (const Status ready = session->set_up(fd, settings); !ready) return ready.error();
    return std::unique_ptr<Session>(std::move(session));
}

}  // namespace bandfs
