// band/fair_runs.cc - runs of the policy `fair`.
#include "band/fair_runs.h"

#include <algorithm>

namespace bandfs {
namespace {

constexpr unsigned kEnough = 16;  ///< units of each kind before anything is concluded
constexpr double kGain = 1.0 / 32;
constexpr double kOverlap = 0.35;                 ///< less: the disk works on several at a time, the times say nothing
constexpr double kPays = 1.4, kPaysNoMore = 1.2;  ///< others take so much longer than followers

}  // namespace

void FairRuns::issued(const Unit& unit) noexcept {
    const bool follows = length_ > 0 && this->follows(unit);
    follower_[unit.sequence % follower_.size()] = follows;
    if (follows) {
        ++length_;
        return;
    }
    group_ = unit.group;
    arrived_ = unit.arrived;
    direction_ = unit.direction;
    length_ = 1;
    trial_ = ++requests_ % (seen_[kFollower] < kEnough ? kTrialEvery : kLaterEvery) == 0;
}

void FairRuns::completed(const Unit& unit, double disk_time, TimeNs now) noexcept {
    if (unit.sequence == last_done_ + 1) {  // the one issued before it was done before it: the time between is its own
        const double took = static_cast<double>(now - std::max(last_done_at_, unit.issued_at)) / disk_time;
        const Kind kind = follower_[unit.sequence % follower_.size()] ? kFollower : kFirst;
        took_[kind] += (seen_[kind] < kEnough ? 1.0 / (seen_[kind] + 1) : kGain) * (took - took_[kind]);
        seen_[kind] = std::min(seen_[kind] + 1, kEnough);
        pays_ = std::min(seen_[kFirst], seen_[kFollower]) >= kEnough && took_[kFirst] > kOverlap &&
                took_[kFirst] > (pays_ ? kPaysNoMore : kPays) * took_[kFollower];
    }
    last_done_ = unit.sequence;
    last_done_at_ = now;
}

}  // namespace bandfs
