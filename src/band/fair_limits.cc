// band/fair_limits.cc - floors and ceilings of the policy `fair`.
#include "band/fair_limits.h"

#include <algorithm>

namespace bandfs {
namespace {

constexpr TimeNs kFarthest = 3'600'000'000'000;  // ahead is nothing due, or sums would overflow at 1 byte/s

TimeNs time_for(std::uint32_t bytes, double bytes_per_second) noexcept {
    return static_cast<TimeNs>(std::min(bytes * 1e9 / bytes_per_second, static_cast<double>(kFarthest)));
}

}  // namespace

void FairLimits::set(FairLimit& limit, double floor, double ceiling, TimeNs now) noexcept {
    const FairLimitPlace place = limit.place;
    move(limit, FairLimitPlace::none);
    limit.floor = floor;
    limit.ceiling = ceiling;
    limit.floor_due = limit.floor_look = limit.ceiling_free = now;
    move(limit, place);
}

void FairLimits::set_floor(FairLimit& limit, double floor, TimeNs now) noexcept {
    const FairLimitPlace place = limit.place;
    move(limit, FairLimitPlace::none);
    if (limit.floor > 0 && floor > 0 && limit.floor_due > now) {
        const double ahead = static_cast<double>(limit.floor_due - now) * (limit.floor / floor);
        limit.floor_due = now + static_cast<TimeNs>(std::min(ahead, static_cast<double>(kFarthest)));
    }
    limit.floor = floor;
    limit.floor_look = std::min(limit.floor_due, now + kLookAgain);
    move(limit, place);
}

void FairLimits::move(FairLimit& limit, FairLimitPlace place) noexcept {
    if (limit.place != FairLimitPlace::none) --placed_;
    switch (limit.place) {
        case FairLimitPlace::none:
        case FairLimitPlace::capped:
            break;
        case FairLimitPlace::ready:
            ready_.erase(ready_.iterator_to(limit));
            break;
        case FairLimitPlace::expected:
            expected_.erase(expected_.iterator_to(limit));
            break;
    }
    if (place != FairLimitPlace::capped && limit.floor == 0) place = FairLimitPlace::none;
    limit.place = place;
    if (place != FairLimitPlace::none) ++placed_;
    switch (place) {
        case FairLimitPlace::none:
        case FairLimitPlace::capped:
            break;
        case FairLimitPlace::ready:
            ready_.insert(limit);
            break;
        case FairLimitPlace::expected:
            expected_.insert(limit);
            break;
    }
}

void FairLimits::charge(FairLimit& limit, std::uint32_t bytes, TimeNs now) noexcept {
    const FairLimitPlace place = limit.place;
    move(limit, FairLimitPlace::none);
    charge_ceiling(limit, bytes, now);
    if (limit.floor > 0) {
        const TimeNs takes = time_for(bytes, limit.floor * scale());
        const TimeNs due = std::max(limit.floor_due, now - kFloorSlack) + takes;
        limit.floor_look = limit.floor_due = std::min(due, now + std::max(takes, kFloorSlack));
    }
    move(limit, place);
}

void FairLimits::charge_ceiling(FairLimit& limit, std::uint32_t bytes, TimeNs now) noexcept {
    if (limit.ceiling == 0) return;
    const TimeNs free = std::max(limit.ceiling_free, now - kCeilingSlack) + time_for(bytes, limit.ceiling);
    limit.ceiling_free = std::min(free, now + kFarthest);
}

void FairLimits::charge_part(TimeNs& had, FairLimit& above, std::uint32_t bytes, double part) noexcept {
    had = std::max(had, above.turn - kFloorSlack);
    above.turn = std::max(above.turn, had);
    had = std::min(had + time_for(bytes, part), kNever / 2);
}

TimeNs FairLimits::free_at(TimeNs had, const FairLimit& above) noexcept {
    const auto ahead = static_cast<double>(had - above.turn);
    if (ahead <= 0) return above.ceiling_free;
    return above.ceiling_free + static_cast<TimeNs>(kYield * ahead / (ahead + 2 * kYield));
}

}  // namespace bandfs
