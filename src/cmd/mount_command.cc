#include "cmd/mount_command.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "cmd/election.h"
#include "cmd/mount_config.h"
#include "cmd/mount_places.h"
#include "cmd/mount_request.h"
#include "cmd/remount.h"
#include "cmd/server.h"
#include "cmd/wire.h"
#include "disk/disk_name.h"
#include "sys/clock.h"
#include "sys/daemon.h"
#include "sys/fuse_mount.h"
#include "sys/mount_table.h"
#include "sys/runtime_directory.h"
#include "sys/unix_socket.h"

namespace bandfs {
namespace {

constexpr TimeNs kElectionFor = 10 * kSecond;  // a server that is starting or leaving takes much less
constexpr TimeNs kSendFor = 5 * kSecond;
constexpr TimeNs kAnswerFor = 30 * kSecond;  // opening SOURCE, and INIT

/// Everything the command knows of the mount it is to make.
struct Plan {
    MountRequest request;
    MountPlaces places;
    std::string device_group;
    OfferMessage offer;
    bool stays = false;  ///< the command ends with the mount, not when it answers
};

ExitCode complain(const Failure& failure) {
    std::fprintf(stderr, "bandfs: %s\n", failure.message.c_str());
    return failure.code;
}

/// The server that left before it took the offer: another has to be found.
bool is_gone(const Failure& failure) {
    return failure.code == ExitCode::server && failure.message.empty();
}
const Failure kServerGone{ExitCode::server, ""};

/// config=FILE with an absolute path: the server's working directory is another.
std::vector<WrittenOption> with_absolute_config(std::vector<WrittenOption> options) {
    for (WrittenOption& option : options) {
        if (option.name == "config" && option.value && *option.value != "none" && !option.value->empty()) {
            option.value = std::filesystem::absolute(*option.value).lexically_normal().string();
        }
    }
    return options;
}

Outcome<std::string> disk_of(const MountLine& line, const MountPlaces& places) {
    const auto mount = mount_of(places.source_directory.get());
    if (!mount)
        return system_failure(ExitCode::source, line.source + ": which disk it is on cannot be seen", mount.error());
    return disk_name(*BlockView::of_system(), *mount);
}

Outcome<Plan> make_plan(const MountLine& line) {
    // A wrong option is said before a wrong place.
    if (const auto options = check_options(line.options); !options) return options.failure();
    auto places = look_at_places(line.source, line.mountpoint);
    if (!places) return places.failure();
    const AskedMount asked{places->source, places->mountpoint, with_absolute_config(line.options)};
    const auto config = MountConfig::read(asked, true);
    if (!config) return config.failure();
    auto device_group = config->device_group();
    if (!device_group) {
        auto disk = disk_of(line, *places);
        if (!disk) return disk.failure();
        device_group = std::move(*disk);
    }
    auto request = config->request(*device_group);
    if (!request) return request.failure();
    const bool root = ::geteuid() == 0;
    if (!root && (request->suid || request->dev)) {
        return Failure{ExitCode::permission,
                       std::string("option ") + (request->suid ? "suid" : "dev") + ": only root may give it"};
    }

    Plan plan{std::move(*request), std::move(*places), std::move(*device_group), {}, line.foreground};
    plan.offer = {plan.device_group, plan.places.source, plan.places.mountpoint, {}};
    for (const WrittenOption& option : asked.options) {
        plan.offer.options.push_back(option.value ? option.name + "=" + *option.value : option.name);
    }
    return plan;
}

FuseMountSettings settings_for(const Plan& plan) {
    const MountRequest& request = plan.request;
    const unsigned long flags = request.kernel_flags;
    FuseMountSettings settings{.mountpoint = plan.places.mountpoint,
                               .source = request.fsname.value_or(plan.places.source),
                               .subtype = request.subtype,
                               .flags = flags | access_time_flag(flags, plan.places.source_directory.get()),
                               .kernel_options = {"default_permissions"},
                               .flag_options = request.flag_options};
    // For allow_root the kernel lets everybody in, and libfuse turns all but the owner and root away.
    if (request.allow_other || request.allow_root) settings.kernel_options.push_back("allow_other");
    if (request.max_read) settings.kernel_options.push_back("max_read=" + std::to_string(*request.max_read));
    return settings;
}

Outcome<UniqueFd> make_mount(const Plan& plan) {
    const FuseMountSettings settings = settings_for(plan);
    const std::string& where = plan.places.mountpoint;
    if (::geteuid() == 0) {
        auto device = mount_fuse(settings);
        if (!device) return system_failure(ExitCode::mount, where + ": cannot be mounted", device.error());
        return std::move(*device);
    }
    std::string said;
    auto device = mount_through_fusermount(settings, said);
    if (device) return std::move(*device);
    if (device.error() == Errno{ENOENT}) {
        return Failure{ExitCode::mount, "fusermount3 is not installed; an ordinary user needs it to mount"};
    }
    return Failure{ExitCode::mount, where + ": cannot be mounted: " + (said.empty() ? words_of(device.error()) : said)};
}

/// Sends a message and waits for the server's word on it.
Outcome<Done> ask(int connection, const std::string& text, std::span<const int> descriptors) {
    if (const Status sent = send_message(connection, text, descriptors, now_ns() + kSendFor); !sent) {
        if (sent.error() == Errno{EPIPE}) return kServerGone;
        return system_failure(ExitCode::server, "the server does not listen", sent.error());
    }
    const auto answer = receive_message(connection, now_ns() + kAnswerFor);
    if (!answer && answer.error() == Errno{EPIPE}) return kServerGone;
    if (!answer) return system_failure(ExitCode::server, "the server does not answer", answer.error());
    return decode_answer(answer->text);
}

/// st_dev of what was just mounted there, without asking its file system, which nobody serves yet.
dev_t device_mounted_at(const std::string& mountpoint) {
    const auto entries = read_mount_table();
    dev_t device = 0;
    if (!entries) return device;
    for (const MountEntry& entry : *entries) {
        if (entry.mount_point == mountpoint) device = entry.device;  // the last one is on top
    }
    return device;
}

/// Hands the mount over.
Outcome<Done> serve(const Plan& plan, const UniqueFd& connection, const UniqueFd& fuse) {
    const dev_t device = device_mounted_at(plan.places.mountpoint);
    std::vector<int> descriptors{fuse.get()};
    UniqueFd watch;
    if (plan.request.auto_unmount) {
        auto started = watch_mount(device);
        if (!started) return system_failure(ExitCode::system, "option auto_unmount", started.error());
        watch = std::move(*started);
        descriptors.push_back(watch.get());
    }
    return ask(connection.get(), encode(ServeMessage{device}), descriptors);
}

/// Offers, mounts, hands over. kServerGone when the server left before anything was mounted.
Outcome<Done> hand_over(const Plan& plan, const UniqueFd& connection) {
    const int source = plan.places.source_directory.get();
    if (auto accepted = ask(connection.get(), encode(plan.offer), {&source, 1}); !accepted) return accepted;

    auto fuse = make_mount(plan);
    if (!fuse) return fuse.failure();
    const auto served = serve(plan, connection, *fuse);
    if (served) return served;
    (void)unmount_fuse(plan.places.mountpoint);  // best effort: the failure to report is the other one
    if (is_gone(served.failure())) return Failure{ExitCode::server, "the server ended while the mount was handed over"};
    return served;
}

/// The post of a server is ours: a child takes it, or with -f this process does and the child hands over.
/// Returns the connection to talk through, in the process that is to talk.
Outcome<UniqueFd> start_server(ServerPost post, Plan& plan) {
    auto ends = socket_pair();
    if (!ends) return system_failure(ExitCode::system, "socketpair", ends.error());
    const pid_t child = ::fork();
    if (child < 0) return system_failure(ExitCode::system, "fork", last_errno());
    const bool serve_here = plan.stays ? child > 0 : child == 0;
    if (!serve_here) {
        plan.stays = false;
        return std::move(ends->first);
    }
    ends->first.reset();
    if (child == 0) become_server(std::move(post), std::move(ends->second));
    plan.places.source_directory.reset();
    std::exit(serve_in_foreground(std::move(post), std::move(ends->second), child));
}

/// With -f, beside a server that runs already: stays until the mount is gone, and takes it down when it is asked to
/// end.
Outcome<Done> stay_with(const UniqueFd& connection, const std::string& mountpoint) {
    const UniqueFd signals = signal_descriptor({SIGTERM, SIGINT});
    while (!wait_for_hangup_or(connection.get(), signals.get())) {
        signalfd_siginfo signal{};
        if (::read(signals.get(), &signal, sizeof signal) < 0) continue;
        if (const Status gone = unmount_fuse(mountpoint); !gone) return Done{};
    }
    struct statfs facts {};  // which the kernel always asks the server for
    if (::statfs(mountpoint.c_str(), &facts) == 0) return Done{};
    const int code = last_errno().code;
    if (code != ENOTCONN && code != ECONNABORTED) return Done{};
    return Failure{ExitCode::server, mountpoint + ": its server has ended, and nobody answers there: unmount it"};
}

}  // namespace

ExitCode run_mount(const MountLine& line) {
    if (is_remount(line)) {
        const auto done = remount(line);
        return done ? ExitCode::ok : complain(done.failure());
    }
    auto plan = make_plan(line);
    if (!plan) return complain(plan.failure());
    if (line.fake) return ExitCode::ok;
    const std::string hidden =
        what_is_hidden(plan->places.source_directory.get(), plan->places.source, plan->request.mount.control_name);
    if (!hidden.empty()) std::fprintf(stderr, "bandfs: %s\n", hidden.c_str());
    if (plan->request.debug) plan->stays = true;
    const std::string directory = runtime_directory_path(::geteuid(), std::getenv("XDG_RUNTIME_DIR"));
    const TimeNs deadline = now_ns() + kElectionFor;
    while (true) {
        auto elected = elect(directory, plan->device_group, deadline);
        if (!elected) return complain(elected.failure());
        UniqueFd connection = std::move(elected->connection);
        if (elected->post) {
            auto started = start_server(std::move(*elected->post), *plan);
            if (!started) return complain(started.failure());
            connection = std::move(*started);
        }
        const auto done = hand_over(*plan, connection);
        if (done) {
            const auto stayed = plan->stays ? stay_with(connection, plan->places.mountpoint) : Done{};
            return stayed ? ExitCode::ok : complain(stayed.failure());
        }
        if (!is_gone(done.failure())) return complain(done.failure());
        if (now_ns() >= deadline)
            return complain({ExitCode::server, "the server of device group " + plan->device_group + " left"});
    }
}

}  // namespace bandfs
