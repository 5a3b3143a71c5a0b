// control/reconfigure.cc - three steps: what there is to do is found out, a device group of the same shape that serves
// nobody shows whether the scheduler would take it, and then it is done under one hold of the gate's lock.
#include "control/reconfigure.h"

#include <algorithm>
#include <memory>
#include <set>
#include <utility>

#include "control/snapshot.h"
#include "sys/clock.h"

namespace bandfs {
namespace {

/// What is to become of one mount.
struct MountSteps {
    std::vector<GroupId> detach;             ///< children before their parents
    std::vector<const WantedGroup*> attach;  ///< parents before their children
    std::vector<const WantedGroup*> keep;    ///< are there, and may have to be changed
    std::vector<GroupSnapshot> uninvolved;   ///< came by message, and stay
    GroupSnapshot default_group;
};

const WantedGroup* find_wanted(const WantedGroups& wanted, GroupId id) {
    const auto found = std::ranges::find(wanted.groups, id, &WantedGroup::id);
    return found == wanted.groups.end() ? nullptr : &*found;
}

std::string group_name(GroupType type, GroupId id) {
    return "group " + describe_group_id(type, id);
}

std::string arrow(std::uint64_t before, std::uint64_t after) {
    return std::to_string(before) + " -> " + std::to_string(after);
}

std::string owner_text(const std::optional<uid_t>& owner) {
    return owner ? "uid " + std::to_string(*owner) : "none";
}

/// What is to become of a group that is there.
void describe_group(MountChange& change, const std::string& name, const GroupSnapshot& now,
                    std::optional<std::uint64_t> weight, std::optional<std::uint64_t> min,
                    std::optional<std::uint64_t> max) {
    const auto add = [&](const char* what, std::uint64_t before, std::optional<std::uint64_t> after) {
        if (after && *after != before) change.changes.push_back(name + ": " + what + arrow(before, *after));
    };
    add("weight ", now.weight, weight);
    add("min ", now.floor, min);
    add("max ", now.ceiling, max);
}

void describe_owner(MountChange& change, const std::string& name, const WantedGroup& wanted) {
    if (change.owners == nullptr) return;
    const auto found = change.owners->find(wanted.id);
    const auto now = found == change.owners->end() ? std::nullopt : std::optional(found->second);
    if (now == wanted.owner) return;
    change.changes.push_back(name + ": owner " + owner_text(now) + " -> " + owner_text(wanted.owner));
}

std::string rules_text_of(const RuleList* rules) {
    return rules != nullptr ? rules_text(*rules) : "";
}

/// What is to become of the ways by which callers get into groups.
void describe_callers(MountChange& change, const MountSnapshot& now) {
    const WantedGroups& after = *change.after;
    if (after.auto_weight && *after.auto_weight != now.auto_weight) {
        change.changes.push_back("auto " + arrow(now.auto_weight, *after.auto_weight));
    }
    if (after.auto_max && *after.auto_max != now.auto_max) {
        change.changes.push_back("auto_max " + arrow(now.auto_max, *after.auto_max));
    }
    if (after.rules && rules_text_of(after.rules.get()) != rules_text_of(now.rules.get())) {
        change.changes.push_back("rules: " + std::to_string(after.rules->rules().size()));
    }
}

void set_callers(MountChange& change) {
    Filesystem& filesystem = *change.filesystem;
    const WantedGroups& after = *change.after;
    AutoGroups& automatic = filesystem.automatic;
    if (after.auto_weight && *after.auto_weight != automatic.weight()) automatic.set_weight(*after.auto_weight);
    if (after.auto_max) automatic.set_most(*after.auto_max);
    if (after.rules && rules_text_of(after.rules.get()) != rules_text_of(filesystem.rules.get().get())) {
        filesystem.rules.set(after.rules);
    }
    for (const WantedGroup& group : after.groups) automatic.adopt(group.id);
    automatic.forget_others();
}

/// The reason why it cannot be; empty when `ret` is complete.
std::string find_steps(MountChange& change, MountSteps& ret) {
    const MountSnapshot now = take_snapshot(*change.filesystem);
    const bool retyped = change.before->type != change.after->type && now.type != change.after->type;
    const GroupType type = change.after->type;
    ret.default_group = now.groups.front();
    if (retyped) {
        change.changes.push_back("type " + std::string(name_of(now.type)) + " -> " + std::string(name_of(type)));
    }
    describe_group(change, "the default group", now.groups.front(), change.after->weight, change.after->min,
                   change.after->max);
    describe_callers(change, now);
    std::set<GroupId> there;
    std::set<GroupId> moved;  // detached, and perhaps attached again elsewhere
    for (const GroupSnapshot& group : now.groups) {
        if (group.is_default) continue;
        const WantedGroup* const wanted = find_wanted(*change.after, group.id);
        const bool configured = wanted != nullptr || find_wanted(*change.before, group.id) != nullptr;
        const bool parent_goes = group.parent && moved.contains(*group.parent);
        if (!configured && retyped && group.is_auto) continue;  // goes with the type
        if (!configured && retyped) return group_name(now.type, group.id) + " is attached, so the type cannot change";
        if (!configured && parent_goes)
            return group_name(now.type, *group.parent) + " has children that are not configured";
        if (!configured) {
            ret.uninvolved.push_back(group);
        } else if (retyped || wanted == nullptr || parent_goes || wanted->parent != group.parent) {
            moved.insert(group.id);
            ret.detach.insert(ret.detach.begin(), group.id);
            change.changes.push_back(group_name(now.type, group.id) + ": detached");
        } else {
            there.insert(group.id);
            describe_group(change, group_name(type, group.id), group, wanted->weight, wanted->min, wanted->max);
        }
    }
    for (const WantedGroup& wanted : change.after->groups) {
        const bool known = there.contains(wanted.id);
        (known ? ret.keep : ret.attach).push_back(&wanted);
        const std::string name = group_name(type, wanted.id);
        if (!known) change.changes.push_back(name + ": attached, weight " + std::to_string(wanted.weight));
        describe_owner(change, name, wanted);
    }
    return {};
}

Error set_limits(DeviceGroup& device_group, Group& group, std::uint64_t min, std::uint64_t max) {
    if (group.floor() == min && group.ceiling() == max) return Error::none;
    // A floor never above the ceiling, on the way neither.
    if (group.ceiling() != 0 && group.ceiling() < min) {
        if (const Error refused = device_group.set_ceiling(group, max); refused != Error::none) return refused;
    }
    if (group.floor() > max && max != 0) {
        if (const Error refused = device_group.set_floor(group, min); refused != Error::none) return refused;
    }
    if (group.floor() != min) {
        if (const Error refused = device_group.set_floor(group, min); refused != Error::none) return refused;
    }
    return group.ceiling() == max ? Error::none : device_group.set_ceiling(group, max);
}

/// Attaches to a mount that serves nobody; the reason when the scheduler does not take it.
std::string rehearse(DeviceGroup& device_group, MountGroups& groups, const std::string& name,
                     const WantedGroup& wanted) {
    Group* const parent = wanted.parent ? groups.find(*wanted.parent) : nullptr;
    if (wanted.parent && parent == nullptr) return name + ": its parent is not attached";
    if (groups.attach(wanted.id, wanted.weight, parent) != Error::none) {
        return name + ": the policy " + std::string(device_group.policy_name()) + " has no parents";
    }
    if (set_limits(device_group, *groups.find(wanted.id), wanted.min, wanted.max) == Error::none) return {};
    if (wanted.max != 0 && wanted.min > wanted.max) return name + ": its min is more than its max";
    return name + ": the policy " + std::string(device_group.policy_name()) + " has no min and max";
}

std::string rehearse_default(DeviceGroup& device_group, MountGroups& groups, std::uint64_t min, std::uint64_t max) {
    if (set_limits(device_group, groups.default_group(), min, max) == Error::none) return {};
    return max != 0 && min > max
               ? "the default group: its min is more than its max"
               : "the default group: the policy " + std::string(device_group.policy_name()) + " has no min and max";
}

/// A device group as it is to be, which serves nobody.
struct Rehearsal {
    std::unique_ptr<DeviceGroup> device_group;
    std::vector<std::unique_ptr<MountGroups>> mounts;  ///< go before it does
};

std::string begin(Rehearsal& rehearsal, const DeviceGroupSettings& settings, const std::string& policy,
                  const std::string& cost) {
    rehearsal.device_group = DeviceGroup::create(settings, policy);
    if (rehearsal.device_group == nullptr) return "there is no such device group: policy " + policy;
    if (cost.empty() || rehearsal.device_group->set_policy_parameter("cost", cost) == Error::none) return {};
    return "the policy " + policy + " has no cost " + cost;
}

std::string add_mount(Rehearsal& rehearsal, const MountChange& change, const MountSteps& steps) {
    DeviceGroup& device_group = *rehearsal.device_group;
    rehearsal.mounts.push_back(std::make_unique<MountGroups>(device_group, kDefaultWeight));
    MountGroups& groups = *rehearsal.mounts.back();
    const GroupType type = change.after->type;
    std::string reason = rehearse_default(device_group, groups, change.after->min.value_or(steps.default_group.floor),
                                          change.after->max.value_or(steps.default_group.ceiling));
    const auto add = [&](const WantedGroup& wanted) {
        if (reason.empty()) reason = rehearse(device_group, groups, group_name(type, wanted.id), wanted);
    };
    // In an order in which every parent comes before its children, whether they came by message or not.
    std::vector<WantedGroup> uninvolved;
    for (const GroupSnapshot& group : steps.uninvolved) {
        uninvolved.push_back({group.id, group.parent, group.weight, group.floor, group.ceiling, std::nullopt});
    }
    std::erase_if(uninvolved, [&](const WantedGroup& group) {
        const bool first = !group.parent;
        if (first) add(group);
        return first;
    });
    for (const WantedGroup& wanted : change.after->groups) add(wanted);
    for (const WantedGroup& group : uninvolved) add(group);
    return reason;
}

/// Of the whole device group, as long as the lock is held.
struct Promises {
    double floors = 0;
    double bytes_per_second = 0;
};

Promises promises_of(const DeviceGroup& device_group) {
    Promises promises;
    device_group.policy_figures([&](std::string_view name, double value) {
        if (name == "floors") promises.floors = value;
        if (name == "bytes_per_second") promises.bytes_per_second = value;
    });
    return promises;
}

bool retypes(const MountChange& change) {
    return change.before->type != change.after->type && change.filesystem->type.load() != change.after->type;
}

/// Counts what is changed, and notes whether the scheduler refused any of it, which the rehearsal was to exclude.
class Applying {
public:
    Applying(DeviceGroup& device_group, TimeNs now) : device_group_(device_group), now_(now) {}

