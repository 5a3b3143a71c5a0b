// fuse/ops_write.cc - WRITE.
#include <algorithm>
#include <cerrno>

#include "fuse/data_job.h"
#include "fuse/data_job_caller.h"
#include "fuse/operations.h"
#include "fuse/request.h"
#include "fuse/session_message.h"
#include "sys/file_io.h"
#include "sys/setid.h"

namespace bandfs {
namespace {

/// Where a write goes. The kernel appends at the end that it last heard of, but the file may have grown below the
/// mount.
std::uint64_t position(const OpenFile& file, IoFlags flags, off_t offset) {
    const auto asked = static_cast<std::uint64_t>(offset);
    if (!flags.appends()) return asked;
    const Result<FileFacts> facts = file_facts(file.data->descriptor());
    return facts ? std::max(asked, facts->size) : asked;
}

}  // namespace

void op_write_buf(fuse_req_t request, fuse_ino_t node, fuse_bufvec* payload, off_t offset, fuse_file_info* info) {
    Filesystem& filesystem = filesystem_of(request);
    const std::shared_ptr<OpenFile>& file = Handles::get<OpenFileHandle>(info->fh).file();
    // Receiving without splice, a payload is one piece of memory: that of the message.
    const std::span bytes(static_cast<const std::byte*>(payload->buf[0].mem), payload->buf[0].size);
    const bool writepage = info->writepage != 0;
    if (!writepage && refused_leaving(request)) return;
    if (writepage && file->data->append_only()) {
        fuse_reply_err(request, EPERM);  // a local file system would not have let it be mapped
        return;
    }
    if (kill_suidgid_requested()) {
        const Result<bool> cleared = clear_setid_bits(
            file->data->descriptor(), [request](gid_t group) { return caller_in_group(request, group); });
        if (!cleared) {
            fuse_reply_err(request, cleared.code());
            return;
        }
        // The kernel has asked us to do it, but would let the file be executed with its old mode for the time-out's
        // length.
        if (*cleared) filesystem.forget_attributes(node);
    }
    const IoFlags flags(writepage ? 0 : info->flags);
    // Of a page that the kernel writes back there is no caller to ask for.
    const CallerLineage lineage = writepage ? lineage_of_mapping(filesystem, *file) : lineage_of(request, file.get());
    current_message().left = filesystem.data->write(
        std::make_unique<FuseWrite>(request, file, flags, position(*file, flags, offset), bytes, writepage),
        lineage.ids(), current_message().others_wait);
}

}  // namespace bandfs
