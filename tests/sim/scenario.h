// sim/scenario.h - what a scenario file says: a disk, groups, callers, changes on the way, and what is to come out.
//
// README.md describes the format.
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "bandfs/unit.h"

namespace bandfs::sim {

/// The file cannot be used; what() names file, line and column.
struct ScenarioError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct DiskSpec {
    double bandwidth = 40e6;         ///< bytes per second, of all lanes together
    double write_bandwidth = 0;      ///< 0: the same
    TimeNs request_cost = 0;         ///< a lane is busy so long with each request, beside moving its bytes
    TimeNs write_request_cost = -1;  ///< -1: the same
    TimeNs path = 0;                 ///< from its being handed over until a lane can have it
    TimeNs seek_min = 0;             ///< to the neighbour; added when a request does not start where the last one ended
    TimeNs seek_max = 0;             ///< from end to end
    double size = 1e12;              ///< bytes; the length a seek may have
    unsigned parallelism = 1;        ///< lanes: requests whose fixed part goes on at the same time
    bool separate_lanes = false;     ///< reads and writes have each a disk of that kind
    TimeNs slice = 0;                ///< a throttled disk: so long's bytes at once, at burst_bandwidth, then none
    double burst_bandwidth = 2.5e9;
    bool reorder = false;  ///< takes the nearest request that it has been handed, not the oldest
    double noise = 0;      ///< relative: service takes 1 - noise to 1 + noise times as long
};

struct GroupSpec {
    std::string name;
    std::uint64_t weight = 100;
    std::uint64_t min = 0;  ///< bytes per second
    std::uint64_t max = 0;
    std::string parent;       ///< empty: none
    bool in_default = false;  ///< the mount's default group
};

enum class Loop { closed, open };

struct CallerSpec {
    std::string group;
    unsigned processes = 1;
    unsigned queue_depth = 1;  ///< requests of one process at a time
    Loop loop = Loop::closed;
    TimeNs think = 0;     ///< closed loop: between an answer and the next request, beside the round trip
    double jitter = 0.2;  ///< of think time and round trip, relative
    std::vector<std::uint32_t> sizes{128 * 1024};  ///< of requests; one is drawn each time
    double read_fraction = 1;
    bool sequential = false;
    double rate = 0;         ///< bytes per second of all processes together; 0: as fast as it goes
    unsigned burst = 1;      ///< open loop: requests that come at once
    std::uint32_t unit = 0;  ///< largest unit; 0: the run's
    TimeNs start = 0;
    TimeNs stop = kNever;
};

struct ChangeSpec {
    TimeNs at = 0;
    std::string group;  ///< whose weight, min or max
    std::optional<std::uint64_t> weight, min, max;
    std::optional<std::string> policy, cost;
    bool refused = false;  ///< the change must be refused
};

struct ExpectSpec {
    unsigned line = 0;
    std::string text;           ///< for the failure message
    TimeNs from = -1, to = -1;  ///< -1: the run's window
    std::string group;
    std::optional<double> share, within, relative, share_min, share_max, time_share;
    std::optional<double> rate_min, rate_max;   ///< bytes per second, of the group or in all
    std::optional<double> utilisation_min;      ///< rate over the disk's bandwidth
    std::optional<double> of_uncontrolled_min;  ///< rate over that without control
    std::optional<double> jain_min;
    std::optional<TimeNs> p50_max, p99_max, longest_max;
    std::optional<double> longest_of_uncontrolled_max;  ///< longest latency over that without control
    std::optional<double> p99_of_alone_max;             ///< p99 over that of a run with this group only ...
    std::optional<TimeNs> plus;                         ///< ... and so much more
    std::optional<double> idle_max;                     ///< part of the time that the disk idled while units were held
    std::optional<double> excess_max;                   ///< units of others beyond the own turn
};

struct Scenario {
    std::string file, title;
    std::string policy = "fair", cost;
    TimeNs duration = 0, warmup = 0;
    std::uint64_t seed = 1;
    std::uint32_t unit = 128 * 1024;
    std::uint32_t io_throttle = 4, io_limit = 128;
    TimeNs round_trip = 0;  ///< between the disk's answer and the caller's next request
    DiskSpec disk;
    std::vector<GroupSpec> groups;
    std::vector<CallerSpec> callers;
    std::vector<ChangeSpec> changes;
    std::vector<ExpectSpec> expectations;

    /// Neither hierarchy, limits nor changes: what a unit's own turn is can be said.
    bool is_flat() const;
    std::size_t group_index(const std::string& name) const;  ///< throws std::out_of_range
};

/// Reads and checks a file; throws ScenarioError.
Scenario read_scenario(const std::string& path);

}  // namespace bandfs::sim
