// cmd/top_rows.h - what `bandfs top` shows: the difference of two status.json, a row per group.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bandfs {

/// Counters of one group at one moment.
struct TopCounters {
    std::uint64_t read_bytes = 0, write_bytes = 0;
    std::uint64_t read_units = 0, write_units = 0;
};

/// A group as status.json has it.
struct TopGroup {
    std::string mount;  ///< mount point
    std::string name;
    std::string device_group;
    std::uint64_t weight = 0;
    double wanted = 0;  ///< share, of 1
    std::uint64_t in_flight = 0;
    std::uint64_t held = 0;
    double wait_p50_s = 0, wait_p99_s = 0;  ///< infinity when beyond what is measured
    bool plugged = false;                   ///< its device group is
    bool out_of_tokens = false;
    bool going_down = false;
    TopCounters counters;
};

/// All groups of some mounts at one moment.
struct TopSample {
    double taken_s = 0;  ///< CLOCK_MONOTONIC
    std::vector<TopGroup> groups;
};

/// Adds the groups of one status.json; false when it is none.
bool add_status(std::string_view status_json, TopSample& sample);

/// A line of the table.
struct TopRow {
    TopGroup group;
    double got = 0;                        ///< share of the bytes of its device group in the interval, of 1
    double read_mb_s = 0, write_mb_s = 0;  ///< 10^6 bytes
    double read_io_s = 0, write_io_s = 0;
    std::string why_held;  ///< "" when nothing is held
};

/// Rows for the groups of `now`, in its order. A group that `before` does not have, or has with higher counters (they
/// were reset), starts from zero.
std::vector<TopRow> rows_between(const TopSample& before, const TopSample& now);

enum class TopOrder { attachment, name, weight, got, rate, held, wait };
/// The next one, round and round.
TopOrder next(TopOrder order);
std::string_view name_of(TopOrder order);

/// Sorted (largest first, names alphabetically), and only those whose name or mount contains `filter`.
std::vector<TopRow> arranged(std::vector<TopRow> rows, TopOrder order, std::string_view filter);

/// The heading and the rows for a terminal of so many columns (at least 80): no line is longer. Without room for all,
/// what is in flight and the mount are left out.
std::string heading(std::size_t columns);
std::string table_line(const TopRow& row, std::size_t columns);

/// What --json prints: an array of objects.
std::string rows_json(const std::vector<TopRow>& rows);

}  // namespace bandfs
