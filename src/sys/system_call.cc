#include "sys/system_call.h"

#include <sys/syscall.h>

#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>

#include "sys/whole_file.h"

namespace bandfs {
namespace {

/// At a thread that has sent its request and not gone to sleep yet: of so many looks, those after the first follow each
/// other slowly, since others may keep the thread from its processor.
constexpr int kMostLooks = 2000;
constexpr int kQuickLooks = 200;
constexpr std::chrono::milliseconds kLookAgain{1};

// What only some machines have stands behind #ifdef.
WaitsIn kind_of(long number) {
    switch (number) {
#ifdef SYS_chown
        case SYS_chown:
        case SYS_lchown:
#endif
        case SYS_fchown:
        case SYS_fchownat:
#ifdef SYS_chown32
        case SYS_chown32:
        case SYS_lchown32:
        case SYS_fchown32:
#endif
            return WaitsIn::chown;
        case SYS_write:
        case SYS_writev:
        case SYS_pwrite64:
        case SYS_pwritev:
        case SYS_pwritev2:
        case SYS_fallocate:
        case SYS_truncate:
        case SYS_ftruncate:
        case SYS_sendfile:
        case SYS_splice:
        case SYS_copy_file_range:
            return WaitsIn::write;
#ifdef SYS_open
        case SYS_open:
        case SYS_creat:
        case SYS_rename:
        case SYS_link:
        case SYS_chmod:
        case SYS_utime:
        case SYS_utimes:
        case SYS_futimesat:
#endif
        case SYS_openat:
        case SYS_openat2:
#ifdef SYS_renameat
        case SYS_renameat:
#endif
        case SYS_renameat2:
        case SYS_linkat:
        case SYS_fchmod:
        case SYS_fchmodat:
        case SYS_utimensat:
        // lremovexattr is 198 on x86-64, and so is lchown32 on i386; ioctl is 16, and so is lchown.
        case SYS_setxattr:
        case SYS_lsetxattr:
        case SYS_fsetxattr:
        case SYS_removexattr:
        case SYS_fremovexattr:
            return WaitsIn::name;
        default:
            return WaitsIn::unknown;
    }
}

}  // namespace

WaitsIn waits_in(pid_t tid) {
    const std::string path = "/proc/" + std::to_string(tid) + "/syscall";
    for (int look = 0; tid != 0 && look != kMostLooks; ++look) {
        // A number and arguments, "-1" and pointers, or "running".
        const Result<std::string> text = read_whole_file(path, 4096);
        if (!text) return WaitsIn::unknown;
        if (!text->starts_with("running")) return kind_of(std::strtol(text->c_str(), nullptr, 10));
        if (look < kQuickLooks)
            std::this_thread::yield();
        else
            std::this_thread::sleep_for(kLookAgain);
    }
    return WaitsIn::unknown;
}

}  // namespace bandfs
