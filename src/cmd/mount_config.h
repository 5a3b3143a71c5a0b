// cmd/mount_config.h - what a configuration file and the options of the command say of a mount, put together.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cmd/mount_request.h"
#include "cmd/option_string.h"
#include "cmd/outcome.h"
#include "control/config.h"

namespace bandfs {

inline constexpr std::string_view kSystemConfig = "/etc/bandfs/bandfs.toml";

/// A mount as it was asked for. Paths are absolute and without symbolic links.
struct AskedMount {
    std::string source;
    std::string mountpoint;
    std::vector<WrittenOption> options;  ///< config=FILE has an absolute path
};

/// What is wrong with a mount's further options, other than each by itself; "" when nothing is.
std::string flaw_of_options(const ConfiguredMount& mount);

/// Every problem of a file in one text, at most a few lines; empty when there is none.
std::string problems_text(const ParsedConfig& parsed, const std::string& path);

/// What `mount` of a file is as options, and its device group's settings (nullptr: none) before them.
std::vector<WrittenOption> options_of(const ConfiguredMount& mount, const ConfiguredDeviceGroup* device_group);
ConfiguredGroups groups_of(const ConfiguredMount& mount);

/// The configuration file that a mount uses, as it is now: that of its option config, else the system's when it is
/// there and may be read.
class MountConfig {
public:
    /// A failure (`config`) names the file, the line and the column. A file that the option names must have a [[mount]]
    /// of this source and place (`must_have_it`: at the time of mounting).
    static Outcome<MountConfig> read(const AskedMount& mount_asked, bool must_have_it);

    /// The device group that the options, or else the file, name.
    std::optional<std::string> device_group() const;
    /// What is wanted of the mount in that device group: the file's settings, then the options, which override them.
    Outcome<MountRequest> request(const std::string& device_group) const;
    /// The file's options, then the command's.
    std::vector<WrittenOption> all_options() const;
    /// Whether the file has a [[mount]] of it.
    bool is_configured() const { return mount_.has_value(); }

private:
    std::vector<WrittenOption> options_;
    std::optional<Config> config_;
    std::optional<ConfiguredMount> mount_;
    std::string path_;
};

/// Those of the options that no key of a configuration file but `options` can say, as after -o.
std::string further_options(const std::vector<WrittenOption>& options);

}  // namespace bandfs
