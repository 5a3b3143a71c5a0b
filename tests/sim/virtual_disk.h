// sim/virtual_disk.h - a disk that exists in arithmetic only.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <queue>
#include <random>
#include <vector>

#include "bandfs/unit.h"
#include "scenario.h"

namespace bandfs::sim {

/// What the disk is asked for. Made and owned by the caller until its completion has been taken.
struct DiskJob {
    std::uint64_t offset = 0;
    std::uint32_t bytes = 0;
    Direction direction = Direction::read;
    TimeNs reaches = 0;  ///< the disk: set when it is submitted
    TimeNs service = 0;  ///< set when it is done: how long it kept a lane busy
};

/// `parallelism` lanes and one bus. A job takes a lane for its fixed part (request cost, seek), then the bus for its
/// bytes; the lane is free again when the bytes have been moved. So one lane means strictly one after the other, many
/// lanes hide the fixed parts behind each other, and the bus bounds the whole.
///
/// Jobs wait for a lane in order of arrival, or, when the disk reorders, the nearest to the head goes first (an old one
/// once it has been passed over 32 times).
///
/// With slices the disk is one that is throttled by a token bucket, as blk-throttle and clouds do it: it moves bytes at
/// `burst_bandwidth` until what `bandwidth` allows for a slice is used up, and then stands still until the next.
class VirtualDisk {
public:
    VirtualDisk(const DiskSpec& spec, std::uint64_t seed);

    void submit(DiskJob& job, TimeNs now);
    /// When the next job is done; kNever when none is on its way.
    TimeNs next_completion() const;
    /// The job that is done at next_completion().
    DiskJob& take_completion();
    bool idle() const { return in_flight_ == 0; }

private:
    struct Waiting {
        DiskJob* job;
        unsigned passed = 0;
    };
    struct Lanes {
        unsigned free = 0;
        TimeNs bus_free_at = 0;
        std::uint64_t head = 0;
        TimeNs slice_ends = 0;
        double slice_bytes = 0;  ///< that may still be moved in this slice
        std::deque<Waiting> waiting;
    };
    struct Done {
        TimeNs at;
        std::uint64_t sequence;
        DiskJob* job;
        bool operator>(const Done& other) const { return at != other.at ? at > other.at : sequence > other.sequence; }
    };

    Lanes& lanes_of(const DiskJob& job) {
        return lanes_[spec_.separate_lanes ? static_cast<std::size_t>(job.direction) : 0];
    }
    void start(Lanes& lanes, DiskJob& job, TimeNs now);
    TimeNs move_bytes(Lanes& lanes, std::uint32_t bytes, double bandwidth, TimeNs from) const;
    DiskJob& next_waiting(Lanes& lanes);
    TimeNs seek(const Lanes& lanes, const DiskJob& job) const;
    double noise();

    const DiskSpec spec_;
    std::mt19937_64 random_;
    Lanes lanes_[kDirections];
    std::priority_queue<Done, std::vector<Done>, std::greater<>> done_;
    std::uint64_t sequence_ = 0;
    unsigned in_flight_ = 0;
};

}  // namespace bandfs::sim
