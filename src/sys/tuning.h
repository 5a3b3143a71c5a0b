// sys/tuning.h - settings of the kernel that a file system in user space asks for, as far as it is permitted.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "sys/result.h"

namespace bandfs {

/// How far ahead the kernel reads files of the mounted device `device` (st_dev of its root), in KiB.
/// EACCES or EPERM without the privilege, ENOENT where /sys is not there.
Status set_readahead(dev_t device, std::uint32_t kib);

/// The seconds after which the kernel gives up a request that is not answered, and the mount with it; nullopt: it waits
/// for ever. `settings`: where it says so (Linux 6.14).
std::optional<std::uint32_t> request_timeout_s(const std::string& settings = "/proc/sys/fs/fuse");

/// Tells the kernel that this thread, and those it creates, write back data: memory that they ask for never waits for
/// the file systems they serve. EPERM without CAP_SYS_RESOURCE.
Status become_io_flusher();

}  // namespace bandfs
