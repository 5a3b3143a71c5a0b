#include "sys/file_handle.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>

namespace bandfs {
namespace {

/// The kernel's struct with room for its longest handle.
class RawHandle {
public:
    RawHandle() { get()->handle_bytes = MAX_HANDLE_SZ; }
    file_handle* get() { return reinterpret_cast<file_handle*>(memory_); }
    file_handle* operator->() { return get(); }

private:
    alignas(file_handle) std::byte memory_[sizeof(file_handle) + MAX_HANDLE_SZ]{};
};

Result<MountedHandle> without_handle(int fd, const char* name) {
    struct statx attributes {};
    constexpr int kFlags = AT_EMPTY_PATH | AT_STATX_DONT_SYNC | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
    if (::statx(fd, name, kFlags, STATX_MNT_ID, &attributes) != 0) return last_errno();
    return MountedHandle{{}, static_cast<int>(attributes.stx_mnt_id)};
}

}  // namespace

bool operator==(const FileHandle& a, const FileHandle& b) {
    return a.type == b.type && std::ranges::equal(a.value(), b.value());
}

Result<MountedHandle> handle_of(int fd, const char* name) {
    RawHandle raw;
    MountedHandle result;
    if (::name_to_handle_at(fd, name, raw.get(), &result.mount_id, AT_EMPTY_PATH) != 0) {
        const Errno error = last_errno();
        if (error.code == EOPNOTSUPP || error.code == EOVERFLOW) return without_handle(fd, name);
        return error;
    }
    if (raw->handle_bytes > FileHandle::kMostBytes) return result;
    result.handle.type = raw->handle_type;
    result.handle.size = static_cast<std::uint8_t>(raw->handle_bytes);
    std::memcpy(result.handle.bytes.data(), raw->f_handle, result.handle.size);
    return result;
}

Result<UniqueFd> open_handle(int mount, const FileHandle& handle, int flags) {
    RawHandle raw;
    raw->handle_bytes = handle.size;
    raw->handle_type = handle.type;
    std::memcpy(raw->f_handle, handle.bytes.data(), handle.size);
    UniqueFd fd(::open_by_handle_at(mount, raw.get(), flags | O_CLOEXEC));
    if (fd) return fd;
    // What the kernel says while the number of a file that is gone is being given to a new one (iget_locked() finds an
    // inode that is I_CREATING). Memory for so little it always has.
    return last_errno() == Errno{ENOMEM} ? Errno{ESTALE} : last_errno();
}

}  // namespace bandfs
