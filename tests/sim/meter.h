// sim/meter.h - what is measured of a run.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "bandfs/unit.h"

namespace bandfs::sim {

/// Latencies in buckets of 1.6 % width; the longest exactly.
class LatencyRecord {
public:
    void add(TimeNs latency);
    TimeNs percentile(double percent) const;  ///< upper end of the bucket; 0 when nothing was added
    TimeNs longest() const { return longest_; }
    std::uint64_t count() const { return count_; }

private:
    static constexpr unsigned kBits = 6;  ///< 64 buckets for each doubling
    static std::size_t bucket_of(std::uint64_t ns);
    static TimeNs upper_end(std::size_t bucket);

    std::vector<std::uint32_t> counts_;
    std::uint64_t count_ = 0;
    TimeNs longest_ = 0;
};

/// What one group got in a window.
struct GroupMeasure {
    std::uint64_t bytes = 0;
    std::uint64_t units = 0;
    TimeNs disk_time = 0;     ///< its units kept lanes busy so long
    LatencyRecord latency;    ///< of requests, from arrival to the answer
    double excess_units = 0;  ///< most units of others that a unit waited for beyond its own turn
};

/// A span of virtual time with what was completed in it.
class Window {
public:
    Window(TimeNs from, TimeNs to, std::size_t groups) : from_(from), to_(to), groups_(groups) {}

    bool covers(TimeNs now) const { return now >= from_ && now < to_; }
    void add_idle(TimeNs from, TimeNs to);  ///< the disk idled although units were held
    GroupMeasure& group(std::size_t index) { return groups_[index]; }
    std::span<const GroupMeasure> groups() const { return groups_; }

    TimeNs from() const { return from_; }
    TimeNs to() const { return to_; }
    double seconds() const { return static_cast<double>(to_ - from_) / 1e9; }
    double rate(std::size_t index) const { return static_cast<double>(groups_[index].bytes) / seconds(); }
    double total_rate() const;
    double total_time() const;                   ///< of the disk, in nanoseconds, of all groups
    double share(std::size_t index) const;       ///< of the bytes
    double time_share(std::size_t index) const;  ///< of the disk's time
    double idle() const { return static_cast<double>(idle_) / static_cast<double>(to_ - from_); }

private:
    TimeNs from_, to_;
    std::vector<GroupMeasure> groups_;
    TimeNs idle_ = 0;
};

/// Jain's index of what each got over what it was to get: 1 when all ratios are equal. Groups that want nothing are
/// left out.
double jain_index(std::span<const double> got, std::span<const double> wanted);

}  // namespace bandfs::sim
