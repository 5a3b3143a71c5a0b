#include "disk/lock_table.h"

#include <sys/file.h>
#include <sys/stat.h>

#include <cstdlib>
#include <limits>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "disk/descriptor_share.h"
#include "sys/file_io.h"
#include "sys/whole_file.h"

namespace bandfs {
namespace {

/// Of an open file description, which wants no process in it.
Status ofd_call(int fd, int command, struct flock& lock) {
    lock.l_whence = SEEK_SET;
    lock.l_pid = 0;
    if (::fcntl(fd, command, &lock) != 0) return last_errno();
    return {};
}

Status ofd_set(int fd, struct flock lock) {
    const Status set = ofd_call(fd, F_OFD_SETLK, lock);
    return set.code() == EACCES ? Errno{EAGAIN} : set;
}

/// The locks of an open file description. Nobody may set one through it meanwhile.
Result<std::vector<struct flock>> ofd_locks(int fd) {
    constexpr std::size_t kMostBytes = 16u << 20;
    const Result<std::string> text = read_whole_file("/proc/self/fdinfo/" + std::to_string(fd), kMostBytes);
    if (!text) return text.error();
    std::vector<struct flock> locks;
    std::istringstream lines(*text);
    for (std::string line; std::getline(lines, line);) {
        // lock:   1: OFDLCK  ADVISORY  READ -1 08:01:1234 100 EOF
        std::istringstream words(line);
        std::string what, number, kind, advisory, type, process, inode, last;
        struct flock lock {};
        if (!(words >> what >> number >> kind >> advisory >> type >> process >> inode >> lock.l_start >> last) ||
            what != "lock:" || kind != "OFDLCK")
            continue;
        lock.l_type = type == "WRITE" ? F_WRLCK : F_RDLCK;
        lock.l_len = last == "EOF" ? 0 : std::strtoll(last.c_str(), nullptr, 10) - lock.l_start + 1;
        locks.push_back(lock);
    }
    return locks;
}

bool is_writable(int fd) {
    return (::fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY;
}

}  // namespace

Result<UniqueFd> LockTable::open_for_locks(const OpenFile& file) {
    const int fd = file.data->descriptor();
    const bool reads_only = (file.flags & O_ACCMODE) == O_RDONLY;
    struct stat facts {};
    const bool executable = ::fstat(fd, &facts) == 0 && (facts.st_mode & 0111) != 0;
    if (!reads_only || !executable) {
        if (Result<UniqueFd> both = reopen(fd, O_RDWR); both) return both;
    }
    return reopen(fd, reads_only ? O_RDONLY : O_WRONLY);
}

Result<LockTable::Description*> LockTable::description(const OpenFile& file, const LockOwner& owner, Kind kind) {
    const Key key{file.data->key(), kind, owner.id};
    auto at = descriptions_.find(key);
    if (at == descriptions_.end()) {
        Result<UniqueFd> fd = DescriptorShare::of_process().granted(open_for_locks(file));
        if (!fd) return fd.error();
        at = descriptions_.emplace(key, Description{std::move(*fd), 0, 0}).first;
    }
    at->second.handle = owner.handle;
    at->second.process = owner.process;
    return &at->second;
}

/// Where the owner had the file open for reading alone until now. What it has locked is locked again through the new
/// description before the old one is closed: no moment comes in which it has nothing, whatever becomes of its wish.
Status LockTable::make_writable(const OpenFile& file, Description& description) {
    Result<UniqueFd> fd = reopen(file.data->descriptor(), O_RDWR);
    if (!fd) return fd.error();
    const Result<std::vector<struct flock>> held = ofd_locks(description.fd.get());
    if (!held) return held.error();
    for (const struct flock& lock : *held) {
        if (const Status taken = ofd_set(fd->get(), lock); !taken) return taken;
    }
    description.fd = std::move(*fd);
    return {};
}

Status LockTable::set(const OpenFile& file, const LockOwner& owner, const struct flock& wanted) {
    const std::lock_guard lock(mutex_);
    const Key key{file.data->key(), Kind::posix, owner.id};
    if (wanted.l_type == F_UNLCK && !descriptions_.contains(key)) return {};
    const Result<Description*> found = description(file, owner, Kind::posix);
    if (!found) return found.error();
    Description& own = **found;
    if (wanted.l_type == F_WRLCK && !is_writable(own.fd.get())) {
        if (const Status made = make_writable(file, own); !made) return made;
    }
    return ofd_set(own.fd.get(), wanted);
}

Result<struct flock> LockTable::test(const OpenFile& file, const LockOwner& owner, const struct flock& wanted) {
    const std::lock_guard lock(mutex_);
    const Result<Description*> own = description(file, owner, Kind::posix);
    if (!own) return own.error();
    struct flock held = wanted;
    if (const Status asked = ofd_call((*own)->fd.get(), F_OFD_GETLK, held); !asked) return asked.error();
    if (held.l_type != F_UNLCK && held.l_pid <= 0) held.l_pid = holder(file.data->key(), owner.id, held);
    return held;
}

/// The process of the owner in this table that has that lock: only it finds nobody else there. 0: none, or several.
pid_t LockTable::holder(FileKey file, std::uint64_t besides, const struct flock& held) {
    const Key first{file, Kind::posix, 0};
    for (auto at = descriptions_.lower_bound(first); at != descriptions_.end(); ++at) {
        const auto& [key, other] = *at;
        if (key.file != file || key.kind != Kind::posix) break;
        if (key.owner == besides) continue;
        struct flock probe = held;
        probe.l_type = F_WRLCK;
        if (ofd_call(other.fd.get(), F_OFD_GETLK, probe) && probe.l_type == F_UNLCK) return other.process;
    }
    return 0;
}

Status LockTable::flock(const OpenFile& file, const LockOwner& owner, int operation) {
    const std::lock_guard lock(mutex_);
    const Key key{file.data->key(), Kind::flock, owner.id};
    if ((operation & ~LOCK_NB) == LOCK_UN && !descriptions_.contains(key)) return {};
    const Result<Description*> own = description(file, owner, Kind::flock);
    if (!own) return own.error();
    if (::flock((*own)->fd.get(), operation | LOCK_NB) != 0) return last_errno();
    return {};
}

bool LockTable::close(FileKey file, std::uint64_t owner) {
    const std::lock_guard lock(mutex_);
    return descriptions_.erase(Key{file, Kind::posix, owner}) != 0;
}

void LockTable::close_handle(std::uint64_t handle) {
    const std::lock_guard lock(mutex_);
    std::erase_if(descriptions_, [handle](const auto& entry) { return entry.second.handle == handle; });
}

}  // namespace bandfs
