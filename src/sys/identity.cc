#include "sys/identity.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sys/namespaces.h"
#include "sys/unique_fd.h"

namespace bandfs {
namespace {

/// The three sets of a thread, as capget(2) and capset(2) of version 3 carry them: 64 bits in two halves.
class ThreadCapabilities {
public:
    ThreadCapabilities() { ::syscall(SYS_capget, &header_, sets_.data()); }
    bool effective(int capability) const { return (half(capability).effective & bit(capability)) != 0; }
    /// Sets or clears one effective capability. Raising requires that it is permitted.
    void change(int capability, bool on) {
        auto& effective = sets_[static_cast<std::size_t>(CAP_TO_INDEX(capability))].effective;
        effective = on ? effective | bit(capability) : effective & ~bit(capability);
        ::syscall(SYS_capset, &header_, sets_.data());
    }

private:
    static std::uint32_t bit(int capability) { return CAP_TO_MASK(capability); }
    const __user_cap_data_struct& half(int capability) const {
        return sets_[static_cast<std::size_t>(CAP_TO_INDEX(capability))];
    }

    __user_cap_header_struct header_{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<__user_cap_data_struct, 2> sets_{};
};

std::vector<gid_t> groups_of_thread() {
    std::vector<gid_t> groups(static_cast<std::size_t>(std::max(0, ::getgroups(0, nullptr))));
    groups.resize(static_cast<std::size_t>(std::max(0, ::getgroups(static_cast<int>(groups.size()), groups.data()))));
    return groups;
}

/// The supplementary groups of the process, as they were when this was asked for first.
const std::vector<gid_t>& own_groups() {
    static const std::vector<gid_t> groups = groups_of_thread();
    return groups;
}

/// What a thread of the daemon is when it acts for itself.
struct Self {
    uid_t uid = ::geteuid();
    gid_t gid = ::getegid();
    mode_t umask = 0;
    bool privileged = prepare_identities();

    Self() {
        ::unshare(CLONE_FS);
        ::umask(umask);
    }
};

Self& self() {
    thread_local Self self;
    return self;
}

/// For this thread alone, unlike the functions of libc, which change all threads.
void set_thread_groups(const std::vector<gid_t>& groups) {
    ::syscall(SYS_setgroups, groups.size(), groups.data());
}

std::string read_small_file(const char* path) {
    const UniqueFd fd(::open(path, O_RDONLY | O_CLOEXEC));
    std::string text(8192, '\0');
    const ssize_t length = fd ? ::read(fd.get(), text.data(), text.size()) : -1;
    text.resize(static_cast<std::size_t>(std::max<ssize_t>(0, length)));
    return text;
}

std::string process_directory(pid_t tid) {
    return "/proc/" + std::to_string(tid);
}

/// CapEff of a /proc/TID/status.
std::optional<std::uint64_t> effective_capabilities(std::string_view status) {
    constexpr std::string_view kField = "CapEff:\t";
    const std::size_t at = status.find(kField);
    if (at == std::string_view::npos) return std::nullopt;
    std::uint64_t effective = 0;
    std::from_chars(status.data() + at + kField.size(), status.data() + status.size(), effective, 16);
    return effective;
}

}  // namespace

ActingAs::ActingAs(const Identity& who)
    : uid_changed_(self().privileged && who.uid != self().uid),
      gid_changed_(self().privileged && who.gid != self().gid),
      setid_changed_(self().privileged && who.decides_setid && !who.keeps_setid) {
    if (who.umask != self().umask) ::umask(self().umask = who.umask);
    if (setid_changed_) {
        set_thread_groups(who.groups);
        ThreadCapabilities().change(CAP_FSETID, false);
    }
    if (gid_changed_) ::setfsgid(who.gid);
    if (uid_changed_) ::setfsuid(who.uid);
}

ActingAs::~ActingAs() {
    if (uid_changed_) ::setfsuid(self().uid);
    if (gid_changed_) ::setfsgid(self().gid);
    if (setid_changed_) {
        ThreadCapabilities().change(CAP_FSETID, true);
        set_thread_groups(own_groups());
    }
}

void act_as_oneself() {
    ::setfsuid(::geteuid());
    ::setfsgid(::getegid());
    if (!prepare_identities()) return;
    set_thread_groups(own_groups());
    ThreadCapabilities().change(CAP_FSETID, true);
}

bool prepare_identities() {
    (void)own_groups();
    const ThreadCapabilities capabilities;
    if (!capabilities.effective(CAP_SETUID) || !capabilities.effective(CAP_SETGID)) return false;
    const int bits = ::prctl(PR_GET_SECUREBITS);
    if (bits < 0) return false;
    if (bits & SECBIT_NO_SETUID_FIXUP) return true;
    return ::prctl(PR_SET_SECUREBITS, bits | SECBIT_NO_SETUID_FIXUP) == 0;
}

bool thread_has_capability(pid_t tid, int capability) {
    const std::string process = process_directory(tid);
    const auto effective = effective_capabilities(read_small_file((process + "/status").c_str()));
    // A root of a user namespace has all of them, for what is in that namespace.
    return effective && ((*effective >> capability) & 1) != 0 && shares_namespace(process, "user", false);
}

bool thread_lacks_capability(pid_t tid, uid_t acts_as, int capability) {
    const std::string status = read_small_file((process_directory(tid) + "/status").c_str());
    const auto effective = effective_capabilities(status);
    if (!effective || ((*effective >> capability) & 1) != 0) return false;
    // "Uid:" and four of them, the last for files.
    const std::size_t uids = status.find("\nUid:\t");
    if (uids == std::string::npos) return false;
    const std::string line = status.substr(uids + 1, status.find('\n', uids + 1) - uids - 1);
    return line.ends_with("\t" + std::to_string(acts_as));
}

}  // namespace bandfs
