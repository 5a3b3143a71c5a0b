// fuse/ops_open.cc - OPEN, CREATE and RELEASE of regular files.
//
// A close has nothing to say to us unless locks are taken below (ops_lock.cc): FOPEN_NOFLUSH tells the kernel.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <cstring>
#include <optional>

#include "fuse/access_time.h"
#include "fuse/backing_locks.h"
#include "fuse/data_job.h"
#include "fuse/data_job_caller.h"
#include "fuse/operations.h"
#include "fuse/reply.h"
#include "fuse/request.h"
#include "fuse/session_message.h"
#include "sys/clock.h"
#include "sys/identity.h"

namespace bandfs {
namespace {

/// The time of the last access where a read by this open file would set it, if the backing file answered it.
std::optional<TimeNs> access_time_to_set(const Tree& tree, const OpenFile& file, const ChangeWatch::Seen& seen) {
    if ((file.flags & O_ACCMODE) == O_WRONLY || IoFlags(file.flags).quiet() || tree.noatime()) return std::nullopt;
    struct statvfs mounted {};
    if (::fstatvfs(file.data->descriptor(), &mounted) != 0) return std::nullopt;
    const unsigned long flags = mounted.f_flag | (tree.relatime() ? ST_RELATIME : 0);
    if (!read_sets_access_time(seen.file, flags, seen.realtime)) return std::nullopt;
    return nanoseconds_of(seen.file.st_atim);
}

/// Whether the kernel may keep the pages it has of this file: it answers reads from them without anybody's knowing. So
/// it may not where a read would set the time of the last access; unless the file is being written through the mount,
/// when dropping them does harm. Then this sets it, for who opens it to read; others may not want to read at all.
bool may_keep_pages(Filesystem& filesystem, std::uint64_t node, const OpenFile& file) {
    const KeptPages kept = filesystem.options.kept_pages;
    if (kept == KeptPages::always || kept == KeptPages::never) return kept == KeptPages::always;
    const ChangeWatch::Seen seen = file.data->look();
    const std::optional<TimeNs> accessed = access_time_to_set(*filesystem.tree, file, seen);
    const bool stays = file.data->changes().access_time_stays(accessed, seen.realtime);
    if (seen.changed_by_others || seen.drop_owed) return false;
    if (!accessed || stays) return true;
    if (!seen.changed_lately) return false;
    if ((file.flags & O_ACCMODE) == O_RDONLY) {
        file.data->touch();
        filesystem.forget_attributes(node);
    }
    return true;
}

/// Whether the kernel would have an open for reading that goes through its page cache wait, until all direct writes to
/// the file are done that are under way side by side. One that goes past it need not.
bool would_wait(const Filesystem& filesystem, const OpenFile& file) {
    return filesystem.kernel.cached_opens_wait && (file.flags & O_ACCMODE) == O_RDONLY &&
           !IoFlags(file.flags).direct() && file.data->writes_wait_long(now_ns());
}

/// Enters the file among those that are open, and fills in what the kernel is told of it. Returns FOPEN_ flags that
/// libfuse does not know.
std::uint32_t enter(Filesystem& filesystem, std::shared_ptr<OpenFile> file, fuse_file_info& info) {
    // The kernel sends O_DIRECT requests of their own for files it caches as well, but there one write excludes all
    // others.
    const bool direct = filesystem.options.direct_io || IoFlags(file->flags).direct();
    const bool parallel = direct && filesystem.kernel.parallel_direct_writes;
    info.noflush = filesystem.locks == nullptr;
    info.direct_io = filesystem.options.direct_io || parallel || would_wait(filesystem, *file);
    const bool reads = (file->flags & O_ACCMODE) != O_WRONLY;
    auto handle = std::make_unique<OpenFileHandle>(*filesystem.data, std::move(file));
    if (reads) handle->watch(filesystem.pages);
    info.fh = filesystem.handles.add(std::move(handle));
    return parallel ? kFopenParallelDirectWrites : 0;
}

/// Opens as the caller would, who may lack CAP_FSETID: truncation then clears set-id bits.
Result<std::shared_ptr<OpenFile>> open_for_caller(fuse_req_t request, Inode& inode, int flags) {
    Filesystem& filesystem = filesystem_of(request);
    std::optional<ActingAs> ordinary;
    if (kill_suidgid_requested()) {
        const Result<struct stat> attributes = filesystem.tree->attributes(inode);
        if (!attributes) return attributes.error();
        ordinary.emplace(clearing_setid(request, attributes->st_mode));
    }
    const bool needs_file = lineage_needs_file(filesystem);
    FileOpener opener = needs_file ? FileOpener() : opener_of(request);  // before O_TRUNC does anything
    auto file = filesystem.data->files().open(*filesystem.tree, inode, flags);
    if (file) (*file)->opener = needs_file ? opener_of(request, file->get()) : std::move(opener);
    return file;
}

}  // namespace

void op_open(fuse_req_t request, fuse_ino_t node, fuse_file_info* info) {
    Filesystem& filesystem = filesystem_of(request);
    const Result<InodePtr> inode = filesystem.tree->inode(node);
    if (!inode) {
        fuse_reply_err(request, inode.code());
        return;
    }
    Result<std::shared_ptr<OpenFile>> file = open_for_caller(request, **inode, info->flags);
    if (!file) {
        fuse_reply_err(request, file.code());
        return;
    }
    info->keep_cache = may_keep_pages(filesystem, node, **file);
    const std::shared_ptr<FileData> data = (*file)->data;
    const std::uint32_t fopen_flags = enter(filesystem, *std::move(file), *info);
    if (reply_open(request, *info, fopen_flags) >= 0) return;
    if (!info->keep_cache) data->changes().pages_are_old();  // as nobody has been told
    filesystem.handles.remove(info->fh);
}

void op_create(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode, fuse_file_info* info) {
    Filesystem& filesystem = filesystem_of(request);
    const Result<InodePtr> directory = filesystem.tree->inode(parent);
    if (!directory) {
        fuse_reply_err(request, directory.code());
        return;
    }
    const int flags = FileTable::backing_flags(info->flags) | (info->flags & O_EXCL);
    const Identity who = identity_of(request);
    Result<CreatedFile> created = std::strcmp(name, kNamelessFile) == 0
                                      ? filesystem.tree->create_nameless(**directory, flags, mode, who)
                                      : filesystem.tree->create(**directory, name, flags, mode, who);
    if (!created) {
        fuse_reply_err(request, created.code());
        return;
    }
    Inode& inode = *created->entry.inode;
    Result<std::shared_ptr<OpenFile>> file =
        filesystem.data->files().adopt(std::move(created->descriptor), info->flags, inode.id());
    if (!file) {
        filesystem.tree->forget(inode, 1);
        fuse_reply_err(request, file.code());
        return;
    }
    (*file)->opener = opener_of(request, file->get());
    const std::uint32_t fopen_flags = enter(filesystem, *std::move(file), *info);
    if (reply_create(request, entry_param_of(filesystem, created->entry), *info, fopen_flags) < 0) {
        filesystem.handles.remove(info->fh);
        filesystem.tree->forget(inode, 1);
    }
}

void op_release(fuse_req_t request, fuse_ino_t, fuse_file_info* info) {
    Filesystem& filesystem = filesystem_of(request);
    if (filesystem.locks) {
        filesystem.locks->table().close_handle(info->fh);
        filesystem.locks->released();
    }
    filesystem.handles.remove(info->fh);
    fuse_reply_err(request, 0);
}

}  // namespace bandfs
