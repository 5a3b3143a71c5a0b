// bandfs/settings.h - what a device group is made with.
#pragma once

#include <cstdint>

namespace bandfs {

inline constexpr std::uint64_t kMiB = 1u << 20;

inline constexpr std::uint64_t kMaxTokenBase = 1'000'000;
inline constexpr std::uint64_t kMaxHeldBytes = 65536 * kMiB;  ///< of held_bytes_limit
inline constexpr std::uint32_t kMaxInFlight = 1'000'000;      ///< of io_throttle and io_limit

struct DeviceGroupSettings {
    std::uint32_t io_throttle = 4;               ///< units in flight, low mark
    std::uint32_t io_limit = 128;                ///< units in flight, high mark, at most kMaxInFlight
    std::uint64_t token_base = 2048;             ///< tokens of one epoch, 1 to kMaxTokenBase
    std::uint64_t held_bytes_limit = 64 * kMiB;  ///< of one group, 1 to kMaxHeldBytes; what is beyond it waits in turn
};

}  // namespace bandfs
