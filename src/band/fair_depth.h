// band/fair_depth.h - policy `fair`, the depth: how many units the disk needs in flight for its speed.
#pragma once

#include <array>
#include <cstdint>

#include "bandfs/unit.h"

namespace bandfs {

/// Finds how many units the disk works on at the same time (its parallelism) and from that how many to keep in flight.
///
/// In a span of time in which units were waiting, the disk did work that would have taken it A seconds one by one, in B
/// seconds: so it worked on A / B units at a time. The best of the last kSpans spans is the parallelism. One disk arm: 1,
/// however many units it is handed; a flash disk with 8 channels: up to 8, if it is handed so many. limit() is a quarter
/// and one unit more, so a parallelism that is larger than thought shows itself, and the next unit is there when one is done.
///
/// What a unit takes alone has to be known (fair_cost.h) and kept up to date: now and then probing() asks for units one at a
/// time, kProbes of them every kProbeEvery.
///
/// No clock. Not thread-safe. Every call O(1).
class FairDepth {
public:
    static constexpr unsigned kSpans = 8;
    static constexpr TimeNs kSpanAtLeast = 20'000'000;
    static constexpr TimeNs kSpanAtMost = 500'000'000;
    static constexpr unsigned kSpanUnits = 32;
    static constexpr unsigned kProbes = 4, kFirstProbes = 8;
    static constexpr TimeNs kProbeEvery = 4'000'000'000;

    /// Up to now so many units were in flight, and some were held or none. To be called before either changes.
    void passed(TimeNs now, unsigned in_flight, bool some_held) noexcept;
    /// A unit is done that takes the disk so long when it is alone; it was alone now, or not.
    void completed(double disk_time, bool alone, TimeNs now) noexcept;

    double parallelism() const noexcept { return parallelism_; }
    /// Units in flight at most.
    unsigned limit() const noexcept;
    /// So many units in flight do not slow each other.
    unsigned spare() const noexcept;
    bool probing() const noexcept { return probes_left_ > 0; }

private:
    void close_span(TimeNs now) noexcept;

    double parallelism_ = 1;
    std::array<double, kSpans> found_{};
    unsigned next_found_ = 0;
    unsigned probes_left_ = kFirstProbes;
    TimeNs next_probe_ = 0;

    // The span that is open.
    TimeNs last_ = 0, began_ = 0, busy_ = 0, pressed_ = 0;
    double worked_ = 0;
    unsigned units_ = 0;
    bool spoilt_ = true;  ///< probing took place in it
};

}  // namespace bandfs
