// band/fair_cost.cc - the cost of the policy `fair`.
#include "band/fair_cost.h"

#include <algorithm>

namespace bandfs {
namespace {

constexpr double kDistinctSpread = 0.05;  ///< sizes that differ by less than this part are one size
constexpr double kOutlier = 3;            ///< times what was expected: no more is believed
constexpr double kSlowWeight = 1.0 / 8;   ///< of a unit that took longer than expected
constexpr double kOneByOne = 0.6;         ///< part of what it takes alone that a large unit takes at least
constexpr unsigned kMostTogether = 8;     ///< units of a batch that count

}  // namespace

bool LinearTime::add(std::uint32_t bytes, double took, double weight) noexcept {
    const double x = bytes, y = std::max(took, 1.0), keep = 1 - weight / memory_;
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
    if (changed) set_prices();
}

void FairCost::add(const FairBatch& batch) noexcept {
    LinearTime& queued = queued_[static_cast<std::size_t>(batch.direction())];
    const double units = batch.units(), bytes = static_cast<double>(batch.bytes()) / units;
    double took = static_cast<double>(batch.took()) / units;
    if (queued.enough()) took = std::min(took, kOutlier * queued.of(bytes));
    if (queued.add(static_cast<std::uint32_t>(bytes), took, std::min(batch.units(), kMostTogether))) set_prices();
}

/// Whether the disk does one unit of that direction at a time, as far as is known.
bool FairCost::one_by_one(Direction direction) const noexcept {
    const LinearTime& queued = queued_[static_cast<std::size_t>(direction)];
    const double size = queued.size_of_most();
    return queued.enough() && model(direction).known() && queued.of(size) >= kOneByOne * model(direction).of(size);
}

void FairCost::set_prices() noexcept {
    for (const Direction each : {Direction::read, Direction::write}) {
        const Direction other = each == Direction::read ? Direction::write : Direction::read;
        const Direction known = model(each).known() ? each : other;
        const auto price_of = [](const LinearTime& model) { return Price{model.fixed_ns(), model.ns_per_byte()}; };
        const auto index = static_cast<std::size_t>(each);
        if (!model(known).known()) continue;
        prices_[index] = price_of(model(known));
        charges_[index] = price_of(charged(known));
    }
}

}  // namespace bandfs
