// seeds.h - random cases, each of a seed that is printed when it fails. BANDFS_SCHEDULES sets how many there are, and
// BANDFS_SEED which is the first.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>

#include <gtest/gtest.h>

namespace bandfs {

inline std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
    const char* const text = std::getenv(name);
    return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

/// Calls run(seed) for so many seeds, or as the environment says, until one fails.
template <typename Run>
void for_each_seed(std::uint64_t usually, Run&& run) {
    const std::uint64_t count = from_environment("BANDFS_SCHEDULES", usually);
    const std::uint64_t first = from_environment("BANDFS_SEED", 1);
    for (std::uint64_t seed = first; seed < first + count && !::testing::Test::HasFailure(); ++seed) {
        SCOPED_TRACE("BANDFS_SCHEDULES=1 BANDFS_SEED=" + std::to_string(seed));
        run(seed);
    }
}

}  // namespace bandfs
