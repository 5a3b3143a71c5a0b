// How a random sequence is drawn.
#include "sequence.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <iterator>
#include <random>

namespace bandfs::mount_test {
namespace {

struct Weighted {
    Call call;
    const char* name;
    int weight;
};
constexpr Weighted kCalls[] = {
    {Call::open, "open", 16},
    {Call::open_temporary, "open_temporary", 1},
    {Call::close, "close", 3},
    {Call::mkdir, "mkdir", 4},
    {Call::mknod, "mknod", 4},
    {Call::symlink, "symlink", 3},
    {Call::link, "link", 5},
    {Call::link_open, "link_open", 1},
    {Call::rename, "rename", 9},
    {Call::unlink, "unlink", 5},
    {Call::rmdir, "rmdir", 3},
    {Call::chmod, "chmod", 8},
    {Call::fchmod, "fchmod", 3},
    {Call::chown, "chown", 6},
    {Call::fchown, "fchown", 2},
    {Call::truncate, "truncate", 5},
    {Call::ftruncate, "ftruncate", 4},
    {Call::utimens, "utimens", 5},
    {Call::futimens, "futimens", 2},
    {Call::write, "write", 14},
    {Call::read, "read", 8},
    {Call::map, "map", 2},
    {Call::fallocate, "fallocate", 5},
    {Call::seek, "seek", 4},
    {Call::copy_range, "copy_range", 3},
    {Call::setxattr, "setxattr", 9},
    {Call::getxattr, "getxattr", 3},
    {Call::listxattr, "listxattr", 2},
    {Call::removexattr, "removexattr", 4},
    {Call::access, "access", 4},
    {Call::list, "list", 3},
    {Call::stat, "stat", 6},
    {Call::fstat, "fstat", 3},
    {Call::readlink, "readlink", 2},
    {Call::flock, "flock", 3},
    {Call::lock, "lock", 4},
    {Call::fsync, "fsync", 2},
};
static_assert(std::size(kCalls) == static_cast<std::size_t>(Call::kMost));

constexpr gid_t kSomeGroup = 3000;
constexpr const char* kDirectories[] = {"plain", "group", "sticky", "acl", "alices", "plain/deep", "to-group"};
constexpr const char* kLeaves[] = {"f", "g", "h", "n"};
constexpr const char* kTargets[] = {"f", "../plain/f", "nowhere", "n", "../group", "."};
constexpr const char* kAttributes[] = {"user.a",
                                       "user.b",
                                       "user.c",
                                       "security.x",
                                       "trusted.t",
                                       "security.capability",
                                       "nothing.x",
                                       "system.posix_acl_access",
                                       "system.posix_acl_access",
                                       "system.posix_acl_default",
                                       "user."};
constexpr std::uint32_t kModes[] = {0,     0400,  0644,  0600,  0666,  0755,  0777, 04755,
                                    02755, 06777, 02644, 01777, 02770, 07777, 0070, 04711};
constexpr std::int64_t kSizes[] = {0, 1, 100, 4095, 4096, 4097, 8192, 20000, 65536, 70001};

class Drawer {
public:
    explicit Drawer(std::uint64_t seed) : random_(seed) {}

    Step step(int number);

private:
    std::uint32_t below(std::uint32_t bound) {
        return std::uniform_int_distribution<std::uint32_t>(0, bound - 1)(random_);
    }
    bool one_in(std::uint32_t n) { return below(n) == 0; }
    template <typename T, std::size_t n>
    const T& any(const T (&of)[n]) {
        return of[below(n)];
    }
    template <typename T>
    T among(std::initializer_list<T> of) {
        return *(of.begin() + below(static_cast<std::uint32_t>(of.size())));
    }

    Call call() {
        std::uint32_t total = 0;
        for (const Weighted& each : kCalls) total += static_cast<std::uint32_t>(each.weight);
        std::uint32_t drawn = below(total);
        for (const Weighted& each : kCalls) {
            if (drawn < static_cast<std::uint32_t>(each.weight)) return each.call;
            drawn -= static_cast<std::uint32_t>(each.weight);
        }
        return Call::stat;
    }
    std::string directory() { return one_in(5) ? "." : any(kDirectories); }
    /// Mostly a name in a directory, sometimes a directory, a name below a file, a name too long.
    std::string path() {
        if (one_in(8)) return directory();
        const std::string name = directory() + "/" + any(kLeaves);
        if (one_in(40)) return name + "/f";
        if (one_in(60)) return name + std::string(255, 'x');
        if (one_in(60)) return name + "/";
        return name;
    }
    std::uint32_t open_flags() {
        std::uint32_t flags = among({O_RDONLY, O_WRONLY, O_RDWR, O_RDWR, O_RDWR | O_CREAT, O_WRONLY | O_CREAT,
                                     O_RDONLY | O_CREAT, O_RDWR | O_CREAT});
        if (one_in(5)) flags |= O_EXCL & ((flags & O_CREAT) ? ~0u : 0u);
        if (one_in(4)) flags |= O_TRUNC;
        if (one_in(5)) flags |= O_APPEND;
        if (one_in(6)) flags |= O_NOFOLLOW;
        if (one_in(10)) flags |= O_DIRECTORY & ((flags & O_CREAT) ? 0u : ~0u);
        if (one_in(20)) flags |= O_PATH;
        if (one_in(20)) flags |= O_SYNC;
        if (one_in(20)) flags |= O_NOATIME;
        return flags;
    }
    std::int64_t place() { return one_in(2) ? below(16) * 4096 : below(70000); }

