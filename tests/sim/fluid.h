// sim/fluid.h - how late each group is against an ideal disk that serves all at the same time.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace bandfs::sim {

/// Measures starvation. On the ideal (fluid) disk, a unit of c bytes of a group of weight w gets c * w / W of every c bytes
/// that the disk serves while the group has something to do, W being the weights of all groups that have. Its turn is over
/// when this has come to its own size. Units of others that are issued after that, while it is still held, are the excess.
///
/// Flat weights only: neither floors, ceilings nor hierarchy.
class FluidClock {
public:
    void add_group(double weight) { groups_.push_back({weight}); }
    void set_weight(std::size_t group, double weight) {
        if (groups_[group].busy > 0) total_weight_ += weight - groups_[group].weight;
        groups_[group].weight = weight;
    }

    void arrived(std::size_t group, std::uint32_t bytes) {
        Each& each = groups_[group];
        if (each.busy++ == 0) total_weight_ += each.weight;
        if (each.held++ == 0) each.turn_excess = 0;
        each.head_bytes = std::max(each.head_bytes, bytes);
    }
    void issued(std::size_t group, std::uint32_t bytes) {
        for (Each& each : groups_) {
            if (&each == &groups_[group]) continue;
            if (each.held > 0 && each.turn >= each.head_bytes) each.excess = std::max(each.excess, ++each.turn_excess);
            each.turn += bytes * each.weight / total_weight_;
            if (each.held == 0) each.turn = std::min(each.turn, 0.0);  // what it did not ask for in time is not its own
        }
        Each& own = groups_[group];
        --own.held;
        own.turn += bytes * (own.weight / total_weight_ - 1);
        own.turn_excess = 0;
    }
    void done(std::size_t group) {
        Each& each = groups_[group];
        if (--each.busy == 0) total_weight_ -= each.weight, each.head_bytes = 0;
    }

    /// The most units of others that a unit of the group waited for beyond its own turn.
    double excess(std::size_t group) const { return groups_[group].excess; }

private:
    struct Each {
        double weight;
        std::uint64_t busy = 0, held = 0;
        std::uint32_t head_bytes = 0;  ///< the largest since it was idle
        double turn = 0;               ///< what the fluid disk would have done of its first unit
        double turn_excess = 0, excess = 0;
    };
    std::vector<Each> groups_;
    double total_weight_ = 0;
};

}  // namespace bandfs::sim
