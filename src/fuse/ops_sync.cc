// fuse/ops_sync.cc - FSYNC of a file.
#include "fuse/data_job.h"
#include "fuse/operations.h"
#include "fuse/request.h"

namespace bandfs {

void op_fsync(fuse_req_t request, fuse_ino_t, int data_only, fuse_file_info* info) {
    Filesystem& filesystem = filesystem_of(request);
    const std::shared_ptr<OpenFile>& file = Handles::get<OpenFileHandle>(info->fh).file();
    filesystem.data->sync(std::make_unique<FuseSync>(request, file, data_only != 0));
}

}  // namespace bandfs
