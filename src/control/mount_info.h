// control/mount_info.h - what names a mount in status, table and metrics.
#pragma once

#include <sys/types.h>

#include <string>

namespace bandfs {

/// Fixed for the life of a mount.
struct MountInfo {
    std::string source;        ///< the directory that is mounted
    std::string mountpoint;    ///< where
    std::string device;        ///< the disk below, "8:1"
    std::string device_group;  ///< the name of the scheduler that the disk's mounts share
    uid_t owner = 0;           ///< who mounted: sets weights, beside root
    gid_t owner_group = 0;
    std::string write_back;  ///< how SOURCE is written back, a name of WriteBackKind
    std::string options;     ///< further mount options, as after -o, that no key of a configuration file stands for
};

}  // namespace bandfs
