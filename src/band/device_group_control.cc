// band/device_group_control.cc - the device group's settings, its groups, and switching policies.
#include <algorithm>
#include <cassert>
#include <utility>

#include "band/group_pool.h"
#include "band/policy.h"
#include "band/policy_table.h"
#include "bandfs/device_group.h"

namespace bandfs {

namespace {

void take_off(Statistics& sum, const Statistics& part) {
    for (std::size_t d = 0; d < sum.direction.size(); ++d) {
        sum.direction[d].requests -= part.direction[d].requests;
        sum.direction[d].deferred -= part.direction[d].deferred;
        sum.direction[d].sectors -= part.direction[d].sectors;
        sum.direction[d].bytes_done -= part.direction[d].bytes_done;
    }
}

}  // namespace

// Groups.

Group& DeviceGroup::add_group(MountGroups& mount, GroupId id, bool is_default, std::uint32_t weight, Group* parent) {
    assert(weight >= 1 && weight <= kMaxWeight);
    Group& group = pool_->make(mount, id, is_default, ++attachments_);
    group.weight_ = weight;
    if (parent != nullptr) {
        group.rarities().parent = parent;
        ++parent->rarities().children;
    }
    groups_.push_back(group);
    policy_->group_added(group, now_);
    return group;
}

void DeviceGroup::remove_group(Group& group) {
    assert(group.issued_ == 0 && group.held_ == 0);
    policy_->group_removed(group, now_);
    if (!group.detached_) take_off(statistics_, group.statistics_);
    if (Group* const parent = group.parent()) --parent->rarities().children;
    groups_.erase(groups_.iterator_to(group));
    const std::function<void()> gone = group.rarities_ ? std::move(group.rarities_->gone) : nullptr;
    pool_->destroy(group);
    if (gone) gone();
}

void DeviceGroup::retire_group(Group& group, TimeNs now, std::function<void()> gone) {
    seen(now);
    if (gone) group.rarities().gone = std::move(gone);
    group.detached_ = true;
    take_off(statistics_, group.statistics_);
    send_down(group, &Group::leaving_);
    if (group.issued_ != 0 || group.held_ != 0) return;
    // dm-band lets its conductor run before it hands the group's tokens to the others.
    if (pass_) {
        retiring_ = true;
    } else {
        remove_group(group);
    }
}

void DeviceGroup::send_down(Group& group, bool Group::*reason) {
    const bool was = group.going_down();
    group.*reason = true;
    if (!was) policy_->going_down_changed(group, now_);
    if (load_.blocked != 0) pass_ = true;
}

// Settings.

Error DeviceGroup::set_io_throttle(std::uint64_t n) {
    if (n == 0 || n > load_.io_limit) return Error::invalid;
    load_.io_throttle = static_cast<std::uint32_t>(n);
    policy_->depth_changed();
    return Error::none;
}

Error DeviceGroup::set_io_limit(std::uint64_t n) {
    if (n <= load_.io_throttle || n > kMaxInFlight) return Error::invalid;
    load_.io_limit = static_cast<std::uint32_t>(n);
    if (!traits_.drains_when_full) replug();
    policy_->depth_changed();
    return Error::none;
}

Error DeviceGroup::set_weight(Group& group, std::uint64_t weight) {
    if (weight == 0 || weight > kMaxWeight) return Error::invalid;
    const std::uint32_t old_weight = std::exchange(group.weight_, static_cast<std::uint32_t>(weight));
    policy_->reweighted(group, old_weight, now_);
    return Error::none;
}

Error DeviceGroup::set_token_base(std::uint64_t tokens) {
    if (tokens == 0 || tokens > kMaxTokenBase) return Error::invalid;
    token_base_ = tokens;
    policy_->token_base_changed();
    return Error::none;
}

Error DeviceGroup::set_held_bytes_limit(std::uint64_t bytes) {
    if (bytes == 0 || bytes > kMaxHeldBytes) return Error::invalid;
    held_bytes_limit_ = bytes;
    for (Group& group : groups_) queue_waiting(group);
    return Error::none;
}

Error DeviceGroup::set_limits(Group& group, std::uint64_t floor, std::uint64_t ceiling) {
    if (!traits_.has_limits) return Error::invalid;
    if (const Error refused = policy_->may_limit(group, floor, ceiling); refused != Error::none) return refused;
    group.rarities().floor = floor;
    group.rarities().ceiling = ceiling;
    policy_->limits_changed(group, now_);
    return Error::none;
}

Error DeviceGroup::set_floor(Group& group, std::uint64_t bytes_per_second) {
    return set_limits(group, bytes_per_second, group.ceiling());
}

Error DeviceGroup::set_ceiling(Group& group, std::uint64_t bytes_per_second) {
    return set_limits(group, group.floor(), bytes_per_second);
}

Error DeviceGroup::set_policy_parameter(std::string_view name, std::string_view value) {
    return policy_->set_parameter(name, value);
}

std::string_view DeviceGroup::policy_parameter(std::string_view name) const {
    return policy_->parameter(name);
}

Error DeviceGroup::set_policy(std::string_view name, TimeNs now) {
    const PolicyEntry* const entry = find_policy(name);
    if (entry == nullptr) return Error::invalid;
    if (entry->name == policy_name_) return Error::none;
    std::unique_ptr<Policy> next = entry->make(PolicyContext{load_, token_base_, groups_});
    const PolicyTraits traits = next->traits();
    const bool stranded = std::any_of(groups_.begin(), groups_.end(), [&](const Group& group) {
        return (!traits.has_hierarchy && group.parent() != nullptr) ||
               (!traits.has_limits && (group.floor() != 0 || group.ceiling() != 0));
    });
    if (stranded) return Error::busy;
    now = seen(now);
    for (Group& group : groups_) policy_->group_removed(group, now);
    policy_ = std::move(next);
    policy_name_ = entry->name;
    traits_ = traits;
    switched_at_ = issues_;
    replug();
    for (Group& group : groups_) policy_->group_added(group, now);
    if (load_.blocked != 0) pass_ = true;
    return Error::none;
}

void DeviceGroup::suspend() {
    for (Group& group : groups_) send_down(group, &Group::suspended_);
}

void DeviceGroup::resume() {
    for (Group& group : groups_) {
        const bool was = group.going_down();
        group.suspended_ = false;
        if (was && !group.going_down()) policy_->going_down_changed(group, now_);
    }
}

void DeviceGroup::reset_statistics() {
    statistics_ = {};
    for (Group& group : groups_) {
        group.statistics_ = {};
        group.side_statistics_ = {};
        group.waits_ = {};
    }
}

std::uint64_t DeviceGroup::total_weight() const {
    std::uint64_t sum = 0;
    for (const Group& group : groups_) {
        if (!group.detached() && group.parent() == nullptr) sum += group.weight();
    }
    return sum;
}

std::uint64_t DeviceGroup::epoch() const {
    return policy_->epoch();
}

void DeviceGroup::policy_figures(const std::function<void(std::string_view, double)>& visit) const {
    policy_->figures(visit);
}

}  // namespace bandfs
