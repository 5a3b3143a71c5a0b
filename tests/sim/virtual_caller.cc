#include "virtual_caller.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace bandfs::sim {
namespace {

constexpr std::uint64_t kStreamStride = 977ull << 20;  ///< between the files of two processes

}  // namespace

VirtualCaller::VirtualCaller(const CallerSpec& spec, const Scenario& scenario, std::uint64_t seed,
                             std::uint64_t first_stream)
    : spec_(spec),
      round_trip_(scenario.round_trip),
      unit_(spec.unit ? spec.unit : scenario.unit),
      disk_size_(scenario.disk.size),
      random_(seed),
      due_(slots(), spec.start) {
    for (unsigned process = 0; process < spec.processes; ++process)
        position_.push_back((first_stream + process) * kStreamStride % static_cast<std::uint64_t>(disk_size_));
}

TimeNs VirtualCaller::first_arrival(unsigned slot) {
    return until_stop(spec_.start + static_cast<TimeNs>(random_() % 20'000) + slot);
}

TimeNs VirtualCaller::next_arrival(unsigned, TimeNs arrived) {
    const double gap = mean_size() * spec_.burst / spec_.rate * 1e9;
    return until_stop(arrived + std::max<TimeNs>(1, jittered(static_cast<TimeNs>(gap))));
}

TimeNs VirtualCaller::next_after_answer(unsigned slot, TimeNs answered) {
    TimeNs next = answered + jittered(round_trip_ + spec_.think);
    if (spec_.rate > 0) {
        const auto gap = static_cast<TimeNs>(mean_size() * slots() / spec_.rate * 1e9);
        due_[slot] = std::max(due_[slot] + gap, next - gap);  // what one gap did not bring, the next may; older is lost
        next = std::max(next, due_[slot]);
    }
    return until_stop(next);
}

Demand VirtualCaller::ask(unsigned slot) {
    Demand demand;
    demand.bytes = spec_.sizes.size() == 1 ? spec_.sizes.front() : spec_.sizes[random_() % spec_.sizes.size()];
    const bool read =
        spec_.read_fraction >= 1 || std::uniform_real_distribution<double>(0, 1)(random_) < spec_.read_fraction;
    demand.direction = read ? Direction::read : Direction::write;
    if (spec_.sequential) {
        std::uint64_t& position = position_[slot % position_.size()];
        demand.offset = position;
        position = (position + demand.bytes) % static_cast<std::uint64_t>(disk_size_);
    } else {
        demand.offset = random_() % static_cast<std::uint64_t>(disk_size_);
    }
    return demand;
}

double VirtualCaller::demand() const {
    return spec_.rate > 0 ? spec_.rate : std::numeric_limits<double>::infinity();
}

TimeNs VirtualCaller::jittered(TimeNs span) {
    if (spec_.jitter == 0 || span == 0) return span;
    return static_cast<TimeNs>(static_cast<double>(span) *
                               std::uniform_real_distribution<double>(1 - spec_.jitter, 1 + spec_.jitter)(random_));
}

double VirtualCaller::mean_size() const {
    return std::accumulate(spec_.sizes.begin(), spec_.sizes.end(), 0.0) / static_cast<double>(spec_.sizes.size());
}

}  // namespace bandfs::sim
