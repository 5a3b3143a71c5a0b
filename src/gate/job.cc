#include "gate/job.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace bandfs {

Job::Job(Direction direction, std::uint64_t bytes, std::uint32_t unit_size, pid_t caller_tid)
    : caller_tid_(caller_tid) {
    cut(direction, bytes, unit_size);
}

Job::~Job() {
    assert(state_ == JobState::idle || state_ == JobState::finished);
}

void Job::cut(Direction direction, std::uint64_t bytes, std::uint32_t unit_size) {
    assert(state_ == JobState::idle && unit_count_ == 0 && unit_size != 0);
    bytes_ = bytes;
    unit_size_ = unit_size;
    unit_count_ = static_cast<std::uint32_t>((bytes + unit_size - 1) / unit_size);
    if (unit_count_ > 1) more_ = std::make_unique<JobUnit[]>(unit_count_);
    for (std::uint32_t i = 0; i != unit_count_; ++i) {
        JobUnit& unit = units()[i];
        unit.bytes = static_cast<std::uint32_t>(begin_of(i + 1) - begin_of(i));
        unit.direction = direction;
        unit.job = this;
    }
}

void Job::keep() {
    if (!std::exchange(kept_, true)) kept();
}

void Job::wait_for_turn(Direction direction) {
    assert(state_ == JobState::idle && unit_count_ == 0);
    unit_count_ = unit_size_ = 1;
    only_.direction = direction;
    only_.is_turn = true;
    only_.job = this;
}

// Whether this is held behind `other`, of the same stream, and should have come before it.
bool Job::should_overtake(const Job& other) const {
    return unit_count_ > 1 && stream() != nullptr && stream() == other.stream() && place() < other.place() &&
           bytes_ == other.bytes_ && unit_size_ == other.unit_size_ && released_ == 0 && other.released_ == 0 &&
           !passed_ && !other.passed_ && more_[0].group == other.more_[0].group && first_turn() > other.first_turn();
}

void Job::swap_turns(Job& other) {
    more_.swap(other.more_);
    for (JobUnit& unit : units()) unit.job = this;
    for (JobUnit& unit : other.units()) unit.job = &other;
}

std::uint64_t Job::begin_of(std::uint32_t index) const {
    return std::min(std::uint64_t{index} * unit_size_, bytes_);
}

}  // namespace bandfs
