// disk/tree_attributes.cc - attributes and extended attributes of inodes, through descriptors that are not open for
// data.
#include <fcntl.h>
#include <limits.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <utility>

#include "disk/tree.h"
#include "sys/file_capabilities.h"
#include "sys/setid.h"

namespace bandfs {
namespace {

constexpr mode_t kModeBits = 07777;

bool sets_times(const AttrChange& change) {
    return change.atime.tv_nsec != UTIME_OMIT || change.mtime.tv_nsec != UTIME_OMIT;
}

}  // namespace

Result<struct stat> Tree::attributes_of(int fd) {
    struct stat attr {};
    if (::fstatat(fd, "", &attr, AT_EMPTY_PATH) != 0) return last_errno();
    return attr;
}

Result<struct stat> Tree::attributes(Inode& inode) {
    Result<HeldFd> held = descriptor(inode);
    if (!held) return held.error();
    return attributes_of((*held)->get());
}

std::optional<timespec> Tree::birth_time(Inode& inode) {
    const Result<HeldFd> held = descriptor(inode);
    if (!held) return std::nullopt;
    struct statx attr {};
    if (::statx((*held)->get(), "", AT_EMPTY_PATH, STATX_BTIME, &attr) != 0) return std::nullopt;
    if ((attr.stx_mask & STATX_BTIME) == 0) return std::nullopt;
    return timespec{attr.stx_btime.tv_sec, static_cast<long>(attr.stx_btime.tv_nsec)};
}

Result<struct stat> Tree::set_attributes(Inode& inode, const AttrChange& change, const Identity& who) {
    Result<HeldFd> held = descriptor(inode);
    if (!held) return held.error();
    const int fd = (*held)->get();
    std::optional<SetidKeeper> bits;
    std::optional<FileCapabilities> capabilities;
    if (change.keeps_privileges) {
        bits.emplace(fd);
        capabilities.emplace(MagicLinks::path(fd));
    }
    if (change.uid || change.gid || change.owners_as_they_are) {
        const ActingAs caller(who);
        constexpr auto kSame = static_cast<uid_t>(-1);
        if (::fchownat(fd, "", change.uid.value_or(kSame), change.gid.value_or(kSame), AT_EMPTY_PATH) != 0)
            return last_errno();
    }
    if (change.keeps_privileges) {
        if (const Status restored = bits->restore(); !restored) return restored.error();
        if (const Status restored = capabilities->restore(); !restored) return restored.error();
    }
    if (change.mode) {
        if (::fchmodat(links_.directory(), MagicLinks::name(fd).c_str(), *change.mode & kModeBits, 0) != 0)
            return last_errno();
    }
    if (sets_times(change)) {
        const timespec times[2] = {change.atime, change.mtime};
        if (::utimensat(fd, "", times, AT_EMPTY_PATH) != 0) return last_errno();
    }
    return attributes_of(fd);
}

Status Tree::truncate(Inode& inode, std::uint64_t size, bool keeps_capabilities) {
    if (!inode.is_regular()) return Errno{EINVAL};
    Result<HeldFd> held = descriptor(inode);
    if (!held) return held.code() == ESTALE ? inode.gone(now_ns()) : held.error();
    const std::string path = MagicLinks::path((*held)->get());
    std::optional<FileCapabilities> capabilities;
    if (keeps_capabilities) capabilities.emplace(path);
    // Not ftruncate(2): with that, tmpfs says that a file has changed whose size was the same before.
    if (::truncate(path.c_str(), static_cast<off_t>(size)) != 0) return last_errno();
    if (capabilities) (void)capabilities->restore();  // the size is set, and that is what was asked for
    return {};
}

Status Tree::inode_ioctl(Inode& inode, unsigned long command, void* argument) {
    if (!inode.is_regular() && !inode.is_directory()) return Errno{ENXIO};
    Result<UniqueFd> file = open_as_told(inode, O_RDONLY);
    if (!file) return file.error();
    if (::ioctl(file->get(), command, argument) < 0) return last_errno();
    return {};
}

Result<std::string> Tree::read_link(Inode& inode) {
    Result<HeldFd> held = descriptor(inode);
    if (!held) return held.error();
    std::string target(PATH_MAX, '\0');
    const ssize_t length = ::readlinkat((*held)->get(), "", target.data(), target.size());
    if (length < 0) return last_errno();
    target.resize(static_cast<std::size_t>(length));
    return target;
}

Result<struct statvfs> Tree::statistics(Inode& inode) {
    Result<HeldFd> held = descriptor(inode);
    if (!held) return held.error();
    struct statvfs statistics {};
    if (::fstatvfs((*held)->get(), &statistics) != 0) return last_errno();
    return statistics;
}

Result<std::size_t> Tree::get_xattr(Inode& inode, const char* name, std::span<char> value, int open) {
    ssize_t length = 0;
    if (open >= 0) {
        length = ::fgetxattr(open, name, value.data(), value.size());
    } else {
        Result<HeldFd> held = descriptor(inode);
        if (!held) return held.error();
        length = ::getxattr(MagicLinks::path((*held)->get()).c_str(), name, value.data(), value.size());
    }
    if (length < 0) return last_errno();
    return static_cast<std::size_t>(length);
}

Result<std::size_t> Tree::list_xattrs(Inode& inode, std::span<char> names) {
    Result<HeldFd> held = descriptor(inode);
    if (!held) return held.error();
    const ssize_t length = ::listxattr(MagicLinks::path((*held)->get()).c_str(), names.data(), names.size());
    if (length < 0) return last_errno();
    return static_cast<std::size_t>(length);
}

Status Tree::set_xattr(Inode& inode, const char* name, std::string_view value, int flags, const Identity& who) {
    Result<HeldFd> held = descriptor(inode);
    if (!held) return held.error();
    const ActingAs caller(who);
    if (::setxattr(MagicLinks::path((*held)->get()).c_str(), name, value.data(), value.size(), flags) != 0)
        return last_errno();
    return {};
}

Status Tree::remove_xattr(Inode& inode, const char* name, const Identity& who) {
    Result<HeldFd> held = descriptor(inode);
    if (!held) return held.error();
    const ActingAs caller(who);
    if (::removexattr(MagicLinks::path((*held)->get()).c_str(), name) != 0) return last_errno();
    return {};
}

}  // namespace bandfs
