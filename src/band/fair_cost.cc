// band/fair_cost.cc - the cost of the policy `fair`.
#include "band/fair_cost.h"

#include <algorithm>

namespace bandfs {
namespace {

constexpr double kMemory = 256;           ///< units that the model remembers
constexpr double kDistinctSpread = 0.05;  ///< sizes that differ by less than this part are one size
constexpr double kOutlier = 3;
constexpr double kUnknownNsPerByte = 1;  ///< before anything was seen: 1 GB/s

}  // namespace

void LinearTime::add(std::uint32_t bytes, TimeNs took) noexcept {
    const double x = bytes, y = static_cast<double>(std::max<TimeNs>(took, 1));
    constexpr double kKeep = 1 - 1 / kMemory;
    count_ = count_ * kKeep + 1;
    bytes_ = bytes_ * kKeep + x;
    time_ = time_ * kKeep + y;
    bytes_squared_ = bytes_squared_ * kKeep + x * x;
    bytes_time_ = bytes_time_ * kKeep + x * y;
    fit();
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

double FairCost::disk_time(Direction direction, std::uint32_t bytes) const noexcept {
    const LinearTime& own = model(direction);
    const LinearTime& other = model(direction == Direction::read ? Direction::write : Direction::read);
    if (own.known()) return std::max(own.of(bytes), 1.0);
    if (other.known()) return std::max(other.of(bytes), 1.0);
    return std::max(kUnknownNsPerByte * bytes, 1.0);
}

void FairCost::learn(Direction direction, std::uint32_t bytes, TimeNs took) noexcept {
    LinearTime& model = models_[static_cast<std::size_t>(direction)];
    // A unit that was held up says nothing about the others: a throttled disk stands still for every thirtieth unit.
    const double most = model.known() ? kOutlier * std::max(model.of(bytes), 1.0) : 1e18;
    model.add(bytes, static_cast<TimeNs>(std::min(static_cast<double>(took), most)));
}

}  // namespace bandfs
