// disk/lock_table.h - locks of callers, taken on the backing files: against each other, other mounts and SOURCE's
// users.
#pragma once

#include <fcntl.h>
#include <sys/types.h>

#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

#include "disk/file_key.h"
#include "disk/open_file.h"
#include "sys/result.h"
#include "sys/unique_fd.h"

namespace bandfs {

/// Who locks, as the kernel numbers them: a process, or one open of a file, and through which handle of this mount.
struct LockOwner {
    std::uint64_t id = 0;
    std::uint64_t handle = 0;
    pid_t process = 0;
};

/// The locks of a mount's callers. Each owner has an open file description of its own on each file that it locks, since
/// the kernel gives flock(2) and open file description locks (F_OFD_SETLK) to those. Never waits. Thread-safe: one call
/// at a time, none of which does I/O.
///
/// A description is kept until the owner closes the file. It is open for reading and writing where that goes and does
/// no harm: while it is, the file could not be executed, so of an executable that the caller only reads it is open for
/// reading, until its owner locks that for writing through another open.
///
/// Unlike a process's own POSIX locks these have no process, and waiting for each other in a circle is not found.
class LockTable {
public:
    /// As fcntl(F_SETLK): EAGAIN when somebody else's lock is in the way.
    Status set(const OpenFile& file, const LockOwner& owner, const struct flock& wanted);
    /// As fcntl(F_GETLK): the lock in the way, F_UNLCK as its type when there is none. Its process is 0 when it is not
    /// known.
    Result<struct flock> test(const OpenFile& file, const LockOwner& owner, const struct flock& wanted);
    /// As flock(2) with LOCK_NB.
    Status flock(const OpenFile& file, const LockOwner& owner, int operation);

    /// The owner closes a descriptor of this file: its POSIX locks go, as on every file system. False: it had none.
    bool close(FileKey file, std::uint64_t owner);
    /// This handle is gone: so are the locks of the open itself.
    void close_handle(std::uint64_t handle);

private:
    enum class Kind : std::uint8_t { posix, flock };
    struct Key {
        FileKey file;
        Kind kind;
        std::uint64_t owner;
        friend auto operator<=>(const Key&, const Key&) = default;
    };
    struct Description {
        UniqueFd fd;
        std::uint64_t handle = 0;  ///< the last one that was used
        pid_t process = 0;
    };

    Result<Description*> description(const OpenFile& file, const LockOwner& owner, Kind kind);
    static Result<UniqueFd> open_for_locks(const OpenFile& file);
    static Status make_writable(const OpenFile& file, Description& description);
    pid_t holder(FileKey file, std::uint64_t besides, const struct flock& held);

    std::mutex mutex_;
    std::map<Key, Description> descriptions_;  ///< guarded by mutex_
};

}  // namespace bandfs
