// fuse/ops_space.cc - FALLOCATE and LSEEK.
//
// There is no COPY_FILE_RANGE: the kernel then reads and writes in the caller's name, so that a copy is scheduled and
// charged like every other read and write, page cache included.
#include <linux/capability.h>
#include <sys/stat.h>

#include <optional>

#include "fuse/data_job.h"
#include "fuse/data_job_caller.h"
#include "fuse/operations.h"
#include "fuse/request.h"
#include "sys/file_io.h"
#include "sys/identity.h"

namespace bandfs {

namespace {

/// The caller, when it matters who allocates: when that takes set-id bits off the file, which the kernel does not say
/// here, and when the blocks may be such that are kept for root.
std::optional<Identity> who_allocates(fuse_req_t request, const OpenFile& file, std::uint64_t bytes) {
    struct stat now {};
    const bool setid = ::fstat(file.data->descriptor(), &now) == 0 && (now.st_mode & (S_ISUID | S_ISGID)) != 0;
    const fuse_ctx& caller = *fuse_req_ctx(request);
    if (setid && !thread_has_capability(caller.pid, CAP_FSETID)) return clearing_setid(request, now.st_mode);
    if (caller.uid != 0 && file.data->near_reserve(bytes)) return identity_of(request);
    return std::nullopt;
}

}  // namespace

void op_fallocate(fuse_req_t request, fuse_ino_t node, int mode, off_t offset, off_t length, fuse_file_info* info) {
    if (refused_leaving(request)) return;
    Filesystem& filesystem = filesystem_of(request);
    const std::shared_ptr<OpenFile>& file = Handles::get<OpenFileHandle>(info->fh).file();
    const CallerLineage lineage = lineage_of(request, file.get());
    const auto begin = static_cast<std::uint64_t>(offset);
    const auto bytes = static_cast<std::uint64_t>(length);
    auto allocate =
        std::make_unique<FuseAllocate>(request, node, file, mode, begin, bytes, who_allocates(request, *file, bytes));
    filesystem.data->charge_allocation(*allocate, *file, mode, begin, bytes);
    filesystem.gate->submit(std::move(allocate), *filesystem.groups, lineage.ids(), false);
}

void op_lseek(fuse_req_t request, fuse_ino_t, off_t offset, int whence, fuse_file_info* info) {
    const std::shared_ptr<OpenFile>& file = Handles::get<OpenFileHandle>(info->fh).file();
    const Result<std::uint64_t> found = seek_file(file->data->descriptor(), static_cast<std::uint64_t>(offset), whence);
    if (found)
        fuse_reply_lseek(request, static_cast<off_t>(*found));
    else
        fuse_reply_err(request, found.code());
}

}  // namespace bandfs
