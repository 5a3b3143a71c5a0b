// band/fair_limits.cc - floors and ceilings of the policy `fair`.
#include "band/fair_limits.h"

#include <algorithm>

namespace bandfs {
namespace {

TimeNs time_for(std::uint32_t bytes, double bytes_per_second) noexcept {
    return static_cast<TimeNs>(bytes * 1e9 / bytes_per_second);
}

}  // namespace

void FairLimits::set(FairLimit& limit, double floor, double ceiling, TimeNs now) noexcept {
    const FairLimitPlace place = limit.place;
    move(limit, FairLimitPlace::none);
    limit.floor = floor;
    limit.ceiling = ceiling;
    limit.floor_due = limit.ceiling_free = now;
    move(limit, place);
}

void FairLimits::set_floor(FairLimit& limit, double floor) noexcept {
    if (floor == limit.floor) return;
    if (floor == 0 && limit.place != FairLimitPlace::capped) move(limit, FairLimitPlace::none);
    limit.floor = floor;
}

void FairLimits::cap(FairLimit& limit, TimeNs until) noexcept {
    move(limit, FairLimitPlace::none);
    limit.capped_until = until;
    move(limit, FairLimitPlace::capped);
}

void FairLimits::move(FairLimit& limit, FairLimitPlace place) noexcept {
    if (limit.place != FairLimitPlace::none) --placed_;
    switch (limit.place) {
        case FairLimitPlace::none:
            break;
        case FairLimitPlace::capped:
            capped_.erase(capped_.iterator_to(limit));
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
            break;
        case FairLimitPlace::capped:
            capped_.insert(limit);
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
        limit.floor_due = std::max(limit.floor_due, now - kFloorSlack) + time_for(bytes, limit.floor * scale());
    }
    move(limit, place);
}

void FairLimits::charge_ceiling(FairLimit& limit, std::uint32_t bytes, TimeNs now) noexcept {
    if (limit.ceiling == 0) return;
    limit.ceiling_free = std::max(limit.ceiling_free, now - kCeilingSlack) + time_for(bytes, limit.ceiling);
}

TimeNs FairLimits::free_at(const FairLimit& limit, const FairLimit& above) noexcept {
    if (above.ceiling == 0) return 0;
    const auto ahead = static_cast<double>(limit.had - above.turn);
    if (ahead <= 0) return above.ceiling_free;
    return above.ceiling_free + static_cast<TimeNs>(kYield * ahead / (ahead + 2 * kYield));
}

TimeNs FairLimits::wakes_at() const noexcept {
    const TimeNs free = capped_.empty() ? kNever : capped_.begin()->capped_until;
    const TimeNs due = ready_.empty() ? kNever : ready_.begin()->floor_due;
    return std::min(free, due);
}

}  // namespace bandfs
