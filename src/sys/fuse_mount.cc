#include "sys/fuse_mount.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <sstream>

#include "sys/daemon.h"
#include "sys/mount_table.h"

namespace bandfs {
namespace {

constexpr const char* kDevice = "/dev/fuse";
constexpr unsigned kDeviceMajor = 10, kDeviceMinor = 229;
constexpr const char* kHelper = "fusermount3";
constexpr const char* kHelperPath = "/usr/bin/fusermount3";  // when PATH does not lead to it
constexpr int kHelperSocket = 3;                             // its number in the helper

/// Runs fusermount3 with these arguments; `socket` (-1: none) is handed over as _FUSE_COMMFD, `errors` is its stderr.
Result<pid_t> spawn_helper(std::vector<std::string> arguments, int socket, int errors) {
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO);
    if (socket >= 0) ::posix_spawn_file_actions_adddup2(&actions, socket, kHelperSocket);

    arguments.insert(arguments.begin(), kHelper);
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);

    std::string socket_variable = "_FUSE_COMMFD=" + std::to_string(kHelperSocket);
    std::vector<char*> environment;
    for (char** variable = environ; *variable != nullptr; ++variable) {
        if (std::strncmp(*variable, "_FUSE_COMMFD=", 13) != 0) environment.push_back(*variable);
    }
    environment.push_back(socket_variable.data());
    environment.push_back(nullptr);

    // A server blocks the signals that it reads from a descriptor; the helper must not inherit that.
    posix_spawnattr_t attributes;
    ::posix_spawnattr_init(&attributes);
    sigset_t none;
    ::sigemptyset(&none);
    ::posix_spawnattr_setsigmask(&attributes, &none);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);

    pid_t pid = -1;
    int error = ::posix_spawnp(&pid, kHelper, &actions, &attributes, argv.data(), environment.data());
    if (error == ENOENT)
        error = ::posix_spawn(&pid, kHelperPath, &actions, &attributes, argv.data(), environment.data());
    ::posix_spawnattr_destroy(&attributes);
    ::posix_spawn_file_actions_destroy(&actions);
    if (error != 0) return Errno{error};
    return pid;
}

/// The exit status of a child, -1 when it did not end by itself.
int wait_for_exit(pid_t pid) {
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/// Receives the one descriptor that fusermount3 sends when it has mounted; EPERM when it left without.
Result<UniqueFd> receive_device(int socket) {
    char byte = 0;
    iovec piece{&byte, 1};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr header{};
    header.msg_iov = &piece;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    ssize_t got = -1;
    while ((got = ::recvmsg(socket, &header, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR) {
    }
    const cmsghdr* part = got > 0 ? CMSG_FIRSTHDR(&header) : nullptr;
    if (part == nullptr || part->cmsg_type != SCM_RIGHTS) return Errno{EPERM};
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(part), sizeof fd);
    return UniqueFd(fd);
}

/// Everything in a pipe whose writer is gone, without the last newline.
std::string read_complaint(int pipe) {
    std::string text;
    std::array<char, 1024> piece;
    for (ssize_t got; (got = ::read(pipe, piece.data(), piece.size())) > 0;) {
        text.append(piece.data(), static_cast<std::size_t>(got));
    }
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
}

/// A comma or backslash inside one option is escaped for fusermount3, which splits at commas.
std::string escaped(const std::string& text) {
    std::string safe;
    for (const char c : text) {
        if (c == ',' || c == '\\') safe += '\\';
        safe += c;
    }
    return safe;
}

std::string helper_options(const FuseMountSettings& settings) {
    std::string options = "fsname=" + escaped(settings.source) + ",subtype=" + escaped(settings.subtype);
    for (const std::string& option : settings.kernel_options) options += "," + option;
    for (const std::string& option : settings.flag_options) options += "," + option;
    return options;
}

}  // namespace

Result<UniqueFd> mount_fuse(const FuseMountSettings& settings) {
    UniqueFd device(::open(kDevice, O_RDWR | O_CLOEXEC));
    if (!device) return last_errno();
    struct stat facts {};
    if (::stat(settings.mountpoint.c_str(), &facts) != 0) return last_errno();

    std::ostringstream data;
    data << "fd=" << device.get() << ",rootmode=" << std::oct << (facts.st_mode & S_IFMT) << std::dec
         << ",user_id=" << ::getuid() << ",group_id=" << ::getgid();
    for (const std::string& option : settings.kernel_options) data << ',' << option;

    const std::string type = "fuse." + settings.subtype;
    if (::mount(settings.source.c_str(), settings.mountpoint.c_str(), type.c_str(), settings.flags,
                data.str().c_str()) != 0) {
        return last_errno();
    }
    return device;
}

Result<UniqueFd> mount_through_fusermount(const FuseMountSettings& settings, std::string& ret_said) {
    int sockets[2], pipes[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0) return last_errno();
    UniqueFd ours(sockets[0]), theirs(sockets[1]);
    if (::pipe2(pipes, O_CLOEXEC) != 0) return last_errno();
    UniqueFd complaint(pipes[0]), errors(pipes[1]);

    const auto helper =
        spawn_helper({"-o", helper_options(settings), "--", settings.mountpoint}, theirs.get(), errors.get());
    if (!helper) return helper.error();
    theirs.reset();
    errors.reset();

    auto device = receive_device(ours.get());
    wait_for_exit(*helper);
    if (!device) ret_said = read_complaint(complaint.get());
    return device;
}

unsigned long access_time_flag(unsigned long asked, int source) {
    struct statvfs there {};
    if ((asked & (MS_NOATIME | MS_RELATIME)) != 0) return 0;
    if (::fstatvfs(source, &there) != 0 || (there.f_flag & ST_RELATIME) != 0) return MS_RELATIME;
    return (there.f_flag & ST_NOATIME) != 0 ? MS_NOATIME : MS_STRICTATIME;
}

Status change_mount_flags(const std::string& mountpoint, unsigned long flags) {
    if (::mount(nullptr, mountpoint.c_str(), nullptr, MS_REMOUNT | flags, nullptr) != 0) return last_errno();
    return {};
}

Status unmount_fuse(const std::string& mountpoint) {
    if (::umount2(mountpoint.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0) return {};
    const Errno why = last_errno();
    if (why != Errno{EPERM}) return why;
    UniqueFd null(::open("/dev/null", O_WRONLY | O_CLOEXEC));
    const auto helper = spawn_helper({"-u", "-q", "-z", "--", mountpoint}, -1, null.get());
    if (!helper) return helper.error();
    return wait_for_exit(*helper) == 0 ? Status{} : Status{Errno{EPERM}};
}

Result<UniqueFd> watch_mount(dev_t device) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return last_errno();
    UniqueFd held(ends[0]), watched(ends[1]);
    const pid_t watcher = ::fork();
    if (watcher < 0) return last_errno();
    if (watcher > 0) return held;

    held.reset();
    if (!leave_terminal()) ::_exit(EXIT_FAILURE);
    close_all_but({watched.get()});
    char byte = 0;
    while (::read(watched.get(), &byte, 1) > 0 || errno == EINTR) errno = 0;
    // An orderly server has unmounted already.
    const std::string where = fuse_mount_point(device);
    if (!where.empty()) (void)unmount_fuse(where);
    ::_exit(EXIT_SUCCESS);
}

bool is_fuse_device(int fd) {
    struct stat facts {};
    return ::fstat(fd, &facts) == 0 && S_ISCHR(facts.st_mode) && facts.st_rdev == makedev(kDeviceMajor, kDeviceMinor);
}

}  // namespace bandfs