    std::mt19937_64 random_;
};

Step Drawer::step(int number) {
    Step s;
    s.number = number;
    s.call = call();
    s.actor = static_cast<int>(below(3));
    s.slot = static_cast<int>(below(5));
    s.other = static_cast<int>(below(5));
    s.path = path();
    s.mode = any(kModes);
    s.offset = place();
    s.length = any(kSizes);
    s.uid = among<uid_t>({0, 2001, 2001, 2002, static_cast<uid_t>(-1), static_cast<uid_t>(-1), 70000});
    s.gid = among<gid_t>({0, 2001, 2002, 3000, 3001, static_cast<gid_t>(-1), static_cast<gid_t>(-1)});
    switch (s.call) {
        case Call::open:
            s.flags = open_flags();
            break;
        case Call::open_temporary:
            s.path = directory();
            s.flags = among({O_RDWR, O_WRONLY, O_RDONLY, O_RDWR | O_EXCL});
            break;
        case Call::mknod:
            s.flags = among({S_IFREG, S_IFREG, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK, S_IFDIR});
            break;
        case Call::symlink:
            s.target = one_in(20) ? "" : any(kTargets);
            break;
        case Call::link:
            s.target = path();
            s.flags = one_in(3) ? AT_SYMLINK_FOLLOW : 0;
            break;
        case Call::rename:
            s.target = path();
            s.flags = among<std::uint32_t>({0, 0, 0, 0, RENAME_NOREPLACE, RENAME_NOREPLACE, RENAME_EXCHANGE,
                                            RENAME_EXCHANGE, RENAME_WHITEOUT, RENAME_NOREPLACE | RENAME_EXCHANGE});
            break;
        case Call::fchown:
            // Nobody tells a server chown(-1, -1) from the announcement of a write, while the file is open for it.
            if (s.uid == static_cast<uid_t>(-1)) s.gid = kSomeGroup;
            break;
        case Call::chown:
            if (s.uid == static_cast<uid_t>(-1)) s.gid = kSomeGroup;
            s.flags = one_in(3) ? AT_SYMLINK_NOFOLLOW : 0;
            break;
        case Call::truncate:
        case Call::ftruncate:
            if (one_in(20)) s.length = among<std::int64_t>({-1, std::int64_t{1} << 60, (std::int64_t{1} << 32) + 7});
            break;
        case Call::utimens:
            s.flags = one_in(3) ? AT_SYMLINK_NOFOLLOW : 0;
            [[fallthrough]];
        case Call::futimens:
            s.offset = below(5);  // what becomes of the time of access, and of modification
            s.length = below(5);
            s.mode = below(1000000);
            break;
        case Call::write:
            // Beyond the largest file, set-id bits fall before the file system below refuses, and not on itself.
            if (one_in(40)) s.offset = among<std::int64_t>({-1, (std::int64_t{1} << 32) + 5});
            s.flags = one_in(4);  // at the file's own position
            break;
        case Call::fallocate:
            // The kernel's half of FUSE refuses to collapse, insert and unshare ranges.
            s.flags = among<std::uint32_t>({0, 0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                            FALLOC_FL_PUNCH_HOLE, FALLOC_FL_ZERO_RANGE,
                                            FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 0x400});
            break;
        case Call::seek:
            s.flags = among<std::uint32_t>({SEEK_DATA, SEEK_HOLE, SEEK_END, SEEK_SET, SEEK_CUR});
            break;
        case Call::setxattr:
            s.target = any(kAttributes);
            s.flags = among<std::uint32_t>({0, 0, 0, XATTR_CREATE, XATTR_REPLACE});
            s.length = among<std::int64_t>({0, 1, 30, 30, 200, 3000, 70000});
            break;
        case Call::getxattr:
        case Call::removexattr:
            s.target = any(kAttributes);
            s.length = among<std::int64_t>({0, 5, 4096});
            break;
        case Call::access:
            s.mode = below(8);
            s.flags = one_in(2) ? AT_EACCESS : 0;
            break;
        case Call::flock:
            s.flags = among<std::uint32_t>({LOCK_SH, LOCK_EX, LOCK_UN});
            break;
        case Call::lock:
            s.flags = among<std::uint32_t>({F_RDLCK, F_WRLCK, F_UNLCK});
            s.mode = among<std::uint32_t>({F_OFD_SETLK, F_OFD_SETLK, F_OFD_GETLK, F_SETLK, F_GETLK});
            s.offset = below(4);
            s.length = below(3);
            break;
        default:
            break;
    }
    return s;
}

}  // namespace

std::string text_of(const Step& s) {
    static constexpr const char* kActors[] = {"root", "alice", "bob"};
    char text[256];
    snprintf(text, sizeof text, "%d %s %s slot %d,%d '%.80s' '%.80s' flags 0x%x mode 0%o at %lld+%lld ids %d:%d",
             s.number, kActors[s.actor], kCalls[static_cast<std::size_t>(s.call)].name, s.slot, s.other, s.path.c_str(),
             s.target.c_str(), s.flags, s.mode, static_cast<long long>(s.offset), static_cast<long long>(s.length),
             static_cast<int>(s.uid), static_cast<int>(s.gid));
    return text;
}

std::vector<Step> make_sequence(std::uint64_t seed, int steps) {
    Drawer drawer(seed);
    std::vector<Step> sequence;
    for (int i = 0; i < steps; ++i) sequence.push_back(drawer.step(i));
    return sequence;
}

}  // namespace bandfs::mount_test
