// control/metrics.h - a mount's numbers in the text exposition format of Prometheus.
#pragma once

#include <string>
#include <string_view>

#include "control/mount_info.h"
#include "control/snapshot.h"

namespace bandfs {

/// Every metric with HELP and TYPE, its samples together, as promtool's rules ask. The labels `mount` and `devgroup`
/// stand in each sample; `group` (the id in digits, or "default") and `name` (for people) in those of a group.
std::string metrics_text(const MountInfo& info, const MountSnapshot& snapshot);

/// A label's value with backslash, double quote and newline escaped.
std::string escaped_label(std::string_view value);

}  // namespace bandfs
