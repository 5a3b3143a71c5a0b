#include "disk/lock_table.h"

#include <sys/file.h>
#include <sys/stat.h>

#include <limits>
#include <utility>

#include "sys/file_io.h"

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
        Result<UniqueFd> fd = open_for_locks(file);
        if (!fd) return fd.error();
        Description made;
        (is_writable(fd->get()) ? made.writer : made.reader) = std::move(*fd);
        at = descriptions_.emplace(key, std::move(made)).first;
    }
    at->second.handle = owner.handle;
    at->second.process = owner.process;
    return &at->second;
}

/// Where the owner had the file open for reading alone until now.
Status LockTable::set_exclusively(const OpenFile& file, Description& description, const struct flock& wanted) {
    if (!description.writer) {
        Result<UniqueFd> fd = reopen(file.data->descriptor(), O_RDWR);
        if (!fd) return fd.error();
        description.writer = std::move(*fd);
    }
    struct flock nothing = wanted;
    nothing.l_type = F_UNLCK;
    if (description.reader) (void)ofd_set(description.reader.get(), nothing);
    return ofd_set(description.writer.get(), wanted);
}

Status LockTable::set(const OpenFile& file, const LockOwner& owner, const struct flock& wanted) {
    const std::lock_guard lock(mutex_);
    const Key key{file.data->key(), Kind::posix, owner.id};
    if (wanted.l_type == F_UNLCK && !descriptions_.contains(key)) return {};
    const Result<Description*> found = description(file, owner, Kind::posix);
    if (!found) return found.error();
    Description& own = **found;
    if (wanted.l_type == F_WRLCK) return set_exclusively(file, own, wanted);
    const bool unlocks = wanted.l_type == F_UNLCK;
    if (unlocks && own.reader && own.writer) (void)ofd_set(own.reader.get(), wanted);
    return ofd_set(own.writer ? own.writer.get() : own.reader.get(), wanted);
}

Result<struct flock> LockTable::test(const OpenFile& file, const LockOwner& owner, const struct flock& wanted) {
    const std::lock_guard lock(mutex_);
    const Result<Description*> own = description(file, owner, Kind::posix);
    if (!own) return own.error();
    struct flock held = wanted;
    const int fd = (*own)->writer ? (*own)->writer.get() : (*own)->reader.get();
    if (const Status asked = ofd_call(fd, F_OFD_GETLK, held); !asked) return asked.error();
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
        const int fd = other.writer ? other.writer.get() : other.reader.get();
        if (ofd_call(fd, F_OFD_GETLK, probe) && probe.l_type == F_UNLCK) return other.process;
    }
    return 0;
}

Status LockTable::flock(const OpenFile& file, const LockOwner& owner, int operation) {
    const std::lock_guard lock(mutex_);
    const Key key{file.data->key(), Kind::flock, owner.id};
    if ((operation & ~LOCK_NB) == LOCK_UN && !descriptions_.contains(key)) return {};
    const Result<Description*> own = description(file, owner, Kind::flock);
    if (!own) return own.error();
    const int fd = (*own)->writer ? (*own)->writer.get() : (*own)->reader.get();
    if (::flock(fd, operation | LOCK_NB) != 0) return last_errno();
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
