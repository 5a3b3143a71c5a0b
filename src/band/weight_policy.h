// band/weight_policy.h - dm-band's policy `weight`, and `weight-iosize` of dm-ioband beside it.
#pragma once

#include <memory>

#include "band/policy.h"

namespace bandfs {

/// A token per unit.
std::unique_ptr<Policy> make_weight_policy(const PolicyContext& context);
/// A token per sector.
std::unique_ptr<Policy> make_weight_iosize_policy(const PolicyContext& context);

}  // namespace bandfs
