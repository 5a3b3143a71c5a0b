#include "cmd/server.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <chrono>

#include <spdlog/spdlog.h>

#include "cmd/list_report.h"
#include "cmd/log.h"
#include "cmd/mount_places.h"
#include "cmd/privileges.h"
#include "cmd/reload.h"
#include "sys/clock.h"
#include "sys/daemon.h"
#include "sys/fuse_mount.h"
#include "sys/mount_table.h"
#include "sys/namespaces.h"

namespace bandfs {
namespace {

constexpr TimeNs kFirstMessageFor = 5 * kSecond;  // a peer that says nothing is told to go
constexpr TimeNs kMountingFor = 60 * kSecond;     // between offer and serve the peer mounts, perhaps an automount below
constexpr TimeNs kInitFor = 15 * kSecond;         // the kernel's INIT
constexpr TimeNs kReplyFor = 5 * kSecond;         // a peer that does not take its answer
constexpr TimeNs kGoingFor = 2 * kSecond;         // the kernel tells of the end of a mount
constexpr TimeNs kFinishingFor = 25 * kSecond;    // a mount that has been unmounted finishes what it has
constexpr std::size_t kMaxWaitingPeers = 64;      // conversations without a mount; others wait to be accepted

bool is_directory(int fd) {
    struct stat facts {};
    return ::fstat(fd, &facts) == 0 && S_ISDIR(facts.st_mode);
}

bool is_socket(int fd) {
    struct stat facts {};
    return ::fstat(fd, &facts) == 0 && S_ISSOCK(facts.st_mode);
}

/// A socket that is closed with something unread takes the answer with it.
void discard_received(int socket) {
    constexpr int kMessages = 64;
    std::byte byte;
    int left = kMessages;
    while (left > 0 && ::recv(socket, &byte, 1, MSG_DONTWAIT | MSG_TRUNC) > 0) --left;
}

/// As a log names them: "uid 0, process 17".
std::string who_is(uid_t uid, pid_t pid) {
    return "uid " + std::to_string(uid) + ", process " + std::to_string(pid);
}

/// Descriptors that a mount has as long as it lives, for each thread that receives its requests and more. When mounts
/// have most of those that there may be, too few are left for files.
constexpr std::uint64_t kDescriptorsOfMount = 20;

Outcome<Done> check_descriptors(std::size_t mounts) {
    const std::uint64_t limit = descriptor_limit();
    if ((mounts + 1) * kDescriptorsOfMount <= limit / 4 * 3) return Done{};
    return Failure{ExitCode::system, "too many mounts for a server that may open " + std::to_string(limit) +
                                         " files and serves " + std::to_string(mounts) +
                                         " mounts: raise the limit (ulimit -Hn), or give another devgroup"};
}

/// What the kernel says of callers are numbers in the namespaces of who mounted.
Outcome<Done> check_namespaces(const PeerIds& peer, const std::string& device_group) {
    if (!proc_is_ours()) {
        return Failure{ExitCode::system,
                       "/proc is that of another pid namespace, and callers cannot be found there: "
                       "mount one (unshare --mount-proc)"};
    }
    if (is_in_our_namespaces(peer.pid)) return Done{};
    return Failure{ExitCode::conflict, "the server of device group " + device_group +
                                           " runs in another pid or user namespace, where callers have other "
                                           "numbers; give another devgroup"};
}

/// "8:1".
std::string device_text(dev_t device) {
    return std::to_string(major(device)) + ":" + std::to_string(minor(device));
}

}  // namespace

Server::Server(ServerPost post)
    : post_(std::move(post)),
      service_(post_.name),
      signals_(signal_descriptor({SIGTERM, SIGINT, SIGHUP, SIGCHLD})),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

Server::~Server() = default;

int Server::run(UniqueFd first, pid_t client) {
    client_ = client;
    begin(std::move(first));
    while (true) {
        remove_finished();
        {
            std::lock_guard lock(mutex_);
            if (conversations_.empty()) break;
        }
        const bool accepting = !leaving_ && has_room();
        std::array<pollfd, 3> waits{pollfd{signals_.get(), POLLIN, 0}, pollfd{wake_.get(), POLLIN, 0},
                                    pollfd{accepting ? post_.listener.get() : -1, POLLIN, 0}};
        ::poll(waits.data(), waits.size(), -1);
        std::uint64_t count = 0;
        if (::read(wake_.get(), &count, sizeof count) < 0) count = 0;  // nothing but a wake-up
        if (take_signals()) {
            if (leaving_) leave_at_once();
            leave_in_order();
        }
        if (accepting && (waits[2].revents & POLLIN) != 0) {
            if (auto socket = accept_next(post_.listener.get())) begin(std::move(*socket));
        }
    }
    post_.leave();
    // The command's own part is done: it had its answer before its conversation ended.
    int status = 0;
    if (client_ > 0 && ::waitpid(client_, &status, 0) == client_) note_client(status);
    return client_code_;
}

void Server::note_client(int status) {
    client_ = 0;
    client_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : static_cast<int>(ExitCode::interrupted);
}

/// True when the server is asked to leave.
bool Server::take_signals() {
    bool leave = false;
    for (signalfd_siginfo signal{}; ::read(signals_.get(), &signal, sizeof signal) == sizeof signal;) {
        if (signal.ssi_signo == SIGTERM || signal.ssi_signo == SIGINT) leave = true;
        if (signal.ssi_signo != SIGHUP) continue;
        const auto done = reload({}, who_is(signal.ssi_uid, static_cast<pid_t>(signal.ssi_pid)));
        if (!done) complain("SIGHUP: nothing is changed: " + done.failure().message);
    }
    int status = 0;
    if (client_ > 0 && ::waitpid(client_, &status, WNOHANG) == client_) note_client(status);
    return leave;
}

/// An error of all mounts: into the log of each, and once into the server's.
void Server::complain(const std::string& line) {
    spdlog::error("{}", line);
    std::lock_guard lock(mutex_);
    for (Conversation& conversation : conversations_) {
        if (conversation.serving && conversation.mount != nullptr) conversation.mount->remember(line);
    }
}

void Server::leave_in_order() {
    leaving_ = true;
    spdlog::info("leaving: what is held and in flight is finished first");
    std::lock_guard lock(mutex_);
    for (Conversation& conversation : conversations_) {
        if (conversation.mount != nullptr) conversation.mount->leave();
        if (!conversation.serving) ::shutdown(conversation.socket.get(), SHUT_RDWR);
    }
}

void Server::leave_at_once() {
    spdlog::warn("leaving at once");
    {
        std::lock_guard lock(mutex_);
        for (Conversation& conversation : conversations_) {
            if (conversation.mount != nullptr) conversation.mount->detach();
        }
    }
    post_.leave();
    std::_Exit(static_cast<int>(ExitCode::ok));
}

void Server::remove_finished() {
    std::list<Conversation> finished;
    {
        std::lock_guard lock(mutex_);
        for (auto at = conversations_.begin(); at != conversations_.end();) {
            const auto next = std::next(at);
            if (at->done) finished.splice(finished.end(), conversations_, at);
            at = next;
        }
    }
    for (Conversation& conversation : finished) conversation.thread.join();
}

bool Server::has_room() {
    std::lock_guard lock(mutex_);
    std::size_t waiting = 0;
    for (const Conversation& conversation : conversations_) waiting += conversation.serving ? 0 : 1;
    return waiting < kMaxWaitingPeers;
}

/// Mounts of one scheduler must not lie on each other: a unit of the upper one would be in flight, and wait for one of
/// the lower one that the upper one keeps from being issued.
Outcome<Done> Server::check_against_others(const OfferMessage& offer, dev_t source_device) {
    std::lock_guard lock(mutex_);
    for (const Conversation& conversation : conversations_) {
        if (conversation.mount == nullptr) continue;
        const MountInfo& other = conversation.mount->info();
        const bool on_it = conversation.mount->device() == source_device;
        const bool holds_it = lies_below(other.mountpoint, offer.source) || lies_below(offer.mountpoint, other.source);
        if (on_it || holds_it) {
            return Failure{ExitCode::source,
                           "the mount of " + offer.source + " and that of " + other.source + " on " + other.mountpoint +
                               " would contain each other in one device group; give one of them another devgroup"};
        }
    }
    return check_descriptors(mounts_);
}

/// What mounts had in force that have been unmounted is nothing to another one: it comes when they have finished.
Outcome<std::shared_ptr<Gate>> Server::join(const DeviceRequest& wanted) {
    std::unique_lock lock(mutex_);
    const auto some_are_there = [this] {
        return std::ranges::any_of(conversations_, [](const Conversation& each) {
            return each.mount != nullptr && !each.mount->is_unmounted();
        });
    };
    if (mounts_ != 0 && !some_are_there()) {
        // One that was detached (umount -l) and is in use goes on, and is shared with.
        const bool going = mount_gone_.wait_for(lock, std::chrono::nanoseconds(kGoingFor), [this] {
            return std::ranges::all_of(conversations_, [](const Conversation& each) { return each.mount == nullptr; });
        });
        const auto gone = [&] { return mounts_ == 0 || some_are_there(); };
        if (going && !mount_gone_.wait_for(lock, std::chrono::nanoseconds(kFinishingFor), gone)) {
            return Failure{ExitCode::server, "device group " + service_.name() +
                                                 ": its last mount still finishes what it had in flight; try again"};
        }
    }
    lock.unlock();
    return service_.join(wanted);
}

void Server::begin(UniqueFd socket) {
    std::lock_guard lock(mutex_);
    Conversation& conversation = conversations_.emplace_back();
    conversation.socket = std::move(socket);
    conversation.thread = std::thread([this, &conversation] { hold_conversation(conversation); });
}

/// The life of a conversation's thread.
void Server::hold_conversation(Conversation& conversation) {
    if (const auto answered = answer(conversation); !answered) {
        const Failure& failure = answered.failure();
        spdlog::warn("a command was refused: {}", failure.message);
        discard_received(conversation.socket.get());
        // A peer that is gone, or does not listen, misses the reason; there is nobody else to tell.
        (void)send_message(conversation.socket.get(), encode_refusal(failure), {}, now_ns() + kReplyFor);
    }
    std::unique_ptr<ServedMount> mount;
    {
        std::lock_guard lock(mutex_);
        mount = std::move(conversation.mount);
        mount_gone_.notify_all();
    }
    const bool had_mount = mount != nullptr;
    mount.reset();  // waits for what is in flight: not under the lock
    std::lock_guard lock(mutex_);
    if (had_mount) --mounts_;
    mount_gone_.notify_all();
    conversation.socket.reset();
    conversation.done = true;
    const std::uint64_t one = 1;
    if (::write(wake_.get(), &one, sizeof one) < 0) return;  // full: run() is awake anyway
}

Outcome<Done> Server::answer(Conversation& conversation) {
    const int socket = conversation.socket.get();
    const auto peer = peer_of(socket);
    if (!peer || (peer->uid != ::geteuid() && peer->uid != 0)) {
        return Failure{ExitCode::permission, "this server serves another user"};
    }
    auto message = receive_message(socket, now_ns() + kFirstMessageFor);
    if (!message) return system_failure(ExitCode::server, "first message", message.error());
    auto command = decode_command(message->text);
    if (!command) return command.failure();
    if (command->verb == Verb::list) return list_for(conversation);
    if (command->verb == Verb::reload) return reload_for(conversation, *peer, command->reload);
    if (command->verb == Verb::offer) return mount_for(conversation, *peer, std::move(*command), std::move(*message));
    return Failure{ExitCode::server, "message not expected: nothing has been offered"};
}

Outcome<std::unique_ptr<ServedMount>> Server::prepare(const OfferMessage& offer, const PeerIds& peer,
                                                      SocketMessage& message) {
    if (offer.device_group != service_.name())
        return Failure{ExitCode::server, "this is not the server of that device group"};
    if (message.descriptors.size() != 1 || !is_directory(message.descriptors[0].get())) {
        return Failure{ExitCode::source, "no descriptor of a SOURCE directory came with the offer"};
    }
    const UniqueFd source = std::move(message.descriptors[0]);
    struct stat facts {};
    if (::fstat(source.get(), &facts) != 0) return system_failure(ExitCode::source, offer.source, last_errno());
    if (auto knows = check_namespaces(peer, service_.name()); !knows) return knows.failure();
    if (auto fits = check_against_others(offer, facts.st_dev); !fits) return fits.failure();
    std::vector<WrittenOption> options;
    for (const std::string& option : offer.options) {
        const std::size_t equals = option.find('=');
        options.push_back({option.substr(0, equals),
                           equals == std::string::npos ? std::nullopt : std::optional(option.substr(equals + 1))});
    }
    AskedMount asked{offer.source, offer.mountpoint, std::move(options)};
    const auto config = MountConfig::read(asked, true);
    if (!config) return config.failure();
    const auto request = config->request(service_.name());
    if (!request) return request.failure();
    auto gate = join(request->device);
    if (!gate) return gate.failure();
    MountInfo info{.source = offer.source,
                   .mountpoint = offer.mountpoint,
                   .device = device_text(facts.st_dev),
                   .device_group = service_.name(),
                   .owner = peer.uid,
                   .owner_group = peer.gid,
                   .options = further_options(config->all_options())};
    return ServedMount::prepare(*request, std::move(asked), std::move(info), source, std::move(*gate),
                                service_.callers());
}

Outcome<Done> Server::mount_for(Conversation& conversation, const PeerIds& peer, CommandMessage command,
                                SocketMessage message) {
    const int socket = conversation.socket.get();
    auto prepared = prepare(command.offer, peer, message);
    if (!prepared) return prepared.failure();
    ServedMount& mount = **prepared;
    {
        std::lock_guard lock(mutex_);
        conversation.mount = std::move(*prepared);
        ++mounts_;
    }
    if (const Status sent = send_message(socket, encode_ok(), {}, now_ns() + kReplyFor); !sent) {
        return system_failure(ExitCode::server, mount.info().mountpoint, sent.error());
    }
    auto reply = receive_message(socket, now_ns() + kMountingFor);
    if (!reply) return system_failure(ExitCode::server, mount.info().mountpoint + ": not mounted", reply.error());
    const auto serve = decode_command(reply->text);
    if (!serve) return serve.failure();
    std::vector<UniqueFd>& descriptors = reply->descriptors;
    const bool fits = serve->verb == Verb::serve && !descriptors.empty() && descriptors.size() <= 2 &&
                      is_fuse_device(descriptors[0].get()) &&
                      (descriptors.size() < 2 || is_socket(descriptors[1].get()));
    if (!fits) return Failure{ExitCode::server, "message not expected: no descriptor of /dev/fuse to serve"};

    UniqueFd watch = descriptors.size() == 2 ? std::move(descriptors[1]) : UniqueFd();
    const auto served =
        mount.serve(std::move(descriptors[0]), std::move(watch), serve->serve.device, now_ns() + kInitFor);
    if (!served) return served;
    {
        std::lock_guard lock(mutex_);
        conversation.serving = true;
    }
    spdlog::info("{} mounted on {}, device group {}", mount.info().source, mount.info().mountpoint, service_.name());
    (void)send_message(socket, encode_ok(), {},
                       now_ns() + kReplyFor);  // a command that was killed meanwhile: mounted all the same
    mount.wait_until_gone();
    spdlog::info("{} is gone", mount.info().mountpoint);
    return Done{};
}

Outcome<Done> Server::list_for(Conversation& conversation) {
    std::vector<std::string> lines;
    {
        std::lock_guard lock(mutex_);
        for (Conversation& other : conversations_) {
            if (other.serving && other.mount != nullptr) append_report(lines, *other.mount);
        }
    }
    for (const std::string& line : lines) {
        if (!send_message(conversation.socket.get(), line, {}, now_ns() + kReplyFor)) return Done{};
    }
    (void)send_message(conversation.socket.get(), encode_end(), {}, now_ns() + kReplyFor);
    return Done{};
}

Outcome<std::vector<std::string>> Server::reload(const ReloadMessage& message, const std::string& who) {
    struct Chosen {
        ServedMount* mount;
        AskedMount asked;
    };
    std::vector<Chosen> chosen;
    {
        std::lock_guard lock(mutex_);
        for (Conversation& conversation : conversations_) {
            if (!conversation.serving || conversation.mount == nullptr) continue;
            const AskedMount& asked = conversation.mount->asked();
            if (message.target.empty() || message.target == asked.mountpoint) {
                chosen.push_back({conversation.mount.get(), asked});
            }
        }
    }
    if (chosen.empty()) return Failure{ExitCode::no_mount, "there is no such mount"};
    // Files are read, and users looked up, with no lock held.
    std::vector<ReloadedMount> read;
    for (Chosen& each : chosen) {
        auto reloaded = read_again(each.mount, each.asked, service_.name());
        if (!reloaded) return reloaded.failure();
        read.push_back(std::move(*reloaded));
    }
    std::lock_guard lock(mutex_);
    std::vector<ReloadedMount> all;
    for (Conversation& conversation : conversations_) {
        if (conversation.mount == nullptr) continue;
        ReloadedMount& mount = all.emplace_back(ReloadedMount{conversation.mount.get(), {}, {}});
        for (ReloadedMount& each : read) {
            if (each.mount == mount.mount) mount = std::move(each);
        }
    }
    return apply_reload(service_, all, message.apply, who);
}

Outcome<Done> Server::reload_for(Conversation& conversation, const PeerIds& peer, const ReloadMessage& message) {
    const auto lines = reload(message, who_is(peer.uid, peer.pid));
    if (!lines) return lines.failure();
    for (const std::string& line : *lines) {
        if (!send_message(conversation.socket.get(), encode_line(line), {}, now_ns() + kReplyFor)) return Done{};
    }
    (void)send_message(conversation.socket.get(), encode_ok(), {}, now_ns() + kReplyFor);
    return Done{};
}

void become_server(ServerPost post, UniqueFd first) {
    if (const Status left = leave_terminal(); !left) std::_Exit(static_cast<int>(ExitCode::system));
    close_all_but({post.directory.get(), post.lock.get(), post.listener.get(), first.get()});
    log_to_syslog();
    settle_process();
    std::_Exit(Server(std::move(post)).run(std::move(first), 0));
}

int serve_in_foreground(ServerPost post, UniqueFd first, pid_t client) {
    log_to_terminal();
    settle_process();
    return Server(std::move(post)).run(std::move(first), client);
}

}  // namespace bandfs
