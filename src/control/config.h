// control/config.h - the configuration file: device groups, mounts and their groups, in TOML.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "caller/group_type.h"
#include "caller/rules.h"

namespace bandfs {

/// A place in a file. Lines and columns count from 1; 0: the file as a whole.
struct ConfigPlace {
    unsigned line = 0;
    unsigned column = 0;
};

/// `[device_group.NAME]`. What is absent is left as it is, or as it is at first.
struct ConfiguredDeviceGroup {
    ConfigPlace place;
    std::string name;
    std::optional<std::string> policy;
    std::optional<std::string> cost;  ///< "bytes" or "time"
    std::optional<std::uint64_t> io_throttle;
    std::optional<std::uint64_t> io_limit;
    std::optional<std::uint64_t> token;
    std::optional<std::uint64_t> held_max_mib;
    std::optional<std::uint64_t> hold_s;
};

/// `[[mount.group]]`
struct ConfiguredGroup {
    std::string id;                     ///< as written: "alice", "1000", "/user.slice"
    std::optional<std::string> parent;  ///< the id of a group that stands before it, as written
    std::optional<std::string> owner;   ///< a user: "alice", "1000"
    std::optional<std::uint64_t> weight;
    std::optional<std::uint64_t> min;  ///< bytes per second
    std::optional<std::uint64_t> max;  ///< bytes per second
};

/// `[[mount.rule]]`
struct ConfiguredRule {
    Rule rule;
};

/// `[[mount]]`
struct ConfiguredMount {
    ConfigPlace place;
    std::string source;
    std::string mountpoint;
    std::optional<std::string> device_group;
    std::optional<GroupType> type;
    std::optional<std::uint64_t> weight;  ///< of the default group, as the next two
    std::optional<std::uint64_t> min;     ///< bytes per second
    std::optional<std::uint64_t> max;     ///< bytes per second
    std::optional<std::uint64_t> unit_size;
    std::optional<std::uint64_t> dirty_mib;
    std::optional<std::uint64_t> readahead_kib;
    std::optional<double> attr_timeout_s;
    std::optional<double> entry_timeout_s;
    std::optional<std::string> control;
    std::optional<std::string> options;  ///< further mount options, as after -o
    ConfigPlace options_place;
    std::optional<std::uint64_t> auto_weight;
    std::optional<std::uint64_t> auto_max;
    std::vector<ConfiguredRule> rules;
    std::vector<ConfiguredGroup> groups;
};

struct Config {
    std::vector<ConfiguredDeviceGroup> device_groups;  ///< by name
    std::vector<ConfiguredMount> mounts;               ///< in the order of the file

    const ConfiguredDeviceGroup* find_device_group(std::string_view name) const;
    /// The mount of this source at this place; both are compared as they are written, "//", "." and ".." aside.
    const ConfiguredMount* find_mount(std::string_view source, std::string_view mountpoint) const;
};

/// What is wrong with a file, and where. Lines and columns count from 1; 0: the file as a whole.
struct ConfigProblem {
    unsigned line = 0;
    unsigned column = 0;
    std::string text;
};

/// "bandfs.toml:12:5: unknown key ..."
std::string describe(const ConfigProblem& problem, std::string_view file);

/// A file, and everything that is wrong with it, in the order of its lines. It is to be applied only when nothing is.
struct ParsedConfig {
    Config config;
    std::vector<ConfigProblem> problems;
    bool unreadable = false;  ///< there is no such file, or this user may not read it

    bool ok() const { return problems.empty(); }
};

ParsedConfig parse_config(std::string_view text);

/// The same of a file, which may be 1 MiB at most.
ParsedConfig read_config(const std::string& path);

}  // namespace bandfs
