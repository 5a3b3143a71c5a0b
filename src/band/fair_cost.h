// band/fair_cost.h - policy `fair`, the cost: what a unit is charged, and how long the disk is busy with it.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "band/fair_batch.h"
#include "bandfs/unit.h"

namespace bandfs {

/// time(bytes) = fixed + per_byte * bytes, fitted by weighted least squares to what was seen, the old weighing less and
/// less. Once enough is known, every kLater-th observation changes the line.
class LinearTime {
public:
    /// It remembers about so many observations.
    explicit LinearTime(double memory) : memory_(memory) {}

    /// Whether that changed the line.
    bool add(std::uint32_t bytes, double took, double weight) noexcept;
    bool known() const noexcept { return count_ > 0; }
    double fixed_ns() const noexcept { return fixed_; }
    double ns_per_byte() const noexcept { return per_byte_; }
    double of(double bytes) const noexcept { return fixed_ + per_byte_ * bytes; }
    /// How large the unit was that a byte was part of, on average.
    double size_of_most() const noexcept { return bytes_ > 0 ? bytes_squared_ / bytes_ : 0; }
    bool enough() const noexcept { return count_ >= kEnough; }

private:
    static constexpr double kEnough = 32;
    static constexpr unsigned kLater = 8;

    void fit() noexcept;

    const double memory_;
    unsigned unfitted_ = 0;  ///< observations that the line does not know yet
    double count_ = 0, bytes_ = 0, time_ = 0, bytes_squared_ = 0, bytes_time_ = 0;  ///< decayed sums
    double fixed_ = 0, per_byte_ = 0;
};

/// Prices units. Arithmetic only: no clock, no groups.
///
/// `bytes`: a unit costs its bytes. `time`: it costs the nanoseconds that the disk is busy with it when it is alone
/// there, by a model of each direction that is learnt while running.
///
/// No unit is done sooner than it would be alone, and many are later for reasons that are not the disk's: a busy
/// processor, a throttle. So of units that were alone, quick ones count in full and slow ones less; and of the others
/// those that were clearly quicker than the model says one can be; one that was much quicker is a matter of luck.
///
/// What a unit takes alone has a part that is not the disk's: the way there and back, on which it works for others. So
/// on a disk that does one unit at a time, a unit is charged what passes between the end of the one before, when it
/// was there already, and its own. That the disk is such a one is seen by large units, which take hardly less so than
/// alone.
class FairCost {
public:
    enum class Kind : std::uint8_t { bytes, time };
    static std::optional<Kind> kind_of(std::string_view name);
    static std::string_view name_of(Kind kind);

    Kind kind() const noexcept { return kind_; }
    void set_kind(Kind kind) noexcept { kind_ = kind; }

    double of(const Unit& unit) const noexcept {
        return kind_ == Kind::bytes ? unit.bytes : charges_[static_cast<std::size_t>(unit.direction)].of(unit.bytes);
    }
    /// Nanoseconds, more than 0. A direction that was never seen is taken to be as the other one.
    double disk_time(Direction direction, std::uint32_t bytes) const noexcept {
        return prices_[static_cast<std::size_t>(direction)].of(bytes);
    }
    /// A unit was on the disk, alone or not, and took so long.
    void learn(Direction direction, std::uint32_t bytes, TimeNs took, bool alone) noexcept {
        const double ns = static_cast<double>(took);
        const double soonest = kTooSoon * disk_time(direction, bytes);
        if (alone) {
            add(direction, bytes, ns, true);
        } else if (model(direction).known() && ns < soonest) {
            add(direction, bytes, soonest, false);
        }
    }
    /// Units are done. Says something only of a disk that does one at a time.
    void learn(const FairBatch& batch) noexcept {
        if (kind_ == Kind::time && batch.in_order() && batch.queued() && batch.alike()) add(batch);
    }
    /// What units take alone.
    const LinearTime& model(Direction direction) const noexcept { return models_[static_cast<std::size_t>(direction)]; }
    /// What is charged by time; not known() before anything was seen of that direction.
    const LinearTime& charged(Direction direction) const noexcept {
        return one_by_one(direction) ? queued_[static_cast<std::size_t>(direction)] : model(direction);
    }

private:
    static constexpr double kTooSoon = 0.7;  ///< part of what was expected: then it was too much, beyond all noise
    static constexpr double kUnknownNsPerByte = 1;  ///< before anything was seen: 1 GB/s

    /// What the models say.
    struct Price {
        double fixed = 0, per_byte = kUnknownNsPerByte;

        double of(std::uint32_t bytes) const noexcept { return std::max(fixed + per_byte * bytes, 1.0); }
    };
    static constexpr double kAloneMemory = 128, kQueuedMemory = 1024;

    void add(Direction direction, std::uint32_t bytes, double ns, bool alone) noexcept;
    void add(const FairBatch& batch) noexcept;
    bool one_by_one(Direction direction) const noexcept;
    void set_prices() noexcept;

    Kind kind_ = Kind::bytes;
    std::array<Price, kDirections> prices_;   ///< of what units take alone
    std::array<Price, kDirections> charges_;  ///< of what they are charged by time
    std::array<LinearTime, kDirections> models_{LinearTime(kAloneMemory), LinearTime(kAloneMemory)};
    std::array<LinearTime, kDirections> queued_{LinearTime(kQueuedMemory), LinearTime(kQueuedMemory)};
};

}  // namespace bandfs
