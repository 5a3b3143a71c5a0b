#include "disk/open_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cassert>
#include <utility>

#include "sys/file_io.h"

namespace bandfs {
namespace {

/// What glibc's readdir takes: some 1000 names.
constexpr std::size_t kBufferBytes = 32768;

}  // namespace

Result<OpenDirectory> OpenDirectory::open(Tree& tree, Inode& inode, int flags) {
    Result<UniqueFd> descriptor = tree.open_file(inode, O_RDONLY | O_DIRECTORY | (flags & O_NOATIME));
    if (!descriptor) return descriptor.error();
    return OpenDirectory(std::move(*descriptor));
}

OpenDirectory::OpenDirectory(UniqueFd descriptor)
    : descriptor_(std::move(descriptor)), opened_quiet_(leaves_access_time(descriptor_.get())) {}

Status OpenDirectory::seek(off_t offset) {
    if (offset == position_ && offset != 0) return {};
    if (::lseek(descriptor_.get(), offset, SEEK_SET) < 0) return last_errno();
    position_ = offset;
    at_ = filled_ = 0;
    return {};
}

Result<const DirectoryItem*> OpenDirectory::item() {
    if (at_ == filled_) {
        if (Status status = fill(); !status) return status.error();
        if (filled_ == 0) return nullptr;
    }
    const auto* const raw = reinterpret_cast<const dirent64*>(buffer_.data() + at_);
    item_ = {raw->d_name, raw->d_ino, raw->d_type, raw->d_off};
    return &item_;
}

void OpenDirectory::advance() {
    assert(at_ < filled_);
    const auto* const raw = reinterpret_cast<const dirent64*>(buffer_.data() + at_);
    position_ = raw->d_off;
    at_ += raw->d_reclen;
}

Status OpenDirectory::fill() {
    buffer_.resize(kBufferBytes);
    at_ = filled_ = 0;
    const long length = ::syscall(SYS_getdents64, descriptor_.get(), buffer_.data(), buffer_.size());
    if (length < 0) return last_errno();
    filled_ = static_cast<std::size_t>(length);
    return {};
}

void OpenDirectory::set_quiet(bool quiet) {
    if (opened_quiet_ || quiet == quiet_) return;
    quiet_ = quiet;
    const int flags = ::fcntl(descriptor_.get(), F_GETFL);
    (void)::fcntl(descriptor_.get(), F_SETFL, quiet ? flags | O_NOATIME : flags & ~O_NOATIME);
}

Status OpenDirectory::sync(bool data_only) const {
    const int result = data_only ? ::fdatasync(descriptor_.get()) : ::fsync(descriptor_.get());
    if (result != 0) return last_errno();
    return {};
}

}  // namespace bandfs
