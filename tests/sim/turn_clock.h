// sim/turn_clock.h - how long units wait beyond their own turn.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <vector>

namespace bandfs::sim {

/// Measures starvation. A group of weight w is entitled to w / W of what the disk moves, W being the weights of all
/// groups: the turn of its unit of c bytes begins when the unit comes or the turn before it ends, whichever is later,
/// and ends when the disk has been handed c * W / w more bytes. What the disk is handed between the end of its turn and
/// the unit itself is the excess. (Guaranteed-rate scheduling: Goyal, Lam and Vin, 1995.)
///
/// Flat weights only: neither floors, ceilings nor hierarchy. Units of a group go in order of arrival.
class TurnClock {
public:
    void add_group(double weight) {
        groups_.push_back({weight});
        total_weight_ += weight;
    }
    void set_weight(std::size_t group, double weight) {
        total_weight_ += weight - groups_[group].weight;
        groups_[group].weight = weight;
    }

    void arrived(std::size_t group, std::uint32_t bytes) {
        Each& each = groups_[group];
        each.last_turn = std::max(each.last_turn, handed_) + bytes * total_weight_ / each.weight;
        each.turns.push_back(each.last_turn);
        largest_ = std::max(largest_, bytes);
    }
    void issued(std::size_t group, std::uint32_t bytes) {
        Each& each = groups_[group];
        each.excess = std::max(each.excess, handed_ - each.turns.front());
        each.turns.pop_front();
        handed_ += bytes;
    }

    /// The most that a unit of the group waited beyond its own turn, in units of the largest size seen.
    double excess(std::size_t group) const { return largest_ > 0 ? groups_[group].excess / largest_ : 0; }
    double excess() const {
        double most = 0;
        for (std::size_t i = 0; i < groups_.size(); ++i) most = std::max(most, excess(i));
        return most;
    }

private:
    struct Each {
        double weight;
        double last_turn = 0;        ///< when the turn of its last unit ends, in bytes handed to the disk
        std::deque<double> turns{};  ///< the same of each unit that is held
        double excess = 0;
    };
    std::vector<Each> groups_;
    double total_weight_ = 0;
    double handed_ = 0;
    std::uint32_t largest_ = 0;
};

}  // namespace bandfs::sim
