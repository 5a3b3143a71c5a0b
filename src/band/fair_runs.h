// band/fair_runs.h - policy `fair`, runs: units of one request that follow each other, where that makes the disk
// faster.
#pragma once

#include <array>
#include <cstdint>

#include "band/fair_batch.h"
#include "bandfs/unit.h"

namespace bandfs {

/// On a disk that seeks, the units of a large request are cheap one after the other and dear with others between them.
/// So the time of units that followed one of their own request is compared with that of the others; when the others
/// take clearly longer, requests may run on: up to kUnits units in a row. That is part of the starvation bound. One
/// request in kTrialEvery runs on as a trial, one in kLaterEvery when enough has been seen; only up to kTrialUnits, for
/// others wait meanwhile.
///
/// Units are of one request when they came at the same moment from one group in one direction.
///
/// No clock. Not thread-safe. O(1).
class FairRuns {
public:
    static constexpr unsigned kUnits = 8, kTrialUnits = 4;
    static constexpr unsigned kTrialEvery = 16, kLaterEvery = 128;

    /// Whether `next` is to follow the unit that was issued last before all others.
    bool go_on(const Unit& next) const noexcept { return may_go_on() && follows(next); }
    /// Whether any unit is.
    bool may_go_on() const noexcept { return length_ < (pays_ ? kUnits : trial_ ? kTrialUnits : 0); }
    /// It would be to find out whether that pays.
    bool trying() const noexcept { return !pays_; }
    void issued(const Unit& unit) noexcept;
    /// The unit is done.
    void completed(const Unit& unit) noexcept {
        ++units_[follower_[unit.sequence % follower_.size()] ? kFollower : kFirst];
    }
    /// What was completed since the last call is a batch.
    void learn(const FairBatch& batch) noexcept;

    bool pay() const noexcept { return pays_; }
    /// The disk seeks and does one unit at a time.
    bool one_arm() const noexcept { return pays_ && took_[kFirst] > kOneByOne; }

private:
    static constexpr double kOneByOne = 0.7;  ///< part of a unit's time that passes until the next is done

    enum Kind : std::size_t { kFirst, kFollower };

    bool follows(const Unit& next) const noexcept {
        return next.group == group_ && next.arrived == arrived_ && next.direction == direction_;
    }

    // The unit that was issued last.
    const Group* group_ = nullptr;
    TimeNs arrived_ = 0;
    Direction direction_ = Direction::read;
    unsigned length_ = 0;  ///< units of its request in a row, with it
    unsigned requests_ = 0;
    bool trial_ = false;

    void learn(Kind kind, double took) noexcept;

    // What units took, over what they would alone.
    std::array<bool, 256> follower_{};  ///< of units by their order of issue
    std::array<unsigned, 2> units_{};   ///< of the batch that is open
    std::array<double, 2> took_{};
    double alone_ns_ = 0;  ///< what a unit takes alone, smoothed
    std::array<unsigned, 2> seen_{};
    bool pays_ = false;
};

}  // namespace bandfs
