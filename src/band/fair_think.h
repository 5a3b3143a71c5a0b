// band/fair_think.h - policy `fair`, anticipation: which groups come back quickly, and how long to wait for them.
#pragma once

#include <cstdint>

#include "bandfs/unit.h"

namespace bandfs {

/// How long a group thinks between the answer to its last unit and its next one.
///
/// A group is expected back when it mostly (kReliable) came back within its patience, which is half of the disk time
/// that it had before it went to think, at most kLongest: so at most a third of the time of those served goes into
/// waiting, and mostly much less. No clock; not thread-safe; O(1).
class FairThink {
public:
    static constexpr TimeNs kLongest = 2'000'000;
    static constexpr float kReliable = 0.7f;

    /// The group was given disk time.
    void served(double disk_time) noexcept { burst_ns_ += static_cast<float>(disk_time); }
    /// It has nothing on its way any more. Returns when to give up on it: `now` when it is not expected back.
    TimeNs went(TimeNs now) noexcept;
    /// A unit of it came and none was on its way.
    void came(TimeNs now) noexcept;

    TimeNs deadline() const noexcept { return deadline_; }
    double mean_ns() const noexcept { return mean_ns_; }
    /// How long it had nothing on its way before it last came; 0 when it had not been there before.
    TimeNs idle() const noexcept { return static_cast<TimeNs>(idle_ns_); }

private:
    TimeNs patience() const noexcept;

    TimeNs went_at_ = -1;
    TimeNs deadline_ = 0;
    float mean_ns_ = 0, deviation_ns_ = 0;  ///< of the times it came in time
    float in_time_ = 1;                     ///< part of the times
    float burst_ns_ = 0;                    ///< disk time since it last came
    float idle_ns_ = 0;                     ///< before it came last; not known when that was the first time
};

}  // namespace bandfs
