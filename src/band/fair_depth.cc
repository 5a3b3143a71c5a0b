// band/fair_depth.cc - the depth of the policy `fair`.
#include "band/fair_depth.h"

#include <algorithm>
#include <cmath>

namespace bandfs {
namespace {

constexpr double kPressed = 0.75;  ///< a span counts when units were held for this part of its busy time
constexpr double kHeadroom = 1.25;
constexpr double kRounding = 0.3;  ///< a parallelism of 1.7 is 2, of 1.6 is 1: noise must not look like a second lane

}  // namespace

void FairDepth::passed(TimeNs now, unsigned in_flight, bool some_held) noexcept {
    if (in_flight > 0) {
        busy_ += now - last_;
        if (some_held) pressed_ += now - last_;
    }
    last_ = now;
}

void FairDepth::completed(double disk_time, bool alone, TimeNs now) noexcept {
    worked_ += disk_time;
    ++units_;
    if (probing()) {
        spoilt_ = true;
        if (alone && --probes_left_ == 0) next_probe_ = now + kProbeEvery;
    } else if (now >= next_probe_) {
        probes_left_ = kProbes;
    }
    const TimeNs length = now - began_;
    if ((length >= kSpanAtLeast && units_ >= kSpanUnits) || length >= kSpanAtMost) close_span(now);
}

void FairDepth::close_span(TimeNs now) noexcept {
    const bool counts = !spoilt_ && units_ >= kSpanUnits / 4 && busy_ > 0 &&
                        static_cast<double>(pressed_) >= kPressed * static_cast<double>(now - began_);
    if (counts) {
        found_[next_found_] = worked_ / static_cast<double>(busy_);
        next_found_ = (next_found_ + 1) % kSpans;
        parallelism_ = std::max(1.0, *std::max_element(found_.begin(), found_.end()));
    }
    began_ = now;
    busy_ = pressed_ = 0;
    worked_ = 0;
    units_ = 0;
    spoilt_ = probing();
}

unsigned FairDepth::limit() const noexcept {
    if (probing()) return 1;
    return static_cast<unsigned>(std::min(parallelism_ * kHeadroom + 1, 1e6));
}

unsigned FairDepth::spare() const noexcept {
    if (probing()) return 1;
    return static_cast<unsigned>(std::min(std::max(1.0, parallelism_ + kRounding), 1e6));
}

}  // namespace bandfs
