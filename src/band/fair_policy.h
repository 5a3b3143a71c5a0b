// band/fair_policy.h - the policy `fair`: weights that hold without tuning.
#pragma once

#include <memory>

#include "band/policy.h"

namespace bandfs {

std::unique_ptr<Policy> make_fair_policy(const PolicyContext& context);

}  // namespace bandfs
