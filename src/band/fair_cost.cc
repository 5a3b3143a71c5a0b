// band/fair_cost.cc - the cost of the policy `fair`.
#include "band/fair_cost.h"

#include <algorithm>

namespace bandfs {
namespace {

constexpr double kMemory = 128;           ///< units that the model remembers
constexpr double kDistinctSpread = 0.05;  ///< sizes that differ by less than this part are one size
constexpr double kOutlier = 3;            ///< times what was expected: no more is believed
constexpr double kSlowWeight = 1.0 / 8;   ///< of a unit that took longer than expected

}  // namespace

bool LinearTime::add(std::uint32_t bytes, double took, double weight) noexcept {
    const double x = bytes, y = std::max(took, 1.0), keep = 1 - weight / kMemory;
    count_ = count_ * keep + weight;
    bytes_ = bytes_ * keep + weight * x;
    time_ = time_ * keep + weight * y;
    bytes_squared_ = bytes_squared_ * keep + weight * x * x;
    bytes_time_ = bytes_time_ * keep + weight * x * y;
    if (count_ >= kEnough && ++unfitted_ < kLater) return false;
    unfitted_ = 0;
    fit();
    return true;
}

void LinearTime::fit() noexcept {
    if (bytes_ <= 0) {
        fixed_ = time_ / count_;
        return;
    }
    const double mean = bytes_ / count_;
    const double spread = bytes_squared_ / count_ - mean * mean;
    if (spread <= kDistinctSpread * kDistinctSpread * mean * mean) {
        // One size tells fixed and per-byte time not apart: what is known of the fixed part stays, as far as it can be.
        fixed_ = std::min(fixed_, time_ / count_);
        per_byte_ = (time_ - fixed_ * count_) / bytes_;
        return;
    }
    per_byte_ = (bytes_time_ / count_ - mean * time_ / count_) / spread;
    fixed_ = time_ / count_ - per_byte_ * mean;
    if (per_byte_ < 0) {
        per_byte_ = 0;
        fixed_ = time_ / count_;
    } else if (fixed_ < 0) {
        fixed_ = 0;
        per_byte_ = bytes_time_ / bytes_squared_;
    }
}

std::optional<FairCost::Kind> FairCost::kind_of(std::string_view name) {
    if (name == "bytes") return Kind::bytes;
    if (name == "time") return Kind::time;
    return std::nullopt;
}

std::string_view FairCost::name_of(Kind kind) {
    return kind == Kind::bytes ? "bytes" : "time";
}

void FairCost::add(Direction direction, std::uint32_t bytes, double ns, bool alone) noexcept {
    LinearTime& model = models_[static_cast<std::size_t>(direction)];
    const double expected = model.known() ? disk_time(direction, bytes) : ns;
    const bool changed = alone ? model.add(bytes, std::min(ns, kOutlier * expected), ns <= expected ? 1 : kSlowWeight)
                               : model.add(bytes, ns, 1);
    if (!changed) return;
    for (const Direction each : {Direction::read, Direction::write}) {
        const LinearTime& known = this->model(each).known() ? this->model(each) : model;
        prices_[static_cast<std::size_t>(each)] = {known.fixed_ns(), known.ns_per_byte()};
    }
}

}  // namespace bandfs
