// band/fair_limits.h - policy `fair`, floors and ceilings: bytes per second that a group is guaranteed, or gets at
// most.
#pragma once

#include <cstdint>

#include <boost/intrusive/set.hpp>

#include "band/time_tree.h"
#include "bandfs/unit.h"

namespace bandfs {

/// Where a group with a limit stands.
///   none      it has nothing to do with its limits now
///   capped    it has units but is at its ceiling, or a group above it is (fair_ceilings.h)
///   ready     it has a floor and a unit to be issued
///   expected  it has a floor and a unit in flight or soon back
enum class FairLimitPlace : std::uint8_t { none, capped, ready, expected };

/// The limits of a group. Lives where its owner puts it, and is in place `none` when it dies.
struct FairLimit : boost::intrusive::set_base_hook<boost::intrusive::link_mode<boost::intrusive::normal_link>> {
    double floor = 0;  ///< bytes per second, 0: none
    double ceiling = 0;
    TimeNs floor_due = 0;     ///< its next unit is to be issued by then, or it gets less than its floor
    TimeNs floor_look = 0;    ///< when its floor is due, or is to be looked at again, since it depends on its kin's
    TimeNs ceiling_free = 0;  ///< its next unit, or its children's, may be issued from then on
    TimeNs turn = 0;          ///< who shares its ceiling has a tag there; this is the last served one's
    FairLimitPlace place = FairLimitPlace::none;
    bool was_capped = false;  ///< since its last unit: it was held back, and did not sleep
};

/// Keeps the groups that have a floor, in order of what is due (mClock: Gulati, Merchant and Varman, 2010). Those that
/// wait for a ceiling are in FairCeilings.
///
/// A ceiling is a rate with a tolerance: a group that came late by at most kCeilingSlack catches up, so short waits for
/// others do not cost it its rate; over 10 s it gets at most 0.3 % and one unit too much. A floor is met when units are
/// issued as they fall due; a group that did not ask has no claim to more than kFloorSlack of its floor, and one that
/// got more by its weight is not held to account for more than that, or a unit.
///
/// Floors that come to more than the disk does are scaled down together, so that each gets the same part.
///
/// No clock. Not thread-safe. O(log n) per call, n being the groups that have limits.
class FairLimits {
public:
    static constexpr TimeNs kCeilingSlack = 30'000'000;
    static constexpr TimeNs kYield = 10'000'000;  ///< the longest that kin wait for each other
    static constexpr TimeNs kFloorSlack = 100'000'000;
    static constexpr TimeNs kLookAgain = 500'000'000;  ///< at a floor that depends on kin
    static constexpr double kOfCapacity = 0.97;        ///< floors are scaled to that part of what the disk does

    void set(FairLimit& limit, double floor, double ceiling, TimeNs now) noexcept;
    /// The floor of a group with kin, as it is now; what the group has had before counts for it.
    void set_floor(FairLimit& limit, double floor, TimeNs now) noexcept;
    void move(FairLimit& limit, FairLimitPlace place) noexcept;
    void charge(FairLimit& limit, std::uint32_t bytes, TimeNs now) noexcept;
    /// For a unit of another group, below this one.
    static void charge_ceiling(FairLimit& limit, std::uint32_t bytes, TimeNs now) noexcept;
    /// Tags whoever shares the ceiling of `above` with a unit (SFQ, virtual time: bytes over its part), `part` bytes
    /// per second of it being its own.
    static void charge_part(TimeNs& had, FairLimit& above, std::uint32_t bytes, double part) noexcept;
    /// When one with that tag is free of the ceiling of `above`. Those who have had more of it than others wait for a
    /// moment longer, which costs the ceiling nothing.
    static TimeNs free_at(TimeNs had, const FairLimit& above) noexcept;
    /// A group whose floor is due, and that has a unit, or is expected. nullptr: none.
    FairLimit* first_due(TimeNs now) const noexcept { return due(first_look(now), now); }
    FairLimit* first_due_expected(TimeNs now) const noexcept {
        return due(first(expected_, &FairLimit::floor_look, now), now);
    }
    /// A group that has a unit, whose floor is due or to be looked at. nullptr: none.
    FairLimit* first_look(TimeNs now) const noexcept { return first(ready_, &FairLimit::floor_look, now); }
    /// When the floor of a group with units will be due; kNever: none.
    TimeNs wakes_at() const noexcept { return ready_.empty() ? kNever : ready_.begin()->floor_look; }

    /// Whether a group stands in one of the places.
    bool any() const noexcept { return placed_ != 0; }
    /// What all groups are guaranteed together.
    double floors() const noexcept { return floors_; }
    void add_to_floors(double change) noexcept {
        floors_ += change;
        if (floors_ < 1) floors_ = 0;  // what rounding has left
    }
    /// What the disk does, in bytes per second, when it has enough to do; 0: not known.
    void set_capacity(double bytes_per_second) noexcept { capacity_ = bytes_per_second; }
    double capacity() const noexcept { return capacity_; }
    /// Part of the floors that can be given.
    double scale() const noexcept {
        return capacity_ > 0 && floors_ > capacity_ * kOfCapacity ? capacity_ * kOfCapacity / floors_ : 1;
    }

private:
    template <TimeNs FairLimit::*Key>
    using Tree = TimeTree<FairLimit, Key>;

    static FairLimit* due(FairLimit* limit, TimeNs now) noexcept {
        return limit != nullptr && limit->floor_due <= now ? limit : nullptr;
    }
    template <typename T>
    static FairLimit* first(const T& tree, TimeNs FairLimit::*key, TimeNs now) noexcept {
        if (tree.empty() || (*tree.begin()).*key > now) return nullptr;
        return const_cast<FairLimit*>(&*tree.begin());  // the tree is const, what stands in it is the owner's
    }

    Tree<&FairLimit::floor_look> ready_, expected_;
    std::uint32_t placed_ = 0;  ///< groups in any place but none
    double floors_ = 0;
    double capacity_ = 0;
};

}  // namespace bandfs
