// bandfs/wait_histogram.h - how long deferred units were held.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <limits>

#include "bandfs/unit.h"

namespace bandfs {

/// Counts of waits in buckets that double: bucket 0 is everything below 16.384 us, bucket i the waits from 8.192 us *
/// 2^i to twice that, the last one everything from 17.2 s on. 88 bytes, nothing is allocated.
///
/// A bucket that is full halves all of them: what is kept is the shape, which is what a percentile reads.
class WaitHistogram {
public:
    static constexpr std::size_t kBuckets = 22;
    static constexpr int kFirstBoundLog2 = 14;  ///< 2^14 ns: shorter waits are noise beside a system call

    void add(TimeNs wait) noexcept {
        std::uint32_t& count = counts_[bucket_of(wait)];
        if (count == std::numeric_limits<std::uint32_t>::max()) {
            for (std::uint32_t& each : counts_) each /= 2;
        }
        ++count;
    }

    std::uint64_t total() const noexcept {
        std::uint64_t sum = 0;
        for (std::uint32_t count : counts_) sum += count;
        return sum;
    }

    std::uint32_t count(std::size_t bucket) const noexcept { return counts_[bucket]; }

    /// The first wait that is too long for `bucket`; kNever for the last.
    static constexpr TimeNs upper_bound(std::size_t bucket) {
        return bucket + 1 >= kBuckets ? kNever : TimeNs{1} << (kFirstBoundLog2 + static_cast<int>(bucket));
    }

    /// The bound below which `percent` (0 to 100) of the waits were: exact to a factor of two. 0 when there were none,
    /// kNever when it lies in the last bucket.
    TimeNs percentile(double percent) const noexcept {
        const double wanted = static_cast<double>(total()) * percent / 100.0;
        double seen = 0;
        for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) {
            seen += counts_[bucket];
            if (counts_[bucket] > 0 && seen >= wanted) return upper_bound(bucket);
        }
        return 0;
    }

private:
    static std::size_t bucket_of(TimeNs wait) noexcept {
        const auto above = static_cast<std::uint64_t>(wait < 0 ? 0 : wait) >> kFirstBoundLog2;
        return std::min<std::size_t>(static_cast<std::size_t>(std::bit_width(above)), kBuckets - 1);
    }

    std::array<std::uint32_t, kBuckets> counts_{};
};

}  // namespace bandfs