    void scheduler(const WantedScheduler& wanted, bool policy_changes) {
        if (policy_changes) note(device_group_.set_policy(*wanted.policy, now_));
        if (wanted.cost && device_group_.policy_parameter("cost") != *wanted.cost) {
            note(device_group_.set_policy_parameter("cost", *wanted.cost));
        }
        if (wanted.token && device_group_.token_base() != *wanted.token)
            note(device_group_.set_token_base(*wanted.token));
        if (wanted.held_max_mib) note(device_group_.set_held_bytes_limit(*wanted.held_max_mib * kMiB));
        const std::uint32_t io_throttle = wanted.io_throttle.value_or(device_group_.io_throttle());
        marks(io_throttle, std::max(wanted.io_limit.value_or(device_group_.io_limit()), io_throttle));
    }

    /// What has to go before the policy changes.
    void clear(MountChange& change, const MountSteps& steps) {
        MountGroups& groups = *change.filesystem->groups;
        for (const GroupId id : steps.detach) {
            note(groups.detach(id, now_, {}));
        }
        for (const WantedGroup* wanted : steps.keep) lower_limits(groups.find(wanted->id), wanted->min, wanted->max);
        Group& others = groups.default_group();
        lower_limits(&others, change.after->min.value_or(others.floor()), change.after->max.value_or(others.ceiling()));
    }

