// fuse/ops_read.cc - READ.
#include <fcntl.h>

#include "fuse/access_time.h"
#include "fuse/data_job.h"
#include "fuse/data_job_caller.h"
#include "fuse/operations.h"
#include "fuse/request.h"
#include "fuse/session_message.h"

namespace bandfs {

void op_read(fuse_req_t request, fuse_ino_t, size_t bytes, off_t offset, fuse_file_info* info) {
    if (refused_leaving(request)) return;
    Filesystem& filesystem = filesystem_of(request);
    const std::shared_ptr<OpenFile>& file = Handles::get<OpenFileHandle>(info->fh).file();
    const CallerLineage lineage = lineage_of(request, file.get());
    const bool quiet = spares_access_time(*filesystem.tree, file->data->descriptor());
    const IoFlags flags(quiet ? info->flags | O_NOATIME : info->flags);
    current_message().left =
        filesystem.data->read(std::make_unique<FuseRead>(request, file, flags, static_cast<std::uint64_t>(offset),
                                                         static_cast<std::uint32_t>(bytes)),
                              lineage.ids(), current_message().others_wait);
}

}  // namespace bandfs
