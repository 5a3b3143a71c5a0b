#include "cmd/election.h"

#include <unistd.h>

#include <ctime>

#include "sys/clock.h"
#include "sys/runtime_directory.h"
#include "sys/unix_socket.h"

namespace bandfs {
namespace {

constexpr TimeNs kRetryEvery = 10 * kMillisecond;

void pause_for(TimeNs length) {
    const timespec time{.tv_sec = length / kSecond, .tv_nsec = length % kSecond};
    ::nanosleep(&time, nullptr);
}

std::string lock_name(const std::string& name) {
    return name + ".lock";
}
std::string socket_name(const std::string& name) {
    return name + ".sock";
}

}  // namespace

void ServerPost::leave() {
    // A command that comes between these lines finds the lock taken and nobody listening, and tries again.
    listener.reset();
    ::unlinkat(directory.get(), socket_name(name).c_str(), 0);
    remove_lock(directory.get(), lock_name(name));
    lock.reset();
}

Outcome<Elected> elect(const std::string& runtime_directory, const std::string& name, TimeNs deadline) {
    auto directory = open_runtime_directory(runtime_directory, ::geteuid(), true);
    if (!directory) {
        if (directory.error() == Errno{EPERM}) {
            return Failure{ExitCode::system, runtime_directory + ": must be a directory of this user with mode 0700"};
        }
        return system_failure(ExitCode::system, runtime_directory, directory.error());
    }
    while (true) {
        auto lock = take_lock(directory->get(), lock_name(name));
        if (lock) {
            auto listener = listen_at(directory->get(), socket_name(name));
            if (!listener)
                return system_failure(ExitCode::system, runtime_directory + "/" + socket_name(name), listener.error());
            return Elected{ServerPost{std::move(*directory), name, std::move(*lock), std::move(*listener)}, {}};
        }
        if (lock.error() != Errno{EWOULDBLOCK}) {
            return system_failure(ExitCode::system, runtime_directory + "/" + lock_name(name), lock.error());
        }
        auto connection = connect_to(directory->get(), socket_name(name), deadline);
        if (connection) return Elected{std::nullopt, std::move(*connection)};
        if (connection.error() == Errno{EPERM}) {
            return Failure{ExitCode::permission,
                           runtime_directory + "/" + socket_name(name) + ": another user's process listens there"};
        }
        if (now_ns() >= deadline) {
            return Failure{ExitCode::server,
                           "the server of device group " + name + " does not answer: " + words_of(connection.error())};
        }
        pause_for(kRetryEvery);
    }
}

}  // namespace bandfs