    void mount(MountChange& change, const MountSteps& steps) {
        Filesystem& filesystem = *change.filesystem;
        MountGroups& groups = *filesystem.groups;
        if (retypes(change)) filesystem.type.store(change.after->type);
        set(groups.default_group(), change.after->weight, change.after->min, change.after->max);
        for (const WantedGroup* wanted : steps.attach) {
            Group* const parent = wanted->parent ? groups.find(*wanted->parent) : nullptr;
            note(groups.attach(wanted->id, wanted->weight, parent));
        }
        for (const WantedGroup& wanted : change.after->groups) {
            if (Group* const group = groups.find(wanted.id)) set(*group, wanted.weight, wanted.min, wanted.max);
        }
    }

    bool refused() const { return refused_; }

private:
    void note(Error error) { refused_ = refused_ || error != Error::none; }

    /// The two marks, in an order in which each step is allowed.
    void marks(std::uint32_t throttle, std::uint32_t limit) {
        if (device_group_.io_throttle() == throttle && device_group_.io_limit() == limit) return;
        if (limit > device_group_.io_throttle()) {
            if (limit != device_group_.io_limit()) note(device_group_.set_io_limit(limit));
            if (throttle != device_group_.io_throttle()) note(device_group_.set_io_throttle(throttle));
            return;
        }
        note(device_group_.set_io_throttle(1));
        if (limit != device_group_.io_limit()) note(device_group_.set_io_limit(limit));
        note(device_group_.set_io_throttle(throttle));
    }

