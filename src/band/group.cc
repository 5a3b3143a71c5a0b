// band/group.cc - a band group, as policies and status look at it.
#include "bandfs/group.h"

#include "band/policy.h"
#include "bandfs/mount_groups.h"

namespace bandfs {

Group::Group(MountGroups& mount, GroupId id, bool is_default, std::uint64_t sequence)
    : is_default_(is_default), mount_(mount), id_(id), sequence_(sequence) {}

std::int64_t Group::tokens() const {
    return mount_.device_group().policy_->tokens(*this);
}

std::int64_t Group::token_init() const {
    return mount_.device_group().policy_->token_init(*this);
}

GroupRarities& Group::rarities() {
    if (!rarities_) rarities_ = std::make_unique<GroupRarities>();
    return *rarities_;
}

}  // namespace bandfs
