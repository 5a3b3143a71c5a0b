#include "meter.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace bandfs::sim {

std::size_t LatencyRecord::bucket_of(std::uint64_t ns) {
    const unsigned width = static_cast<unsigned>(std::bit_width(ns));
    if (width <= kBits + 1) return ns;
    const unsigned shift = width - kBits - 1;
    return (static_cast<std::size_t>(shift) << kBits) + static_cast<std::size_t>(ns >> shift);
}

TimeNs LatencyRecord::upper_end(std::size_t bucket) {
    if (bucket < (2u << kBits)) return static_cast<TimeNs>(bucket);
    const std::size_t shift = (bucket >> kBits) - 1;
    const std::uint64_t mantissa = bucket - (shift << kBits);
    return static_cast<TimeNs>(((mantissa + 1) << shift) - 1);
}

void LatencyRecord::add(TimeNs latency) {
    const std::size_t bucket = bucket_of(static_cast<std::uint64_t>(std::max<TimeNs>(latency, 0)));
    if (counts_.size() <= bucket) counts_.resize(bucket + 1);
    ++counts_[bucket];
    ++count_;
    longest_ = std::max(longest_, latency);
}

TimeNs LatencyRecord::percentile(double percent) const {
    const auto wanted = static_cast<std::uint64_t>(std::ceil(static_cast<double>(count_) * percent / 100));
    std::uint64_t seen = 0;
    for (std::size_t bucket = 0; bucket < counts_.size(); ++bucket) {
        seen += counts_[bucket];
        if (seen >= wanted && seen > 0) return std::min(upper_end(bucket), longest_);
    }
    return 0;
}

void Window::add_idle(TimeNs from, TimeNs to) {
    idle_ += std::max<TimeNs>(0, std::min(to, to_) - std::max(from, from_));
}

double Window::total_rate() const {
    double bytes = 0;
    for (const GroupMeasure& group : groups_) bytes += static_cast<double>(group.bytes);
    return bytes / seconds();
}

double Window::share(std::size_t index) const {
    const double total = total_rate();
    return total > 0 ? rate(index) / total : 0;
}

double Window::time_share(std::size_t index) const {
    const double total = total_time();
    return total > 0 ? static_cast<double>(groups_[index].disk_time) / total : 0;
}

double Window::total_time() const {
    double total = 0;
    for (const GroupMeasure& group : groups_) total += static_cast<double>(group.disk_time);
    return total;
}

double jain_index(std::span<const double> got, std::span<const double> wanted) {
    double sum = 0, squares = 0;
    std::size_t n = 0;
    for (std::size_t i = 0; i < got.size(); ++i) {
        if (wanted[i] <= 0) continue;
        const double ratio = got[i] / wanted[i];
        sum += ratio;
        squares += ratio * ratio;
        ++n;
    }
    return squares > 0 ? sum * sum / (static_cast<double>(n) * squares) : 1;
}

}  // namespace bandfs::sim
