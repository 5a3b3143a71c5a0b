// band/fair_think.cc - the anticipation of the policy `fair`.
#include "band/fair_think.h"

#include <algorithm>
#include <cmath>

namespace bandfs {
namespace {

constexpr float kGainOfThought = 0.125f;  ///< of a new observation
constexpr TimeNs kGraceNs = 50'000;       ///< beside what its own past says: a process that has to be woken
constexpr float kVeryReliable = 0.9f;     ///< then waiting longer costs next to nothing, and saves it on a busy machine
constexpr float kHardlyEver = 1.0f / 1024;  ///< in place of 0: close to that, arithmetic is ten times as slow
constexpr float kPatiencePart = 0.5f;

}  // namespace

TimeNs FairThink::patience() const noexcept {
    return std::min(kLongest, static_cast<TimeNs>(burst_ns_ * kPatiencePart));
}

TimeNs FairThink::went(TimeNs now) noexcept {
    went_at_ = now;
    const bool expected = in_time_ >= kReliable && mean_ns_ <= static_cast<float>(patience());
    const auto usual = static_cast<TimeNs>(mean_ns_ + 4 * deviation_ns_) + kGraceNs;
    const TimeNs wait = in_time_ >= kVeryReliable ? patience() : std::min(usual, patience());
    deadline_ = expected ? now + wait : now;
    return deadline_;
}

void FairThink::came(TimeNs now) noexcept {
    if (went_at_ < 0) return;
    const auto thought = static_cast<float>(now - went_at_);
    idle_ns_ = thought;
    const bool in_time = now - went_at_ <= patience();
    in_time_ += kGainOfThought * ((in_time ? 1.0f : kHardlyEver) - in_time_);
    if (in_time) {
        deviation_ns_ += kGainOfThought * (std::abs(thought - mean_ns_) - deviation_ns_);
        mean_ns_ += kGainOfThought * (thought - mean_ns_);
    }
    went_at_ = -1;
    burst_ns_ = 0;
}

}  // namespace bandfs
