// control/status.h - what a mount reports: dm-band's two forms, and JSON.
#pragma once

#include <string>

#include "control/mount_info.h"
#include "control/snapshot.h"

namespace bandfs {

/// dm-band's INFO: a head line, then per group its id and, for reads and then writes, the requests that arrived, those
/// of them that were held first, and their sectors.
std::string status_text(const MountInfo& info, const MountSnapshot& snapshot);

/// dm-band's TABLE: the disk and the marks, then per group its id, weight and tokens of an epoch.
std::string table_text(const MountInfo& info, const MountSnapshot& snapshot);

/// Everything, as one JSON object (bandfs-control(5) has its members). Ids are numbers, the default group's is null.
std::string status_json(const MountInfo& info, const MountSnapshot& snapshot);

/// One group's counts, a line each: "read.units 17".
std::string group_stat_text(const GroupSnapshot& group);

/// Of 1: what part of the disk the weights grant this group, and what part of the bytes done since the last reset it
/// had.
struct Shares {
    double wanted = 0;
    double got = 0;
};
Shares shares_of(const GroupSnapshot& group, const MountSnapshot& snapshot);

}  // namespace bandfs
