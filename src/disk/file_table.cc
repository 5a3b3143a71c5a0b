#include "disk/file_table.h"

#include <fcntl.h>

#include <algorithm>
#include <cassert>
#include <new>
#include <utility>

#include "disk/tree.h"
#include "sys/file_io.h"

namespace bandfs {

namespace {

// Files that have gone with a failure that nobody has been told of: beyond so many, one is forgotten.
constexpr std::size_t kMostUntold = 4096;
// How often others are asked to give up descriptors for one open.
constexpr int kMostReliefs = 32;

}  // namespace

FileTable::~FileTable() {
    assert(alive_ == 0);
}

int FileTable::backing_flags(int flags) {
    constexpr int kKept = O_TRUNC | O_LARGEFILE | O_NOATIME;
    const int mode = (flags & O_ACCMODE) == O_RDONLY ? O_RDONLY : O_RDWR;
    return mode | (flags & kKept) | O_CLOEXEC;
}

Result<std::shared_ptr<OpenFile>> FileTable::open(Tree& tree, Inode& inode, int flags) {
    int below = backing_flags(flags);
    Result<UniqueFd> fd = tree.open_file(inode, below);
    if (fd.code() == EPERM && (flags & O_APPEND) != 0) {
        below |= O_APPEND;  // the file takes nothing else
        fd = tree.open_file(inode, below);
    }
    if (!fd && fd.code() == EACCES && (flags & O_ACCMODE) == O_WRONLY) {
        // Not root, and a file that it may only write.
        below = (below & ~O_ACCMODE) | O_WRONLY;
        fd = tree.open_file(inode, below);
    }
    if (!fd) return fd.error();
    return enter(*std::move(fd), below, flags, inode.id());
}

Result<std::shared_ptr<OpenFile>> FileTable::adopt(UniqueFd fd, int flags, NodeId node) {
    Result<std::shared_ptr<OpenFile>> file = enter(std::move(fd), backing_flags(flags), flags, node);
    if (file) (*file)->data->changes().begins_anew();
    return file;
}

// `below`: the flags that `fd` was opened with, `flags`: those of the caller.
Result<std::shared_ptr<OpenFile>> FileTable::enter(UniqueFd fd, int below, int flags, NodeId node) {
    Result<std::shared_ptr<FileData>> file = file_for(fd.get(), node);
    if (!file) return file.error();
    const bool quiet = IoFlags(flags).direct() && leaves_access_time(fd.get());
    (*file)->adopt(std::move(fd), below);
    if ((flags & O_TRUNC) != 0) {
        emptied_(**file);
        (*file)->changes().begins_anew();
    }
    auto opened = std::make_shared<OpenFile>(*file, flags);
    if (IoFlags(flags).direct()) {
        if (const Status direct = open_direct(**file, quiet); !direct) return direct.error();
    }
    return opened;
}

Status FileTable::open_direct(FileData& file, bool quiet) {
    Status status = file.open_direct(quiet);
    for (int i = 0; i != kMostReliefs && lacks_descriptors(status) && relief_ && relief_(); ++i)
        status = file.open_direct(quiet);
    return status;
}

Result<std::shared_ptr<FileData>> FileTable::file_for(int fd, NodeId node) {
    const Result<FileFacts> facts = file_facts(fd);
    if (!facts) return facts.error();
    if (!facts->is_regular) return Errno{EINVAL};
    const FileKey key{facts->device, facts->inode};
    std::shared_ptr<FileData> file;  // outlives the lock, which it would take to go
    const std::lock_guard lock(mutex_);
    Known& known = files_[key];
    file = known.alive.lock();
    if (file) {
        if (node != 0) file->node_ = node;  // the kernel may have forgotten the one before
        return file;
    }
    const auto [found, is_new] = volumes_.try_emplace(key.device);
    KnownVolume& volume = found->second;
    if (is_new) volume.facts = io_.volume(fd);
    const bool tells_ours = volume.facts.kind != WriteBackKind::synchronous;
    file = std::make_shared<FileData>(*this, io_, key, node, volume.facts, volume.space,
                                      changes_.recall(key).value_or(ChangeLog(tells_ours)));
    ++alive_;
    known = {file.get(), file};
    is_empty_ = false;
    if (const auto failure = untold_.find(key); failure != untold_.end()) {
        file->fail(Errno{failure->second});
        untold_.erase(failure);
    }
    return file;
}

void FileTable::goes(FileData& file) noexcept {
    const int failure = file.untold_failure();
    const ChangeLog changes = file.changes().close(file.descriptor());
    const std::lock_guard lock(mutex_);
    changes_.remember(file.key(), changes);
    const auto known = files_.find(file.key());
    if (known != files_.end() && known->second.file == &file) files_.erase(known);
    is_empty_ = files_.empty();
    if (failure == 0) return;
    if (untold_.size() >= kMostUntold) untold_.erase(untold_.begin());
    try {
        untold_[file.key()] = failure;
    } catch (const std::bad_alloc&) {
        return;
    }
}

void FileTable::went() noexcept {
    const std::lock_guard lock(mutex_);
    --alive_;
    ++gone_;
    one_went_.notify_all();
}

std::shared_ptr<FileData> FileTable::find(FileKey key) {
    const std::lock_guard lock(mutex_);
    const auto found = files_.find(key);
    return found == files_.end() ? nullptr : found->second.alive.lock();
}

std::shared_ptr<FileData> FileTable::find(const Inode& inode) {
    if (is_empty_) return nullptr;
    std::shared_ptr<FileData> file = find(FileKey{inode.key().device, inode.key().number});
    return file && file->node() == inode.id() ? file : nullptr;
}

std::vector<std::shared_ptr<FileData>> FileTable::paged_files() {
    std::vector<std::shared_ptr<FileData>> result;
    const std::lock_guard lock(mutex_);
    result.reserve(files_.size());  // nothing throws with a file in hand, whose end would take the lock
    for (const auto& [key, known] : files_) {
        if (known.file == nullptr || !known.file->is_paged()) continue;
        if (auto file = known.alive.lock()) result.push_back(std::move(file));
    }
    return result;
}

void FileTable::forget_failure(FileKey key) {
    const std::lock_guard lock(mutex_);
    untold_.erase(key);
}

OurChange::OurChange(FileTable& files, Tree& tree, Inode& inode)
    : files_(files), key_{inode.key().device, inode.key().number} {
    if (!inode.is_regular()) return;
    open_ = files.find(inode);
    if (open_) {
        ours_.emplace(open_->changes(), open_->descriptor());
        return;
    }
    closed_ = files.recall_changes(key_);
    if (!closed_) return;
    const TimeNs realtime = time_of_day_ns();
    if (closed_->wants_look(realtime)) {
        if (const auto now = tree.attributes(inode); now) closed_->look(*now, realtime);
    }
    closed_->begins();
}

OurChange::~OurChange() {
    if (!closed_) return;
    closed_->ends(time_of_day_ns());
    files_.remember_changes(key_, *closed_);
}

std::optional<ChangeLog> FileTable::recall_changes(FileKey key) const {
    const std::lock_guard lock(mutex_);
    return changes_.recall(key);
}

void FileTable::remember_changes(FileKey key, const ChangeLog& changes) {
    const std::lock_guard lock(mutex_);
    changes_.remember(key, changes);
}

bool FileTable::any_closed() const {
    const std::lock_guard lock(mutex_);
    const auto open = std::ranges::count_if(files_, [](const auto& entry) {
        const FileData* const file = entry.second.file;
        return file != nullptr && file->open_somewhere();
    });
    return alive_ != static_cast<std::size_t>(open);
}

std::uint64_t FileTable::gone() const {
    const std::lock_guard lock(mutex_);
    return gone_;
}

bool FileTable::await_gone(std::uint64_t before, std::chrono::nanoseconds patience) const {
    std::unique_lock lock(mutex_);
    return one_went_.wait_for(lock, patience, [&] { return gone_ != before; });
}

}  // namespace bandfs
