// band/mount_groups.cc - the groups of one mount, found by id.
#include "bandfs/mount_groups.h"

#include <cassert>
#include <utility>

#include "bandfs/device_group.h"

namespace bandfs {

namespace {

constexpr std::size_t kFirstBuckets = 8;

}  // namespace

MountGroups::MountGroups(DeviceGroup& device_group, std::uint32_t default_weight)
    : device_group_(device_group),
      buckets_(kFirstBuckets),
      by_id_(ById::bucket_traits(buckets_.data(), buckets_.size())),
      default_group_(&device_group.add_group(*this, 0, true, default_weight, nullptr)) {}

MountGroups::~MountGroups() {
    by_id_.clear();
    // Children, which came later, before their parents.
    for (auto it = device_group_.groups_.end(); it != device_group_.groups_.begin();) {
        Group& group = *--it;
        if (&group.mount() != this) continue;
        ++it;
        device_group_.remove_group(group);
    }
}

Group* MountGroups::find(GroupId id) {
    const auto it = by_id_.find(id);
    return it == by_id_.end() ? nullptr : &*it;
}

Group& MountGroups::for_id(GroupId id) {
    Group* const group = find(id);
    return group != nullptr ? *group : *default_group_;
}

Error MountGroups::attach(GroupId id, std::uint64_t weight, Group* parent) {
    if (weight == 0 || weight > kMaxWeight) return Error::invalid;
    if (parent != nullptr && (&parent->mount() != this || !device_group_.traits_.has_hierarchy)) return Error::invalid;
    if (find(id) != nullptr) return Error::exists;
    if (by_id_.size() == buckets_.size()) grow();
    by_id_.insert(device_group_.add_group(*this, id, false, static_cast<std::uint32_t>(weight), parent));
    return Error::none;
}

Error MountGroups::detach(GroupId id, TimeNs now, std::function<void()> gone) {
    Group* const group = find(id);
    if (group == nullptr) return Error::invalid;
    if (group->children() != 0) return Error::busy;
    by_id_.erase(by_id_.iterator_to(*group));
    device_group_.retire_group(*group, now, std::move(gone));
    return Error::none;
}

void MountGroups::go_down() {
    for (Group& group : device_group_.groups_) {
        if (&group.mount() == this) device_group_.send_down(group, &Group::leaving_);
    }
}

bool MountGroups::idle() const {
    for (const Group& group : device_group_.groups_) {
        if (&group.mount() == this && (group.issued() != 0 || group.held() != 0)) return false;
    }
    return true;
}

void MountGroups::for_each(const std::function<void(Group&)>& visit) {
    for (auto it = device_group_.groups_.begin(); it != device_group_.groups_.end();) {
        Group& group = *it++;
        if (&group.mount() == this && !group.detached()) visit(group);
    }
}

void MountGroups::for_each(const std::function<void(const Group&)>& visit) const {
    for (const Group& group : device_group_.groups_) {
        if (&group.mount() == this && !group.detached()) visit(group);
    }
}

void MountGroups::grow() {
    std::vector<ById::bucket_type> more(buckets_.size() * 2);
    by_id_.rehash(ById::bucket_traits(more.data(), more.size()));
    buckets_.swap(more);
}

}  // namespace bandfs
