// fuse/ops_lock.cc - GETLK, SETLK, SETLKW, FLOCK and FLUSH, which the kernel sends with locks=backing.
//
// FLUSH comes for every close of a descriptor, and takes the POSIX locks of the process that closed it. It says nothing
// else: the errors of write-back belong to fsync, as on every local file system. Where the kernel keeps the locks it is
// told not to send any (ops_open.cc), and one that does not know how is answered ENOSYS once.
#include <sys/file.h>

#include <cerrno>
#include <memory>

#include "fuse/backing_locks.h"
#include "fuse/operations.h"
#include "fuse/request.h"

namespace bandfs {
namespace {

LockOwner owner_of(fuse_req_t request, const fuse_file_info& info) {
    return {info.lock_owner, info.fh, fuse_req_ctx(request)->pid};
}

/// Answers with what `attempt` gives, once it is not EAGAIN if `waits`.
void take(fuse_req_t request, const std::shared_ptr<OpenFile>& file, bool waits, std::function<Status()> attempt) {
    const Status status = attempt();
    if (waits && status.code() == EAGAIN) {
        filesystem_of(request).locks->wait_for(std::make_unique<LockWaiter>(request, file, std::move(attempt)));
    } else {
        reply_status(request, status);
    }
}

}  // namespace

void op_getlk(fuse_req_t request, fuse_ino_t, fuse_file_info* info, struct flock* wanted) {
    const std::shared_ptr<OpenFile>& file = Handles::get<OpenFileHandle>(info->fh).file();
    const Result<struct flock> held =
        filesystem_of(request).locks->table().test(*file, owner_of(request, *info), *wanted);
    if (held)
        fuse_reply_lock(request, &*held);
    else
        fuse_reply_err(request, held.code());
}

void op_setlk(fuse_req_t request, fuse_ino_t, fuse_file_info* info, struct flock* wanted, int waits) {
    BackingLocks& locks = *filesystem_of(request).locks;
    const std::shared_ptr<OpenFile>& file = Handles::get<OpenFileHandle>(info->fh).file();
    take(request, file, waits != 0,
         [&table = locks.table(), file = file.get(), owner = owner_of(request, *info), lock = *wanted] {
             return table.set(*file, owner, lock);
         });
    if (wanted->l_type != F_WRLCK) locks.released();
}

void op_flock(fuse_req_t request, fuse_ino_t, fuse_file_info* info, int operation) {
    BackingLocks& locks = *filesystem_of(request).locks;
    const std::shared_ptr<OpenFile>& file = Handles::get<OpenFileHandle>(info->fh).file();
    take(request, file, (operation & LOCK_NB) == 0,
         [&table = locks.table(), file = file.get(), owner = owner_of(request, *info), operation] {
             return table.flock(*file, owner, operation);
         });
    locks.released();  // a lock that could not be changed is lost
}

void op_flush(fuse_req_t request, fuse_ino_t, fuse_file_info* info) {
    BackingLocks* const locks = filesystem_of(request).locks.get();
    if (locks == nullptr) {
        fuse_reply_err(request, ENOSYS);
        return;
    }
    const FileKey file = Handles::get<OpenFileHandle>(info->fh).file()->data->key();
    if (locks->table().close(file, info->lock_owner)) locks->released();
    fuse_reply_err(request, 0);
}

}  // namespace bandfs
