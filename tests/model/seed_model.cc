// model/seed_model.cc
#include "seed_model.h"

#include <algorithm>

namespace bandfs {

SeedModel::SeedModel(int io_throttle, int io_limit, std::int64_t token_base)
    : io_throttle_(io_throttle), io_limit_(io_limit), token_base_(token_base) {
    attach(0);
}

SeedModel::Group* SeedModel::find(std::uint64_t id) {
    const auto found = std::find_if(groups_.begin(), groups_.end(),
                                    [&](const Group& group) { return group.id == id && !group.detached; });
    return found == groups_.end() ? nullptr : &*found;
}

std::int64_t SeedModel::priority(const Group& group) const {
    std::int64_t priority = group.tokens * 100 / group.token_init + 1;
    if (group.epoch != epoch_) priority += 100;
    if (group.going_down) priority += 200;
    return priority;
}

bool SeedModel::can_submit(Group& group) {
    if (group.tokens > 0) return true;
    if (group.epoch != epoch_) {
        group.epoch = epoch_;
    } else if (!group.going_down) {
        return false;
    }
    group.tokens = group.token_init;
    return true;
}

void SeedModel::issue(int unit, Group& group) {
    --group.tokens;
    ++group.issued;
    in_flight_.push_back(unit);
    if (++issued_ >= io_limit_) plugged_ = true;
}

bool SeedModel::map(int unit, Group& group) {
    if (owner_.size() <= static_cast<std::size_t>(unit)) owner_.resize(static_cast<std::size_t>(unit) + 1);
    owner_[static_cast<std::size_t>(unit)] = &group;
    while (group.blocked.empty() && room(group)) {
        if (can_submit(group)) {
            issue(unit, group);
            return true;
        }
        if (issued_ >= io_throttle_) break;
        ++epoch_;
    }
    group.blocked.push_back(unit);
    ++blocked_;
    return false;
}

std::vector<int> SeedModel::conduct() {
    std::vector<int> released;
    while (true) {
        while (blocked_ > 0) {
            Group* best = nullptr;
            std::int64_t highest = 0;
            for (Group& group : groups_) {
                if (group.blocked.empty() || !room(group) || !can_submit(group)) continue;
                if (priority(group) > highest) {
                    highest = priority(group);
                    best = &group;
                }
            }
            if (best == nullptr) break;
            while (can_submit(*best) && !best->blocked.empty() && room(*best)) {
                const int unit = best->blocked.front();
                best->blocked.pop_front();
                --blocked_;
                issue(unit, *best);
                released.push_back(unit);
            }
        }
        if (blocked_ == 0 || issued_ >= io_throttle_ || plugged_) return released;
        ++epoch_;
    }
}

std::vector<int> SeedModel::end(int unit) {
    in_flight_.erase(std::find(in_flight_.begin(), in_flight_.end(), unit));
    Group& group = *owner_[static_cast<std::size_t>(unit)];
    if (issued_ <= io_throttle_) plugged_ = false;
    --issued_;
    --group.issued;
    if (group.detached && group.issued == 0 && group.blocked.empty()) {
        groups_.remove_if([&](const Group& each) { return &each == &group; });
        recompute();
    }
    return blocked_ > 0 && !plugged_ ? conduct() : std::vector<int>{};
}

void SeedModel::recompute() {
    std::int64_t total = 0;
    for (const Group& group : groups_) total += group.weight;
    for (Group& group : groups_) group.tokens = group.token_init = token_base_ * group.weight / total + 1;
}

void SeedModel::attach(std::uint64_t id) {
    groups_.emplace_back().id = id;
    groups_.back().epoch = epoch_;
    recompute();
}

std::vector<int> SeedModel::detach(Group& group) {
    group.going_down = true;
    group.detached = true;
    std::vector<int> released = conduct();
    if (group.issued == 0) {
        groups_.remove_if([&](const Group& each) { return &each == &group; });
        recompute();
    }
    return released;
}

void SeedModel::set_weight(Group& group, std::int64_t weight) {
    group.weight = weight;
    recompute();
}

void SeedModel::set_token_base(std::int64_t tokens) {
    token_base_ = tokens;
    recompute();
}

std::vector<int> SeedModel::suspend() {
    for (Group& group : groups_) group.going_down = true;
    return conduct();
}

void SeedModel::resume() {
    for (Group& group : groups_) group.going_down = group.detached;
}

std::vector<std::uint64_t> SeedModel::ids() const {
    std::vector<std::uint64_t> ids;
    for (const Group& group : groups_) {
        if (!group.detached) ids.push_back(group.id);
    }
    return ids;
}

std::string SeedModel::state() const {
    std::string text = "epoch=" + std::to_string(epoch_) + " issued=" + std::to_string(issued_) +
                       " blocked=" + std::to_string(blocked_) + " plugged=" + (plugged_ ? '1' : '0');
    for (const Group& group : groups_) {
        if (group.detached) continue;
        text += ' ' + (group.id == 0 ? "default" : std::to_string(group.id)) + ':' + std::to_string(group.tokens) +
                '/' + std::to_string(group.token_init);
    }
    return text;
}

}  // namespace bandfs
