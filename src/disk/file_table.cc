#include "disk/file_table.h"

#include <fcntl.h>

#include <utility>

#include "disk/tree.h"
#include "sys/file_io.h"

namespace bandfs {

int FileTable::backing_flags(int flags) {
    constexpr int kKept = O_TRUNC | O_LARGEFILE | O_NOATIME;
    const int mode = (flags & O_ACCMODE) == O_RDONLY ? O_RDONLY : O_RDWR;
    return mode | (flags & kKept) | O_CLOEXEC;
}

Result<std::shared_ptr<OpenFile>> FileTable::open(Tree& tree, Inode& inode, int flags,
                                                  std::vector<std::uint64_t> opener) {
    int below = backing_flags(flags);
    Result<UniqueFd> fd = tree.open_file(inode, below);
    if (!fd && fd.code() == EACCES && (flags & O_ACCMODE) == O_WRONLY) {
        // Not root, and a file that it may only write.
        below = (below & ~O_ACCMODE) | O_WRONLY;
        fd = tree.open_file(inode, below);
    }
    if (!fd) return fd.error();
    return enter(*std::move(fd), below, flags, std::move(opener));
}

Result<std::shared_ptr<OpenFile>> FileTable::adopt(UniqueFd fd, int flags, std::vector<std::uint64_t> opener) {
    return enter(std::move(fd), backing_flags(flags), flags, std::move(opener));
}

// `below`: the flags that `fd` was opened with, `flags`: those of the caller.
Result<std::shared_ptr<OpenFile>> FileTable::enter(UniqueFd fd, int below, int flags,
                                                   std::vector<std::uint64_t> opener) {
    Result<std::shared_ptr<FileData>> file = file_for(fd.get());
    if (!file) return file.error();
    (*file)->adopt(std::move(fd), below);
    if ((flags & O_TRUNC) != 0) emptied_(**file);
    auto opened = std::make_shared<OpenFile>(*file, flags, std::move(opener));
    if (opened->direct() && !(*file)->has_direct()) return Errno{EINVAL};
    return opened;
}

Result<std::shared_ptr<FileData>> FileTable::file_for(int fd) {
    const Result<FileFacts> facts = file_facts(fd);
    if (!facts) return facts.error();
    if (!facts->is_regular) return Errno{EINVAL};
    const FileKey key{facts->device, facts->inode};
    const std::lock_guard lock(mutex_);
    std::weak_ptr<FileData>& known = files_[key];
    if (std::shared_ptr<FileData> file = known.lock()) return file;
    auto volume = volumes_.find(key.device);
    if (volume == volumes_.end()) volume = volumes_.emplace(key.device, io_.volume(fd)).first;
    auto file = std::make_shared<FileData>(io_, key, volume->second);
    known = file;
    if (files_.size() >= drop_at_) drop_the_gone();
    return file;
}

void FileTable::drop_the_gone() {
    std::erase_if(files_, [](const auto& entry) { return entry.second.expired(); });
    drop_at_ = 2 * files_.size() + 64;
}

std::shared_ptr<FileData> FileTable::find(FileKey key) {
    const std::lock_guard lock(mutex_);
    const auto found = files_.find(key);
    return found == files_.end() ? nullptr : found->second.lock();
}

}  // namespace bandfs
