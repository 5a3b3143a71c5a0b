// How a random sequence runs: each step by its actor, in one process that changes its ids.
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <vector>

#include "acl_text.h"
#include "oracle.h"
#include "sequence.h"

namespace bandfs::mount_test {
namespace {

struct Actor {
    uid_t uid;
    gid_t gid;
    std::vector<gid_t> groups;
    mode_t umask;
};
const Actor kActors[] = {{0, 0, {}, 022}, {2001, 2001, {2001, kCommonGroup}, 027}, {2002, 2002, {2002, 3001}, 0}};

/// The saved user id stays root's, so that the process can become the next actor.
void act_as(const Actor& actor) {
    if (setresuid(0, 0, 0) != 0 || setgroups(actor.groups.size(), actor.groups.data()) != 0 ||
        setresgid(actor.gid, actor.gid, 0) != 0 || setresuid(actor.uid, actor.uid, 0) != 0) {
        _exit(120);
    }
    umask(actor.umask);
}

std::string hex_sum(const char* bytes, std::size_t count) {
    std::uint64_t sum = 14695981039346656037u;  // FNV-1a
    for (std::size_t i = 0; i < count; ++i) sum = (sum ^ static_cast<unsigned char>(bytes[i])) * 1099511628211u;
    char text[20];
    snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(sum));
    return text;
}

/// What utimensat() is told: in `what`, 0 is now, 1 is not at all, 2 and 3 are moments of the past, 4 is refused.
timespec moment(std::int64_t what, std::uint32_t fraction) {
    switch (what) {
        case 0:
            return {0, UTIME_NOW};
        case 1:
            return {0, UTIME_OMIT};
        case 2:
            return {1000000000 + fraction, fraction};
        case 3:
            return {-5, fraction};
        default:
            return {1000000000, 1000000000};
    }
}

/// The value of an attribute, as the step would have it.
std::string value_for(const Step& s) {
    if (s.target.starts_with("system.posix_acl")) return acl_of(s.mode ^ static_cast<std::uint32_t>(s.offset));
    if (s.target == "security.capability") {
        static constexpr unsigned char kNetBindService[20] = {1, 0, 0, 2, 0, 4};  // version 2, effective
        return {reinterpret_cast<const char*>(kNetBindService), sizeof kNetBindService};
    }
    return pattern(static_cast<std::size_t>(s.length), s.mode);
}

class Runner {
public:
    explicit Runner(bool observant) : observant_(observant) { files_.fill(-1); }
    ~Runner() {
        for (const int file : files_)
            if (file >= 0) close(file);
    }
    std::string run(const Step& step);

private:
    std::int64_t call(const Step& s);
    std::int64_t on_path(const Step& s);
    std::int64_t on_file(const Step& s, int file);
    std::int64_t put(int slot, int file);
    std::int64_t write_some(const Step& s, int file);
    std::int64_t read_some(const Step& s, int file);
    std::int64_t map(const Step& s, int file);
    std::int64_t list(int directory);
    std::int64_t lock(const Step& s, int file);
    std::int64_t copy(const Step& s, int from, int to);
    std::int64_t said(std::int64_t answer, const std::string& note) {
        if (answer >= 0) note_ += " " + note;
        return answer;
    }

    const bool observant_;
    std::array<int, 5> files_;
    std::string note_;  ///< what a call showed beside its answer
};

std::int64_t Runner::put(int slot, int file) {
    if (file < 0) return -1;
    int& place = files_[static_cast<std::size_t>(slot)];
    if (place >= 0) close(place);
    place = file;
    return 0;
}

std::int64_t Runner::write_some(const Step& s, int file) {
    const std::string text =
        pattern(static_cast<std::size_t>(std::max<std::int64_t>(s.length, 0)), static_cast<unsigned>(s.number + 1));
    return s.flags ? write(file, text.data(), text.size()) : pwrite(file, text.data(), text.size(), s.offset);
}

std::int64_t Runner::read_some(const Step& s, int file) {
    std::vector<char> buffer(static_cast<std::size_t>(s.length) + 1);
    const ssize_t n = pread(file, buffer.data(), static_cast<std::size_t>(s.length), s.offset);
    return said(n, hex_sum(buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(n, 0))));
}

/// Writes one byte through a shared mapping, inside the file.
std::int64_t Runner::map(const Step& s, int file) {
    struct stat attr {};
    if (fstat(file, &attr) != 0 || !S_ISREG(attr.st_mode) || attr.st_size == 0) return 0;
    const off_t page = std::min<off_t>(s.offset, attr.st_size - 1) / 4096 * 4096;
    void* const memory = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, page);
    if (memory == MAP_FAILED) return -1;
    *static_cast<char*>(memory) = static_cast<char>(s.number);
    const int answer = msync(memory, 4096, MS_SYNC);
    munmap(memory, 4096);
    return answer;
}

