#include "gate/auto_groups.h"

#include <algorithm>
#include <mutex>
#include <vector>

namespace bandfs {
namespace {

/// Callers that need no group of their own and are remembered; beyond it all are looked at again.
constexpr std::size_t kMostOthers = 65'536;
/// Of a full house so many leave at once, that room is not made for each newcomer anew.
constexpr std::size_t kPartThatLeaves = 16;
/// When all groups are busy, room is looked for this often.
constexpr TimeNs kLookAgainAfter = 100 * kMillisecond;

}  // namespace

void AutoGroups::set_weight(std::uint32_t weight) {
    weight_ = weight;
    forget_others();
}

void AutoGroups::seen(Gate& gate, MountGroups& groups, std::span<const GroupId> lineage, TimeNs now) {
    if (lineage.empty()) return;
    {
        const std::shared_lock lock(mutex_);
        const auto found = entries_.find(lineage.front());
        if (found != entries_.end()) {
            found->second.last_used.store(now, std::memory_order_relaxed);
            return;
        }
    }
    if (weight() == 0) return;
    const std::unique_lock lock(mutex_);
    enter(gate, groups, lineage, now);
}

// Requires the lock.
void AutoGroups::enter(Gate& gate, MountGroups& groups, std::span<const GroupId> lineage, TimeNs now) {
    const GroupId id = lineage.front();
    if (entries_.contains(id)) return;
    const auto is_somebodys = [&](GroupId each) {
        const auto found = entries_.find(each);
        return found == entries_.end() || !found->second.ours;
    };
    const bool taken = gate.with([&](DeviceGroup&) {
        return std::ranges::any_of(lineage,
                                   [&](GroupId each) { return groups.find(each) != nullptr && is_somebodys(each); });
    });
    if (taken) {
        if (entries_.size() >= size() + kMostOthers)
            std::erase_if(entries_, [](const auto& it) { return !it.second.ours; });
        entries_[id].last_used = now;
        return;
    }
    if (size() >= most() && !make_room(gate, groups, now)) {
        ++turned_away_;
        return;
    }
    const Error refused = gate.with([&](DeviceGroup&) { return groups.attach(id, weight()); });
    if (refused != Error::none) return;
    Entry& entry = entries_[id];
    entry.last_used = now;
    entry.ours = true;
    ++size_;
}

// Requires the lock.
bool AutoGroups::make_room(Gate& gate, MountGroups& groups, TimeNs now) {
    if (now < full_until_) return false;
    std::vector<std::pair<TimeNs, GroupId>> by_age;
    by_age.reserve(size());
    for (const auto& [id, entry] : entries_) {
        if (entry.ours) by_age.emplace_back(entry.last_used.load(), id);
    }
    std::ranges::sort(by_age);
    const std::size_t wanted = size() - most() + 1 + by_age.size() / kPartThatLeaves;
    std::size_t gone = 0;
    for (const auto& [last_used, id] : by_age) {
        if (gone == wanted) break;
        if (remove(gate, groups, id, now)) ++gone;
    }
    if (size() < most()) return true;
    full_until_ = now + kLookAgainAfter;
    return false;
}

// Requires the lock. False when the group has something to do or to come, or children.
bool AutoGroups::remove(Gate& gate, MountGroups& groups, GroupId id, TimeNs now) {
    if (in_debt_ && in_debt_(id)) return false;
    const bool gone = gate.with([&](DeviceGroup&) {
        const Group* const group = groups.find(id);
        if (group == nullptr) return true;
        if (group->issued() != 0 || group->held() != 0 || group->children() != 0) return false;
        return groups.detach(id, now, {}) == Error::none;
    });
    if (!gone) return false;
    entries_.erase(id);
    --size_;
    return true;
}

std::size_t AutoGroups::expire(Gate& gate, MountGroups& groups, TimeNs now,
                               const std::function<bool(GroupId)>& may_go) {
    std::vector<GroupId> idle;
    {
        const std::shared_lock lock(mutex_);
        for (const auto& [id, entry] : entries_) {
            if (now - entry.last_used.load() >= kIdleFor) idle.push_back(id);
        }
    }
    std::erase_if(idle, [&](GroupId id) { return !may_go(id); });
    std::size_t gone = 0;
    for (const GroupId id : idle) {
        const std::unique_lock lock(mutex_);
        const auto found = entries_.find(id);
        if (found == entries_.end() || now - found->second.last_used.load() < kIdleFor) continue;
        if (!found->second.ours) {
            entries_.erase(found);
        } else if (remove(gate, groups, id, now)) {
            ++gone;
        }
    }
    return gone;
}

bool AutoGroups::adopt(GroupId id) {
    const std::unique_lock lock(mutex_);
    const auto found = entries_.find(id);
    if (found == entries_.end() || !found->second.ours) return false;
    found->second.ours = false;
    --size_;
    return true;
}

void AutoGroups::forget_others() {
    const std::unique_lock lock(mutex_);
    std::erase_if(entries_, [](const auto& it) { return !it.second.ours; });
}

void AutoGroups::clear(Gate& gate, MountGroups& groups, TimeNs now) {
    const std::unique_lock lock(mutex_);
    gate.with([&](DeviceGroup&) {
        for (const auto& [id, entry] : entries_) {
            if (entry.ours) (void)groups.detach(id, now, {});
        }
    });
    entries_.clear();
    size_ = 0;
}

bool AutoGroups::contains(GroupId id) const {
    const std::shared_lock lock(mutex_);
    const auto found = entries_.find(id);
    return found != entries_.end() && found->second.ours;
}

}  // namespace bandfs
