// band/policy_table.cc - the policies there are.
#include "band/policy_table.h"

#include <algorithm>
#include <array>

#include "band/fair_policy.h"
#include "band/weight_policy.h"

namespace bandfs {

namespace {

constexpr PolicyEntry kPolicies[] = {
    {"fair", "weights that hold without tuning, by bytes or by the disk's time.", &make_fair_policy},
    {"range-bw", "dm-ioband's name for fair with floors and ceilings in bytes per second.", &make_fair_policy},
    {"weight", "dm-band's: a token per request, handed out by weight in epochs.", &make_weight_policy},
    {"weight-iosize", "dm-ioband's: as weight, with a token per sector.", &make_weight_iosize_policy},
};

constexpr std::string_view kDefault = "default";

constexpr auto kNames = [] {
    std::array<std::string_view, std::size(kPolicies) + 1> names{kDefault};
    std::transform(std::begin(kPolicies), std::end(kPolicies), names.begin() + 1,
                   [](const PolicyEntry& e) { return e.name; });
    return names;
}();

}  // namespace

std::span<const PolicyEntry> policy_table() {
    return kPolicies;
}

const PolicyEntry* find_policy(std::string_view name) {
    if (name == kDefault) return &kPolicies[0];
    const auto* const found = std::find_if(std::begin(kPolicies), std::end(kPolicies),
                                           [&](const PolicyEntry& entry) { return entry.name == name; });
    return found == std::end(kPolicies) ? nullptr : found;
}

std::span<const std::string_view> DeviceGroup::policy_names() {
    return kNames;
}

bool DeviceGroup::is_same_policy(std::string_view one, std::string_view other) {
    const PolicyEntry* const first = find_policy(one);
    const PolicyEntry* const second = find_policy(other);
    return first != nullptr && second != nullptr && first->make == second->make;
}

}  // namespace bandfs
