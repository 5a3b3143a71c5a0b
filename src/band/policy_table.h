// band/policy_table.h - the one place that lists the policies.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "band/policy.h"

namespace bandfs {

/// A policy as the user sees it.
struct PolicyEntry {
    std::string_view name;
    std::string_view summary;  ///< one sentence, for help texts
    std::unique_ptr<Policy> (*make)(const PolicyContext& context);
};

/// All policies.
std::span<const PolicyEntry> policy_table();

/// The entry of that name, nullptr when there is none. `default` is another name of the first.
const PolicyEntry* find_policy(std::string_view name);

}  // namespace bandfs
