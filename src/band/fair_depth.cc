// band/fair_depth.cc - the depth of the policy `fair`.
#include "band/fair_depth.h"

#include <algorithm>
#include <cmath>
#include <functional>

namespace bandfs {
namespace {

constexpr std::size_t kBest = 1;                    ///< the second of the last spans, the best first: one may be noise
constexpr double kPressed = 0.5;                    ///< a span counts when units were held for this part of it
constexpr double kSeveral = 1.3, kCrowded = 1.5;    ///< units in flight, that take so many times what they would alone
constexpr double kHeadroom = 1.5, kOneMore = 0.75;  ///< 2 for a parallelism of 1, 12 for 8
constexpr double kHungry = 0.5;                  ///< a disk that works on this part of what it is handed may want more
constexpr double kSpare = 1.3, kRounding = 0.3;  ///< 1 for a parallelism below 1.3: noise must not look like a lane
constexpr double kStretch = 2, kShrink = 0.7;
constexpr double kBetter = 0.07;   ///< a stretch must bring that part
constexpr double kNoWorse = 0.02;  ///< a shrink must cost no more
constexpr double kNoisy = 2.5;     ///< times what spans differ anyway: so much must a stretch bring
constexpr double kPaceGain = 0.25, kRateGain = 0.125;
constexpr double kFullBacklog = 0.7;  ///< part of backlog_limit() that counts as that
constexpr double kNearly = 0.92;      ///< part of the full pace
constexpr double kSeek = 0.3;         ///< of what the pace is short of that, in a span: so many units more
constexpr double kLookGain = 0.5;
constexpr double kMost = 1e6;

}  // namespace

void FairDepth::Trial::failed(TimeNs now) noexcept {
    every = std::min(every * 4, kTrialLast);
    since = now;
}

void FairDepth::Trial::worked(TimeNs now) noexcept {
    every = kTrialFirst;
    since = now - every;  // the next at once
}

void FairDepth::end_span(TimeNs now) noexcept {
    if (!probing()) {
        close_span(now);
    } else if (--probes_left_ > 0) {
        return;
    } else {
        next_probe_ = now + kProbeEvery;
    }
    open_span(now);
}

void FairDepth::close_span(TimeNs now) noexcept {
    if (busy_ == 0) return;
    const double busy = static_cast<double>(busy_), length = static_cast<double>(now - began_);
    const double depth = static_cast<double>(in_flight_time_) / busy;
    const double pace =
        std::min(worked_ / busy, depth);  // more says that the units' times are not what they are taken for
    any_pace_ += kPaceGain * (pace - any_pace_);
    slowdown_ = 1 / std::clamp(any_pace_, 1e-4, 1.0);
    // With room for all nobody may have to wait: that is what a stretch is to show. And units that slow each other down
    // show what the disk can do even when all that there are are in flight.
    const bool pressed = static_cast<double>(pressed_) >= kPressed * length;
    const bool crowded = depth >= kSeveral && pace * kCrowded <= depth;
    const bool more = pace > parallelism_;  // it can do that at least
    if (units_ < kSpanUnits / 2 || !(pressed || crowded || more || span_ == Span::stretch)) return;
    if (pressed || crowded)
        rate_ += (rate_ == 0 ? 1 : kRateGain) * (static_cast<double>(bytes_) * 1e9 / length - rate_);
    found_[next_found_] = pace;
    next_found_ = (next_found_ + 1) % kSpans;
    std::array<double, kSpans> sorted = found_;
    std::nth_element(sorted.begin(), sorted.begin() + kBest, sorted.end(), std::greater<>());
    parallelism_ = std::max(1.0, sorted[kBest]);
    judge(pace, depth, now);
}

/// Draws the conclusion from a span in which on average `depth` units were in flight.
void FairDepth::judge(double pace, double depth, TimeNs now) noexcept {
    switch (span_) {
        case Span::probe:
            break;
        case Span::look:  // it shows what can be had, also when that is less: fewer units may be there, or allowed
            learn_full_pace(pace);
            break;
        case Span::usual:
            if (rarely(now)) {
                seek_enough(pace, depth);
            } else if (depth >= kFullBacklog * backlog_limit_) {
                learn_full_pace(pace);
            }
            if (usual_pace_ > 0) usual_noise_ += kPaceGain * (std::abs(pace / usual_pace_ - 1) - usual_noise_);
            usual_pace_ += (usual_pace_ == 0 ? 1 : kPaceGain) * (pace - usual_pace_);
            break;
        case Span::stretch:
            if (pace > (1 + std::max(kBetter, kNoisy * usual_noise_)) * usual_pace_) {
                stretched_ = std::max(stretched_, depth);
                usual_pace_ = pace;
                stretch_.worked(now);
                shrink_.failed(now);
            } else {
                stretch_.failed(now);
            }
            break;
        case Span::shrink:
            if (pace >= (1 - std::max(kNoWorse, usual_noise_)) * usual_pace_) {
                stretched_ *= kShrink;
                shrink_.worked(now);
            } else {
                shrink_.failed(now);
            }
            break;
    }
}

void FairDepth::learn_full_pace(double pace) noexcept {
    full_pace_ += (full_pace_ == 0 ? 1 : kLookGain) * (pace - full_pace_);
}

void FairDepth::seek_enough(double pace, double depth) noexcept {
    if (full_pace_ == 0) return;
    const double more = kSeek * (kNearly - pace / full_pace_);
    if (more > 0 && depth < kFullBacklog * enough()) return;  // it is not that which bounds them
    enough_ = std::clamp(std::max(enough_, depth) * (1 + more), 1.0, static_cast<double>(backlog_limit_));
}

void FairDepth::open_span(TimeNs now) noexcept {
    began_ = now;
    if (longest_ > 0) backlog_limit_ = units_of_backlog();
    longest_ = 0;
    busy_ = pressed_ = in_flight_time_ = 0;
    bytes_ = 0;
    worked_ = 0;
    units_ = 0;
    const Span before = span_;
    span_ = Span::usual;
    if (now >= next_probe_) {
        probes_left_ = kProbes;
        span_ = Span::probe;
    } else if (before == Span::usual && usual_pace_ > 0) {
        const bool hungry = usual_pace_ >= kHungry * std::max(usual_limit(), stretched_);
        const int slowly = shallow(now) && !hungry ? kShallowFactor : 1;
        if (rarely(now) && now >= next_look_ && backlog_limit_ > std::max(usual_limit(), stretched_)) {
            span_ = Span::look;
            next_look_ = now + look_every_;
            look_every_ = std::min(look_every_ * 2, kLookLast);
        } else if (now - stretch_.since >= stretch_.every * slowly) {
            span_ = Span::stretch;
        } else if (stretched_ > usual_limit() && now - shrink_.since >= shrink_.every) {
            span_ = Span::shrink;
        }
    }
    limit_ = static_cast<unsigned>(std::min(limit_of_span(), kMost));
    spare_ = static_cast<unsigned>(std::min(spare_of_span(), kMost));
}

/// How many of the longest units take kBacklog.
unsigned FairDepth::units_of_backlog() const noexcept {
    const double units = static_cast<double>(kBacklog) * parallelism_ / (longest_ * slowdown_);
    return static_cast<unsigned>(std::clamp(units, 1.0, kMost));
}

double FairDepth::usual_limit() const noexcept {
    return parallelism_ * kHeadroom + kOneMore;
}

double FairDepth::limit_of_span() const noexcept {
    switch (span_) {
        case Span::usual:
            break;
        case Span::probe:
            return 1;
        case Span::stretch:
            return std::max(usual_limit(), stretched_) * kStretch;
        case Span::shrink:
            return std::max(usual_limit(), stretched_ * kShrink);
        case Span::look:
            return std::max(usual_limit(), static_cast<double>(backlog_limit_));
    }
    return std::max(usual_limit(), stretched_);
}

double FairDepth::spare_of_span() const noexcept {
    if (span_ == Span::probe) return 1;
    const double spare = parallelism_ * kSpare + kRounding;
    return span_ == Span::stretch ? spare * kStretch : spare;
}

}  // namespace bandfs
