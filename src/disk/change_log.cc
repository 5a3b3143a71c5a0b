#include "disk/change_log.h"

#include <algorithm>
#include <utility>

namespace bandfs {
namespace {

/// Two changes within this time may leave the same time stamp: a tick of the kernel's clock at 100 Hz, twice.
constexpr TimeNs kGrain = 20'000'000;
/// The same where times come in whole seconds, or in two as on FAT.
constexpr TimeNs kCoarseGrain = 2 * kSecond;

bool is_coarse(const struct stat& file) {
    return file.st_mtim.tv_nsec == 0 && file.st_ctim.tv_nsec == 0;
}

}  // namespace

void ChangeLog::begins_anew(TimeNs realtime) {
    known_.emplace();
    changed_ = true;
    changed_by_others_ = false;
    ended_ = realtime;
    doubted_until_ = 0;
}

bool ChangeLog::wants_look(TimeNs realtime) const {
    return tells_ours_ && known_ && under_way_ == 0 && realtime - ended_ > kGrain;
}

void ChangeLog::begins() {
    ++under_way_;
    changed_ = true;
}

void ChangeLog::ends(TimeNs realtime) {
    --under_way_;
    ended_ = realtime;
}

void ChangeLog::write_comes(TimeNs realtime) {
    ++pending_;
    if (realtime < hit_until_) hit_ = true;
}

bool ChangeLog::write_goes() {
    --pending_;
    if (!hit_) return false;
    changed_by_others_ = true;
    if (pending_ == 0) hit_ = false;
    return true;
}

// By ctime, which nobody can set, since each change sets it.
void ChangeLog::look(const struct stat& now, TimeNs realtime) {
    const State state{static_cast<std::uint64_t>(now.st_size), nanoseconds_of(now.st_mtim),
                      nanoseconds_of(now.st_ctim)};
    const bool ours = tells_ours_ && changed_ && !is_coarse(now) && (under_way_ != 0 || state.ctime <= ended_);
    changed_ = under_way_ != 0;
    const bool by_others = !known_ || (*known_ != state && !ours);
    known_ = state;
    if (by_others || doubted_until_ != 0) changed_by_others_ = true;
    if (by_others) {
        doubted_until_ = std::min(state.ctime, realtime) + (is_coarse(now) ? kCoarseGrain : kGrain);
        hit_until_ = realtime + kGrain;
    }
    if (realtime > doubted_until_) doubted_until_ = 0;
}

bool ChangeLog::take_changed_by_others() {
    if (changed_by_others_) dropped();
    return std::exchange(changed_by_others_, false);
}

void ChangeLog::dropped() {
    if (pending_ != 0) hit_ = true;
}

bool ChangeLog::changed_lately(TimeNs realtime) const {
    return tells_ours_ && (under_way_ != 0 || pending_ != 0 || realtime - ended_ < kLately);
}

bool ChangeLog::access_time_stays(std::optional<TimeNs> accessed, TimeNs realtime) {
    const bool stays = accessed && accessed_ == accessed && *accessed < realtime - kGrain;
    accessed_ = accessed;
    return stays;
}

ChangeMemory::Place& ChangeMemory::place_of(FileKey key) const {
    const std::uint64_t mixed = (key.inode ^ (std::uint64_t{key.device} << 40)) * 0x9e3779b97f4a7c15u;
    return places_[mixed >> (64 - kPlacesLog2)];
}

void ChangeMemory::remember(FileKey key, const ChangeLog& log) {
    place_of(key) = {key, log};
}

std::optional<ChangeLog> ChangeMemory::recall(FileKey key) const {
    const Place& place = place_of(key);
    return place.key == key ? std::optional(place.log) : std::nullopt;
}

bool ChangeWatch::look_at(int fd, Seen& seen) {
    seen.realtime = time_of_day_ns();
    if (::fstat(fd, &seen.file) != 0) return false;
    log_.look(seen.file, seen.realtime);
    return true;
}

void ChangeWatch::begins_anew() {
    const std::lock_guard lock(mutex_);
    log_.begins_anew(time_of_day_ns());
}

void ChangeWatch::write_comes() {
    if (!tells_ours_) return;
    const std::lock_guard lock(mutex_);
    log_.write_comes(time_of_day_ns());
}

bool ChangeWatch::write_goes() {
    if (!tells_ours_) return false;
    const std::lock_guard lock(mutex_);
    return log_.write_goes() && log_.take_changed_by_others();
}

void ChangeWatch::pages_are_old() {
    const std::lock_guard lock(mutex_);
    log_.pages_are_old();
}

void ChangeWatch::owe_drop() {
    const std::lock_guard lock(mutex_);
    ++drops_owed_;
}

void ChangeWatch::dropped() {
    const std::lock_guard lock(mutex_);
    --drops_owed_;
    log_.dropped();
}

ChangeWatch::Seen ChangeWatch::look(int fd) {
    const std::lock_guard lock(mutex_);
    Seen seen;
    if (!look_at(fd, seen)) return seen;
    seen.changed_by_others = log_.take_changed_by_others();
    seen.drop_owed = drops_owed_ != 0;
    seen.changed_lately = log_.changed_lately(seen.realtime);
    return seen;
}

bool ChangeWatch::access_time_stays(std::optional<TimeNs> accessed, TimeNs realtime) {
    const std::lock_guard lock(mutex_);
    return log_.access_time_stays(accessed, realtime);
}

ChangeLog ChangeWatch::close(int fd) {
    const std::lock_guard lock(mutex_);
    if (Seen seen; log_.changed()) look_at(fd, seen);
    return log_;
}

void ChangeWatch::begins(int fd) {
    if (!tells_ours_) return;
    const std::lock_guard lock(mutex_);
    if (Seen seen; log_.wants_look(time_of_day_ns())) look_at(fd, seen);
    log_.begins();
}

void ChangeWatch::ends() {
    if (!tells_ours_) return;
    const std::lock_guard lock(mutex_);
    log_.ends(time_of_day_ns());
}

}  // namespace bandfs