    void lower_limits(Group* group, std::uint64_t min, std::uint64_t max) {
        if (group == nullptr) return;
        if (min == 0 && group->floor() != 0) note(device_group_.set_floor(*group, 0));
        if (max == 0 && group->ceiling() != 0) note(device_group_.set_ceiling(*group, 0));
        if (min < group->floor()) note(device_group_.set_floor(*group, min));
    }

    void set(Group& group, std::optional<std::uint64_t> weight, std::optional<std::uint64_t> min,
             std::optional<std::uint64_t> max) {
        if (weight && *weight != group.weight()) {
            note(device_group_.set_weight(group, *weight));
        }
        const std::uint64_t floor = min.value_or(group.floor());
        const std::uint64_t ceiling = max.value_or(group.ceiling());
        if (floor == group.floor() && ceiling == group.ceiling()) return;
        note(set_limits(device_group_, group, floor, ceiling));
    }

    DeviceGroup& device_group_;
    const TimeNs now_;
    bool refused_ = false;
};

void set_owners(MountChange& change) {
    if (change.owners == nullptr) return;
    for (const WantedGroup& group : change.before->groups) {
        if (find_wanted(*change.after, group.id) == nullptr) change.owners->erase(group.id);
    }
    for (const WantedGroup& group : change.after->groups) {
        const auto found = change.owners->find(group.id);
        const auto now = found == change.owners->end() ? std::nullopt : std::optional(found->second);
        if (now == group.owner) continue;
        if (group.owner) (*change.owners)[group.id] = *group.owner;
        if (!group.owner) change.owners->erase(found);
    }
}

/// The device group as it is.
struct InForce {
    DeviceGroupSettings settings;
    std::string_view policy, cost;
};

std::vector<std::string> describe_scheduler(const InForce& now, const DeviceGroupSettings& settings,
                                            std::string_view policy, const std::optional<std::string>& cost) {
    std::vector<std::string> changes;
    const auto add = [&](const char* what, std::uint64_t before, std::uint64_t after) {
        if (before != after) changes.push_back(what + arrow(before, after));
    };
    if (policy != now.policy) changes.push_back("policy " + std::string(now.policy) + " -> " + std::string(policy));
    if (cost && *cost != now.cost) changes.push_back("cost " + std::string(now.cost) + " -> " + *cost);
    add("io_throttle ", now.settings.io_throttle, settings.io_throttle);
    add("io_limit ", now.settings.io_limit, settings.io_limit);
    add("token ", now.settings.token_base, settings.token_base);
    add("held_max ", now.settings.held_bytes_limit / kMiB, settings.held_bytes_limit / kMiB);
    return changes;
}

std::string why_not_scheduler(const WantedScheduler& scheduler, const DeviceGroupSettings& settings,
                              const DeviceGroupSettings& now) {
    const bool marks = settings.io_limit != now.io_limit || settings.io_throttle != now.io_throttle;
    // A running device group's high mark stands above its low mark when it is set.
    if (marks && scheduler.io_limit && settings.io_limit != now.io_limit && settings.io_limit < 2) {
        return "io_limit of a running device group cannot become less than 2";
    }
    return {};
}

}  // namespace

DeviceGroupSettings WantedScheduler::over(DeviceGroupSettings settings) const {
    settings.io_throttle = io_throttle.value_or(settings.io_throttle);
    settings.io_limit = std::max(io_limit.value_or(settings.io_limit), settings.io_throttle);
    settings.token_base = token.value_or(settings.token_base);
    if (held_max_mib) settings.held_bytes_limit = *held_max_mib * kMiB;
    return settings;
}

std::string reconfigure(Gate& gate, const WantedScheduler& scheduler, std::span<MountChange> mounts, bool apply,
                        std::vector<std::string>& ret_changes) {
    const InForce now = gate.with([](DeviceGroup& device_group) {
        return InForce{{device_group.io_throttle(), device_group.io_limit(), device_group.token_base(),
                        device_group.held_bytes_limit()},
                       device_group.policy_name(),
                       device_group.policy_parameter("cost")};
    });
    const DeviceGroupSettings settings = scheduler.over(now.settings);
    if (std::string reason = why_not_scheduler(scheduler, settings, now.settings); !reason.empty()) return reason;

    Rehearsal rehearsal;
    if (std::string reason =
            begin(rehearsal, settings, scheduler.policy.value_or(std::string(now.policy)), scheduler.cost.value_or(""));
        !reason.empty()) {
        return reason;
    }
    ret_changes = describe_scheduler(now, settings, rehearsal.device_group->policy_name(), scheduler.cost);
    const bool policy_changes = scheduler.policy && rehearsal.device_group->policy_name() != now.policy;
    std::vector<MountSteps> steps(mounts.size());
    for (std::size_t i = 0; i < mounts.size(); ++i) {
        std::string reason = find_steps(mounts[i], steps[i]);
        if (reason.empty()) reason = add_mount(rehearsal, mounts[i], steps[i]);
        if (!reason.empty()) return mounts[i].name + ": " + reason;
    }

    if (apply) {
        for (MountChange& change : mounts) {
            Filesystem& filesystem = *change.filesystem;
            if (retypes(change)) filesystem.automatic.clear(gate, *filesystem.groups, now_ns());
        }
    }
    bool too_much = false;
    bool refused = false;
    const TimeNs time = now_ns();
    gate.with([&](DeviceGroup& device_group) {
        const Promises promises = promises_of(device_group);
        const double floors = promises_of(*rehearsal.device_group).floors;
        too_much = !policy_changes && floors > promises.floors && promises.bytes_per_second > 0 &&
                   floors > promises.bytes_per_second;
        if (too_much || !apply) return;
        Applying applying(device_group, time);
        for (std::size_t i = 0; i < mounts.size(); ++i) applying.clear(mounts[i], steps[i]);
        applying.scheduler(scheduler, policy_changes);
        for (std::size_t i = 0; i < mounts.size(); ++i) applying.mount(mounts[i], steps[i]);
        refused = applying.refused();
    });
    if (too_much) return "the groups' mins add up to more than the disk gives";
    if (!apply) return {};
    for (MountChange& change : mounts) {
        set_owners(change);
        set_callers(change);
    }
    return refused ? "the scheduler refused a part of it" : "";
}

std::string why_impossible(const WantedScheduler& scheduler, const WantedGroups& groups) {
    Rehearsal rehearsal;
    std::string reason =
        begin(rehearsal, scheduler.over({}), scheduler.policy.value_or("default"), scheduler.cost.value_or(""));
    if (!reason.empty()) return reason;
    MountChange change;
    change.after = &groups;
    return add_mount(rehearsal, change, {});
}

}  // namespace bandfs
