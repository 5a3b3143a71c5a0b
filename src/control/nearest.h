// control/nearest.h - "did you mean ...?"
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace bandfs {

/// The name that takes the fewest single-letter edits to reach, when that is at most a third of its letters (and at
/// least one is allowed); "" when none is that near.
std::string nearest_name(std::string_view wanted, std::span<const std::string_view> names);

}  // namespace bandfs
