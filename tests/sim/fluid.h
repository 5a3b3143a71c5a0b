// sim/fluid.h - how late each group is against an ideal disk that serves all at the same time.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <vector>

namespace bandfs::sim {

/// Measures starvation. The ideal (fluid) disk gets the same units at the same time and moves as many bytes as the real
/// one, but of all groups that have something at once, by weight. When it is done with a unit, that unit's own turn is
/// over; what the real scheduler issues of others after that, while it still holds the unit, is the unit's excess.
///
/// In bytes; flat weights only: neither floors, ceilings nor hierarchy; units of a group go in order of arrival.
class FluidClock {
public:
    void add_group(double weight) { groups_.push_back({weight}); }
    void set_weight(std::size_t group, double weight) { groups_[group].weight = weight; }

    void arrived(std::size_t group, std::uint32_t bytes) {
        Each& each = groups_[group];
        each.held.push_back(bytes);
        each.backlog += bytes;
        largest_ = std::max(largest_, bytes);
    }
    void issued(std::size_t group, std::uint32_t bytes) {
        for (Each& each : groups_) {
            if (&each == &groups_[group] || !each.is_late()) continue;
            each.unit_excess += bytes;
            each.excess = std::max(each.excess, each.unit_excess);
        }
        pour(bytes);
        Each& own = groups_[group];
        own.held.pop_front();
        own.ahead -= bytes;
        own.unit_excess = 0;
    }

    /// The most that a unit of the group waited for others beyond its own turn, in units of the largest size seen.
    double excess(std::size_t group) const { return largest_ > 0 ? groups_[group].excess / largest_ : 0; }
    double excess() const {
        double most = 0;
        for (std::size_t i = 0; i < groups_.size(); ++i) most = std::max(most, excess(i));
        return most;
    }

private:
    struct Each {
        double weight;
        std::deque<std::uint32_t> held{};
        double backlog = 0;      ///< of the fluid disk
        double ahead = 0;        ///< what the fluid disk has done more than the real one
        double unit_excess = 0, excess = 0;

        bool is_late() const { return !held.empty() && ahead >= held.front() - 1e-3; }
    };

    /// The fluid disk moves so many bytes.
    void pour(double bytes) {
        while (bytes > 1e-6) {
            double weights = 0, round = bytes;
            for (const Each& each : groups_) {
                if (each.backlog > 0) weights += each.weight;
            }
            if (weights == 0) return;
            for (const Each& each : groups_) {  // until the first group is dry
                if (each.backlog > 0) round = std::min(round, each.backlog / each.weight * weights);
            }
            for (Each& each : groups_) {
                if (each.backlog <= 0) continue;
                const double part = round * each.weight / weights;
                each.ahead += part;
                each.backlog = each.backlog - part < 1e-6 ? 0 : each.backlog - part;
            }
            bytes -= round;
        }
    }

    std::vector<Each> groups_;
    std::uint32_t largest_ = 0;
};

}  // namespace bandfs::sim