std::int64_t Runner::list(int directory) {
    if (lseek(directory, 0, SEEK_SET) < 0) return -1;
    std::vector<std::string> names;
    alignas(dirent64) char buffer[2048];
    ssize_t n = 0;
    while ((n = getdents64(directory, buffer, sizeof buffer)) > 0) {
        for (ssize_t at = 0; at < n;) {
            const auto* const entry = reinterpret_cast<const dirent64*>(buffer + at);
            names.push_back(std::string(entry->d_name) + ":" + std::to_string(entry->d_type));
            at += entry->d_reclen;
        }
    }
    std::sort(names.begin(), names.end());
    std::string line;
    for (const std::string& name : names) line += name + " ";
    return said(n, line);
}

std::int64_t Runner::lock(const Step& s, int file) {
    struct flock wanted {};
    wanted.l_type = static_cast<short>(s.flags);
    wanted.l_start = s.offset;
    wanted.l_len = s.length;
    const int answer = fcntl(file, static_cast<int>(s.mode), &wanted);
    return said(answer, std::to_string(wanted.l_type) + ":" + std::to_string(wanted.l_start) + "+" +
                            std::to_string(wanted.l_len));
}

std::int64_t Runner::copy(const Step& s, int from, int to) {
    off_t in = s.offset, out = s.mode;
    return copy_file_range(from, &in, to, &out, static_cast<std::size_t>(s.length), 0);
}

std::int64_t Runner::on_file(const Step& s, int file) {
    switch (s.call) {
        case Call::close:
            files_[static_cast<std::size_t>(s.slot)] = -1;
            return close(file);
        case Call::link_open:
            return linkat(AT_FDCWD, ("/proc/self/fd/" + std::to_string(file)).c_str(), AT_FDCWD, s.path.c_str(),
                          AT_SYMLINK_FOLLOW);
        case Call::fchmod:
            return fchmod(file, s.mode);
        case Call::fchown:
            return fchown(file, s.uid, s.gid);
        case Call::ftruncate:
            return ftruncate(file, s.length);
        case Call::futimens: {
            const timespec times[2] = {moment(s.offset, s.mode), moment(s.length, s.mode / 2)};
            return futimens(file, times);
        }
        case Call::write:
            return write_some(s, file);
        case Call::read:
            return read_some(s, file);
        case Call::map:
            return map(s, file);
        case Call::fallocate:
            return fallocate(file, static_cast<int>(s.flags), s.offset, s.length);
        case Call::seek:
            return lseek(file, s.offset, static_cast<int>(s.flags));
        case Call::list:
            return list(file);
        case Call::fstat: {
            struct stat attr {};
            const int answer = fstat(file, &attr);
            return said(answer, picture_of(attr));
        }
        case Call::flock:
            return flock(file, static_cast<int>(s.flags) | LOCK_NB);
        case Call::lock:
            return lock(s, file);
        case Call::fsync:
            return s.other % 2 ? fsync(file) : fdatasync(file);
        default:
            return -1;
    }
}

std::int64_t Runner::on_path(const Step& s) {
    const char* const path = s.path.c_str();
    char buffer[4096];
    switch (s.call) {
        case Call::open:
            return put(s.slot, open(path, static_cast<int>(s.flags) | O_CLOEXEC | O_NONBLOCK, s.mode));
        case Call::open_temporary:
            return put(s.slot, open(path, static_cast<int>(s.flags) | O_TMPFILE | O_CLOEXEC, s.mode));
        case Call::mkdir:
            return mkdir(path, s.mode);
        case Call::mknod:
            return mknod(path, s.flags | s.mode, s.flags == S_IFCHR ? makedev(1, 3) : 0);
        case Call::symlink:
            return symlink(s.target.c_str(), path);
        case Call::link:
            return linkat(AT_FDCWD, path, AT_FDCWD, s.target.c_str(), static_cast<int>(s.flags));
        case Call::rename:
            return renameat2(AT_FDCWD, path, AT_FDCWD, s.target.c_str(), s.flags);
        case Call::unlink:
            return unlink(path);
        case Call::rmdir:
            return rmdir(path);
        case Call::chmod:
            return chmod(path, s.mode);
        case Call::chown:
            return fchownat(AT_FDCWD, path, s.uid, s.gid, static_cast<int>(s.flags));
        case Call::truncate:
            return truncate(path, s.length);
        case Call::utimens: {
            const timespec times[2] = {moment(s.offset, s.mode), moment(s.length, s.mode / 2)};
            return utimensat(AT_FDCWD, path, times, static_cast<int>(s.flags));
        }
        case Call::setxattr: {
            const std::string value = value_for(s);
            return lsetxattr(path, s.target.c_str(), value.data(), value.size(), static_cast<int>(s.flags));
        }
        case Call::getxattr: {
            const ssize_t n = lgetxattr(path, s.target.c_str(), buffer, static_cast<std::size_t>(s.length));
            return said(n, s.length == 0 || n < 0 ? "" : hex_sum(buffer, static_cast<std::size_t>(n)));
        }
        case Call::listxattr: {
            const ssize_t n = llistxattr(path, buffer, sizeof buffer);
            return said(n, attribute_names({buffer, static_cast<std::size_t>(std::max<ssize_t>(n, 0))}));
        }
        case Call::removexattr:
            return lremovexattr(path, s.target.c_str());
        case Call::access:
            return faccessat(AT_FDCWD, path, static_cast<int>(s.mode), static_cast<int>(s.flags));
        case Call::stat: {
            struct stat attr {};
            const int answer = s.other % 2 ? stat(path, &attr) : lstat(path, &attr);
            return said(answer, answer == 0 ? picture_of(attr) : "");
        }
        case Call::readlink: {
            const ssize_t n = readlink(path, buffer, sizeof buffer);
            return said(n, {buffer, static_cast<std::size_t>(std::max<ssize_t>(n, 0))});
        }
        default:
            return -1;
    }
}

