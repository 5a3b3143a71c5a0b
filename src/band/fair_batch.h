// band/fair_batch.h - policy `fair`: the units that were done in one moment, and what time was theirs.
#pragma once

#include <algorithm>
#include <cstdint>

#include "bandfs/unit.h"

namespace bandfs {

/// Units that are done in the same moment may have been one call to the disk: what they took is judged together.
///
/// No clock. Not thread-safe. O(1).
class FairBatch {
public:
    /// Whether a unit that is done now is of another batch. Then what has to be known of this one is to be asked before
    /// begin().
    bool ended(TimeNs now) const noexcept { return now != done_; }
    /// Another batch, of which `first` is the first unit. Member by member: assigned as a whole it would be made
    /// elsewhere and copied, which takes longer than all the rest.
    void begin(const Unit& first, TimeNs now) noexcept {
        queued_ = first.issued_at <= done_;
        began_ = std::max(done_, first.issued_at);
        done_ = now;
        units_ = 0;
        bytes_ = 0;
        disk_time_ = 0;
        direction_ = first.direction;
        alike_ = in_order_ = true;
    }
    /// A unit of it, which takes the disk so long when it is alone there.
    void add(const Unit& unit, double disk_time) noexcept {
        ++units_;
        bytes_ += unit.bytes;
        disk_time_ += disk_time;
        alike_ = alike_ && unit.direction == direction_;
        in_order_ = in_order_ && unit.sequence == last_sequence_ + 1;
        last_sequence_ = unit.sequence;
    }

    unsigned units() const noexcept { return units_; }
    std::uint64_t bytes() const noexcept { return bytes_; }
    double disk_time() const noexcept { return disk_time_; }
    Direction direction() const noexcept { return direction_; }  ///< of all, if they are alike()
    bool alike() const noexcept { return alike_; }
    /// What was issued before them was done before them, so that since then the disk has worked for them.
    bool in_order() const noexcept { return in_order_; }
    /// And the first of them was with the disk by then.
    bool queued() const noexcept { return queued_; }
    /// Since it could work for them.
    TimeNs took() const noexcept { return done_ - began_; }

private:
    TimeNs began_ = 0, done_ = 0;
    unsigned units_ = 0;
    std::uint64_t bytes_ = 0;
    std::uint64_t last_sequence_ = 0;
    double disk_time_ = 0;
    Direction direction_ = Direction::read;
    bool alike_ = false, in_order_ = false, queued_ = false;
};

}  // namespace bandfs
