#include "cmd/doctor_checks.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "cmd/outcome.h"
#include "cmd/version.h"
#include "disk/disk_name.h"
#include "sys/mount_table.h"
#include "sys/runtime_directory.h"
#include "sys/unique_fd.h"

namespace bandfs {
namespace {

constexpr rlim_t kGoodDescriptorLimit = 65536;
constexpr long kShortestRequestTimeout = 60;  // seconds; twice the longest hold

/// The first line of a file, "" when there is none.
std::string line_of(const std::string& path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
}

Finding kernel() {
    utsname name{};
    ::uname(&name);
    Finding finding{"kernel", Health::good, name.release, {}};
    if (!release_is_at_least(name.release, 5, 9)) {
        finding.health = Health::missing;
        finding.remedy = "bandfs needs Linux 5.9 or later";
    } else if (!release_is_at_least(name.release, 6, 13)) {
        finding.health = Health::degraded;
        finding.remedy = "from Linux 6.13 on callers are resolved without reading /proc";
    }
    return finding;
}

Finding libfuse() {
    std::string version = version_text();
    version.pop_back();
    return {"libfuse", Health::good, version, {}};
}

Finding fuse_device() {
    const UniqueFd device(::open("/dev/fuse", O_RDWR | O_CLOEXEC));
    if (device) return {"/dev/fuse", Health::good, "can be opened", {}};
    const Errno why = last_errno();
    return {"/dev/fuse", Health::missing, words_of(why),
            why == Errno{ENOENT} ? "modprobe fuse; in a container, pass the device in"
                                 : "chmod 0666 /dev/fuse, as udev does"};
}

Finding rings() {
    const std::string enabled = line_of("/sys/module/fuse/parameters/enable_uring");
    if (enabled.empty()) return {"FUSE over io_uring", Health::good, "not in this kernel (Linux 6.14 has it)", {}};
    if (enabled == "Y") return {"FUSE over io_uring", Health::good, "is offered to mounts with transport=auto", {}};
    return {"FUSE over io_uring",
            Health::good,
            "is off; options fuse enable_uring=1 in modprobe.d would offer it to mounts with transport=auto",
            {}};
}

Finding helper() {
    struct stat facts {};
    const bool root = ::geteuid() == 0;
    const Health without = root ? Health::degraded : Health::missing;
    if (::stat("/usr/bin/fusermount3", &facts) != 0) {
        return {"fusermount3", without, "is not installed", "apt-get install fuse3 (ordinary users mount through it)"};
    }
    if (facts.st_uid != 0 || (facts.st_mode & S_ISUID) == 0) {
        return {"fusermount3", without, "is not setuid root", "chmod u+s /usr/bin/fusermount3"};
    }
    return {"fusermount3", Health::good, "is installed", {}};
}

Finding other_users() {
    std::ifstream file("/etc/fuse.conf");
    for (std::string line; std::getline(file, line);) {
        if (line == "user_allow_other") return {"user_allow_other", Health::good, "is set", {}};
    }
    if (::geteuid() == 0) return {"user_allow_other", Health::good, "is not set (root does not need it)", {}};
    return {"user_allow_other", Health::degraded, "is not set",
            "add the line user_allow_other to /etc/fuse.conf, else only you can use your mounts"};
}

Finding descriptors() {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    Finding finding{"open files", Health::good, "at most " + std::to_string(limit.rlim_max), {}};
    if (limit.rlim_max < kGoodDescriptorLimit && ::geteuid() != 0) {
        finding.health = Health::degraded;
        finding.remedy =
            "raise the hard limit nofile (limits.conf, LimitNOFILE=): bandfs keeps one per file the kernel knows";
    }
    return finding;
}

Finding runtime_directory() {
    const std::string path = runtime_directory_path(::geteuid(), std::getenv("XDG_RUNTIME_DIR"));
    const auto directory = open_runtime_directory(path, ::geteuid(), false);
    if (directory) return {"runtime directory", Health::good, path, {}};
    if (directory.error() == Errno{ENOENT})
        return {"runtime directory", Health::good, path + " (made with the first mount)", {}};
    return {"runtime directory", Health::missing, path + ": " + words_of(directory.error()),
            "it must be a directory of this user with mode 0700"};
}

Finding control_groups() {
    const auto entries = read_mount_table();
    bool first = false, second = false;
    for (const MountEntry& entry : entries ? *entries : std::vector<MountEntry>{}) {
        first |= entry.type == "cgroup";
        second |= entry.type == "cgroup2";
    }
    if (!first && !second)
        return {"cgroups", Health::degraded, "none mounted", "types cgroup and cpuset need /sys/fs/cgroup"};
    return {"cgroups", Health::good, second ? (first ? "version 2 beside version 1" : "version 2") : "version 1", {}};
}

Finding request_timeout() {
    const std::string text = line_of("/proc/sys/fs/fuse/max_request_timeout");
    const long timeout = text.empty() ? 0 : std::atol(text.c_str());
    if (timeout == 0) return {"request time-out", Health::good, "none", {}};
    if (timeout >= kShortestRequestTimeout) return {"request time-out", Health::good, text + " s", {}};
    return {"request time-out", Health::degraded, text + " s",
            "the kernel aborts mounts whose requests are held longer: set -o hold below half of it, or raise "
            "fs.fuse.max_request_timeout"};
}

Finding hidden_processes() {
    const auto entries = read_mount_table();
    for (const MountEntry& entry : entries ? *entries : std::vector<MountEntry>{}) {
        if (entry.mount_point != "/proc") continue;
        const std::string_view hidden = mount_option(entry.super_options, "hidepid");
        if (hidden.empty() || hidden == "0" || hidden == "off" || ::geteuid() == 0)
            return {"/proc", Health::good, "shows all processes", {}};
        return {"/proc", Health::degraded, "hidepid=" + std::string(hidden),
                "types pid, cgroup and cpuset see your own processes alone"};
    }
    return {"/proc", Health::missing, "is not mounted", "mount -t proc proc /proc"};
}

/// Mounts whose server is gone.
void add_dead_mounts(std::vector<Finding>& findings) {
    const auto entries = read_mount_table();
    for (const MountEntry& entry : entries ? *entries : std::vector<MountEntry>{}) {
        struct stat facts {};
        if (entry.type != "fuse.bandfs" || ::stat(entry.mount_point.c_str(), &facts) == 0) continue;
        if (last_errno() != Errno{ENOTCONN}) continue;
        findings.push_back(
            {"mount " + entry.mount_point, Health::degraded, "its server is gone", "umount " + entry.mount_point});
    }
}

void add_source(std::vector<Finding>& findings, const std::string& source) {
    const UniqueFd directory(::open(source.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    const auto mount = directory ? mount_of(directory.get()) : Result<MountEntry>(last_errno());
    if (!mount) {
        findings.push_back(
            {"source " + source, Health::missing, words_of(mount.error()), "name a directory that exists"});
        return;
    }
    const std::string disk = disk_name(*BlockView::of_system(), *mount);
    findings.push_back({"source " + source, Health::good, mount->type + " on " + disk, {}});
    const UniqueFd direct(::openat(directory.get(), ".", O_TMPFILE | O_RDWR | O_DIRECT | O_CLOEXEC, 0600));
    if (!direct && last_errno() == Errno{EINVAL}) {
        findings.push_back({"direct I/O", Health::degraded, "not on " + mount->type,
                            "reads go through the page cache of the file system below; shares still hold"});
    }
    const std::string scheduler = line_of("/sys/class/block/" + disk + "/queue/scheduler");
    if (!scheduler.empty()) findings.push_back({"disk " + disk, Health::good, "scheduler " + scheduler, {}});
}

}  // namespace

bool release_is_at_least(const std::string& release, unsigned major, unsigned minor) {
    unsigned found_major = 0, found_minor = 0;
    if (std::sscanf(release.c_str(), "%u.%u", &found_major, &found_minor) != 2) return false;
    return found_major > major || (found_major == major && found_minor >= minor);
}

std::vector<Finding> examine(const std::string& source) {
    std::vector<Finding> findings{kernel(),         libfuse(),         fuse_device(),     rings(),
                                  helper(),         other_users(),     descriptors(),     runtime_directory(),
                                  control_groups(), request_timeout(), hidden_processes()};
    add_dead_mounts(findings);
    if (!source.empty()) add_source(findings, source);
    return findings;
}

}  // namespace bandfs
