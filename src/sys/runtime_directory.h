// sys/runtime_directory.h - where the servers of one user leave their sockets, and how one of them is elected.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "sys/result.h"
#include "sys/unique_fd.h"

namespace bandfs {

/// /run/bandfs for root, XDG_RUNTIME_DIR/bandfs for others, /tmp/bandfs-UID when that is unset, empty or relative.
std::string runtime_directory_path(uid_t uid, const char* xdg_runtime_dir);

/// Opens the directory, made with mode 0700 when it is not there (`make`). EPERM when it is not a directory of `uid`
/// that is closed to everybody else (a symbolic link is not): nothing in it could be trusted. ENOENT: not there, `make`
/// false.
Result<UniqueFd> open_runtime_directory(const std::string& path, uid_t uid, bool make);

/// The names in a directory that end in `suffix`, without it, sorted.
Result<std::vector<std::string>> names_ending_in(int directory, std::string_view suffix);

/// Takes the lock file `name` in the directory and keeps it while the descriptor is open, across fork. The kernel lets
/// it go when its last holder dies, however that happens. EWOULDBLOCK: somebody else holds it.
Result<UniqueFd> take_lock(int directory, std::string_view name);

/// Removes a lock file that this process holds. take_lock() notices when the file it locked is not the one of that name
/// any more, so a removed lock is never held by two.
void remove_lock(int directory, std::string_view name);

}  // namespace bandfs
