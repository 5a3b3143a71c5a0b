// band/fair_runs.cc - runs of the policy `fair`.
#include "band/fair_runs.h"

#include <algorithm>
#include <utility>

namespace bandfs {
namespace {

constexpr unsigned kEnough = 16;  ///< units of each kind before anything is concluded
constexpr double kGain = 1.0 / 32;
constexpr double kOverlap = 0.35;                 ///< less: the disk works on several at a time, the times say nothing
constexpr double kPays = 1.4, kPaysNoMore = 1.2;  ///< others take so much longer than followers
constexpr double kLeastSeek = 200'000;            ///< ns that this is at least: less is the way there, not a seek

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

// Of a first unit and its followers in one, the first is taken to have taken what others take that come alone.
void FairRuns::learn(const FairBatch& batch) noexcept {
    const auto [firsts, followers] = std::exchange(units_, {});
    if (!batch.in_order() || firsts > 1) return;
    const double units = firsts + followers;
    const double took = static_cast<double>(batch.took()) * units / batch.disk_time();
    alone_ns_ += kGain * (batch.disk_time() / units - alone_ns_);
    if (followers == 0) {
        learn(kFirst, took);
    } else if (firsts == 0 || seen_[kFirst] >= kEnough) {
        learn(kFollower, std::max(0.0, took - firsts * took_[kFirst]) / followers);
    }
}

void FairRuns::learn(Kind kind, double took) noexcept {
    took_[kind] += (seen_[kind] < kEnough ? 1.0 / (seen_[kind] + 1) : kGain) * (took - took_[kind]);
    seen_[kind] = std::min(seen_[kind] + 1, kEnough);
    pays_ = std::min(seen_[kFirst], seen_[kFollower]) >= kEnough && took_[kFirst] > kOverlap &&
            took_[kFirst] > (pays_ ? kPaysNoMore : kPays) * took_[kFollower] &&
            (took_[kFirst] - took_[kFollower]) * alone_ns_ > kLeastSeek;
}

}  // namespace bandfs