std::int64_t Runner::call(const Step& s) {
    struct stat attr {};
    // Whether a file may be linked the kernel decides by the mode that it knows, and that may be that of before an open
    // with O_TRUNC has taken set-id bits off: let it ask.
    if (s.call == Call::link_open) fstat(files_[static_cast<std::size_t>(s.slot)], &attr);
    if (s.call == Call::link) stat(s.path.c_str(), &attr);
    switch (s.call) {
        case Call::close:
        case Call::link_open:
        case Call::fchmod:
        case Call::fchown:
        case Call::ftruncate:
        case Call::futimens:
        case Call::write:
        case Call::read:
        case Call::map:
        case Call::fallocate:
        case Call::seek:
        case Call::copy_range:
        case Call::list:
        case Call::fstat:
        case Call::flock:
        case Call::lock:
        case Call::fsync:
            break;
        default:
            return on_path(s);
    }
    const int file = files_[static_cast<std::size_t>(s.slot)];
    const int other = files_[static_cast<std::size_t>(s.other)];
    if (file < 0 || (s.call == Call::copy_range && other < 0)) return 0;
    // The kernel's half of FUSE decides about positions in directories, and there they have another bound.
    if (s.call == Call::seek && fstat(file, &attr) == 0 && S_ISDIR(attr.st_mode)) return 0;
    return s.call == Call::copy_range ? copy(s, file, other) : on_file(s, file);
}

bool same(const timespec& a, const timespec& b) {
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

std::string Runner::run(const Step& step) {
    note_.clear();
    struct stat before {};
    if (observant_) lstat(step.path.c_str(), &before);
    act_as(kActors[step.actor]);
    const std::int64_t answer = call(step);
    const int error = errno;
    act_as(kActors[0]);
    std::string line = std::to_string(step.number) + " = ";
    line += answer < 0 ? strerrorname_np(error) : std::to_string(answer);
    line += note_;
    if (observant_) {
        struct stat attr {};
        if (lstat(step.path.c_str(), &attr) == 0) line += " leaving " + picture_of(attr);
        if (attr.st_ino == before.st_ino && !same(attr.st_ctim, before.st_ctim)) line += ", changed";
    }
    return line + "\n";
}

/// A directory for each thing that decides about what is made in it, and files that have something to lose.
void make_tree() {
    umask(0);
    const auto directory = [](const char* name, mode_t mode, uid_t uid, gid_t gid) {
        if (mkdir(name, 0700) != 0 || chown(name, uid, gid) != 0 || chmod(name, mode) != 0) _exit(123);
    };
    const auto file = [](const char* name, mode_t mode, uid_t uid, gid_t gid) {
        const int f = open(name, O_WRONLY | O_CREAT | O_EXCL, 0600);
        const std::string text = pattern(10000, 1);
        if (f < 0 || write(f, text.data(), text.size()) != 10000 || fchown(f, uid, gid) != 0 || fchmod(f, mode) != 0)
            _exit(124);
        close(f);
    };
    directory("plain", 0777, 0, 0);
    directory("plain/deep", 0777, 2001, 2001);
    directory("group", 02777, 0, kCommonGroup);
    directory("sticky", 01777, 0, 0);
    directory("acl", 0777, 2002, 2002);
    directory("alices", 0750, 2001, kCommonGroup);
    const std::string acl = acl_of(0754);
    setxattr("acl", "system.posix_acl_default", acl.data(), acl.size(), 0);
    if (symlink("group", "to-group") != 0 || symlink("../plain/f", "sticky/n") != 0) _exit(125);
    file("plain/f", 06777, 2001, kCommonGroup);
    file("plain/g", 02666, 2001, kCommonGroup);
    file("group/f", 0666, 2002, 3001);
    file("sticky/f", 0664, 2001, 2001);
    file("acl/f", 02664, 2002, 3001);
    file("alices/f", 06755, 2001, 2001);
}

}  // namespace

std::string run_sequence(const std::vector<Step>& steps, bool observant) {
    act_as(kActors[0]);
    make_tree();
    std::string transcript;
    {
        Runner runner(observant);
        for (const Step& step : steps) transcript += runner.run(step);
        act_as(kActors[0]);
    }
    return transcript + picture_of_tree();
}

}  // namespace bandfs::mount_test
