// control/messages.cc - what each message does. Every change happens under the gate's lock, all or nothing.
#include "control/messages.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "sys/clock.h"

namespace bandfs {
namespace {

constexpr std::uint64_t kDebugLevels = 2;
constexpr std::uint64_t kMostDirtyMib = 65536;  // as the option takes

/// Cut where the reason that follows would not be seen in a line of the log.
std::string cut_in_quotes(std::string_view text) {
    constexpr std::size_t kShown = 160;
    return "\"" + std::string(text.substr(0, kShown)) + (text.size() > kShown ? "...\"" : "\"");
}

std::string group_text(const std::optional<GroupId>& id) {
    return id ? "group " + std::to_string(*id) : "the default group";
}

template <typename Names>
std::string one_of(const Names& names) {
    std::string text;
    for (const std::string_view name : names) text += (text.empty() ? "must be one of " : ", ") + std::string(name);
    return text;
}

std::string changed(std::string_view before, std::string_view after) {
    return std::string(before) + " -> " + std::string(after);
}

std::string changed(std::uint64_t before, std::uint64_t after) {
    return changed(std::to_string(before), std::to_string(after));
}

MessageResult refused(int code, std::string reason) {
    return {code, std::move(reason)};
}

/// What a change found, copied under the lock and put into words outside it.
struct Change {
    Error error = Error::none;
    std::uint64_t before = 0;
    std::uint64_t bound = 0;  ///< the other mark, which bounds this one
    bool group_found = true;
    bool id_valid = true;
};

Group* find_group(Filesystem& filesystem, const std::optional<GroupId>& id) {
    return id ? filesystem.groups->find(*id) : &filesystem.groups->default_group();
}

MessageResult no_such_group(const Argument& argument) {
    return refused(EINVAL, group_text(argument.group) + " is not attached");
}

// ---- the device group

MessageResult set_policy(MessageContext& context, const Argument& argument) {
    const TimeNs now = now_ns();
    std::string_view before;
    const Error error = context.filesystem.gate->with([&](DeviceGroup& device_group) {
        before = device_group.policy_name();
        return device_group.set_policy(argument.word, now);
    });
    if (error == Error::busy)
        return refused(EBUSY, "groups have a parent, a min or a max, which that policy does not know");
    if (error != Error::none) return refused(EINVAL, one_of(DeviceGroup::policy_names()));
    return {0, changed(before, argument.word)};
}

MessageResult set_cost(MessageContext& context, const Argument& argument) {
    const Error error = context.filesystem.gate->with(
        [&](DeviceGroup& device_group) { return device_group.set_policy_parameter("cost", argument.word); });
    if (error != Error::none) return refused(EINVAL, "must be bytes or time, under the policy fair");
    return {0, std::string(argument.word)};
}

MessageResult set_io_throttle(MessageContext& context, const Argument& argument) {
    const Change change = context.filesystem.gate->with([&](DeviceGroup& device_group) {
        const std::uint64_t before = device_group.io_throttle();
        if (argument.number == before) return Change{.before = before};
        return Change{device_group.set_io_throttle(argument.number), before, device_group.io_limit()};
    });
    if (change.error == Error::none) return {0, changed(change.before, argument.number)};
    return refused(EINVAL, "must be 1 to io_limit, " + std::to_string(change.bound));
}

MessageResult set_io_limit(MessageContext& context, const Argument& argument) {
    const Change change = context.filesystem.gate->with([&](DeviceGroup& device_group) {
        const std::uint64_t before = device_group.io_limit();
        if (argument.number == before) return Change{.before = before};
        return Change{device_group.set_io_limit(argument.number), before, device_group.io_throttle()};
    });
    if (change.error == Error::none) return {0, changed(change.before, argument.number)};
    return refused(EINVAL, "must be more than io_throttle, " + std::to_string(change.bound) + ", and at most " +
                               std::to_string(kMaxInFlight));
}

MessageResult set_token_base(MessageContext& context, const Argument& argument) {
    const Change change = context.filesystem.gate->with([&](DeviceGroup& device_group) {
        const std::uint64_t before = device_group.token_base();
        // The seed takes an id here and sets the base of all groups; the id must exist all the same.
        if (!find_group(context.filesystem, argument.group)) return Change{.group_found = false};
        return Change{device_group.set_token_base(argument.number), before};
    });
    if (!change.group_found) return no_such_group(argument);
    if (change.error == Error::none) return {0, changed(change.before, argument.number)};
    return refused(EINVAL, "must be 1 to 1000000");
}

MessageResult set_held_max(MessageContext& context, const Argument& argument) {
    constexpr std::uint64_t kMost = kMaxHeldBytes / kMiB;
    const Change change = context.filesystem.gate->with([&](DeviceGroup& device_group) {
        const std::uint64_t before = device_group.held_bytes_limit() / kMiB;
        if (argument.number > kMost) return Change{Error::invalid, before};
        return Change{device_group.set_held_bytes_limit(argument.number * kMiB), before};
    });
    if (change.error == Error::none) return {0, changed(change.before, argument.number)};
    return refused(EINVAL, "must be 1 to " + std::to_string(kMost) + ", in MiB");
}

MessageResult reset_statistics(MessageContext& context, const Argument&) {
    context.filesystem.gate->with([](DeviceGroup& device_group) { device_group.reset_statistics(); });
    return {0, "statistics are 0"};
}

// ---- the groups of the mount

MessageResult set_type(MessageContext& context, const Argument& argument) {
    const Parsed<GroupType> type = parse_group_type(argument.word);
    if (!type) return refused(type.code(), type.reason());
    Filesystem& filesystem = context.filesystem;
    const GroupType before = filesystem.type.load();
    AutoGroups& automatic = filesystem.automatic;
    const std::size_t attached = filesystem.gate->with([&](DeviceGroup&) { return filesystem.groups->attached(); });
    if (before != *type && attached <= automatic.size())
        automatic.clear(*filesystem.gate, *filesystem.groups, now_ns());
    const Error error = filesystem.gate->with([&](DeviceGroup&) {
        if (before != *type && filesystem.groups->attached() != 0) return Error::busy;
        filesystem.type.store(*type);
        return Error::none;
    });
    if (error == Error::busy) return refused(EBUSY, "groups are attached");
    return {0, changed(name_of(before), argument.word)};
}

/// A group that came into being by itself and that somebody has set up stays.
void make_permanent(Filesystem& filesystem, const Argument& argument) {
    if (argument.group) filesystem.automatic.adopt(*argument.group);
}

MessageResult attach(MessageContext& context, const Argument& argument) {
    MountGroups& groups = *context.filesystem.groups;
    if (!argument.parent && context.filesystem.automatic.adopt(*argument.group)) {
        return {0, group_text(argument.group) + ", which was there by itself"};
    }
    const Change change = context.filesystem.gate->with([&](DeviceGroup&) {
        Group* const parent = argument.parent ? groups.find(*argument.parent) : nullptr;
        if (argument.parent && !parent) return Change{.group_found = false};
        return Change{groups.attach(*argument.group, kDefaultWeight, parent)};
    });
    if (!change.group_found) return refused(EINVAL, group_text(argument.parent) + " is not attached");
    if (change.error == Error::exists) return refused(EEXIST, group_text(argument.group) + " is attached already");
    if (change.error != Error::none) return refused(EINVAL, "the policy in force has no parents");
    if (context.filesystem.type.load() == GroupType::rules) keep_rule_group(argument.word);
    context.filesystem.automatic.forget_others();
    return {0, group_text(argument.group) + (argument.parent ? ", child of " + group_text(argument.parent) : "")};
}

MessageResult detach(MessageContext& context, const Argument& argument) {
    const TimeNs now = now_ns();
    const Error error = context.filesystem.gate->with(
        [&](DeviceGroup&) { return context.filesystem.groups->detach(*argument.group, now, [] {}); });
    if (error == Error::busy) return refused(EBUSY, group_text(argument.group) + " has children");
    if (error != Error::none) return no_such_group(argument);
    context.owners.erase(*argument.group);
    make_permanent(context.filesystem, argument);
    context.filesystem.automatic.forget_others();
    return {0, group_text(argument.group)};
}

/// What Change::before is of a group that a weight has attached.
constexpr std::uint64_t kNewGroup = 0;

MessageResult set_weight(MessageContext& context, const Argument& argument) {
    Filesystem& filesystem = context.filesystem;
    const bool may_attach = filesystem.automatic.weight() != 0 && argument.group;
    const GroupType type = filesystem.type.load();
    const Parsed<std::uint64_t> valid = may_attach ? parse_group_id(type, argument.word) : std::uint64_t{0};
    const Change change = filesystem.gate->with([&](DeviceGroup& device_group) {
        Group* const group = find_group(filesystem, argument.group);
        if (!group && !valid) return Change{.id_valid = false};
        if (!group && may_attach) return Change{filesystem.groups->attach(*argument.group, argument.number), kNewGroup};
        if (!group) return Change{.group_found = false};
        const std::uint64_t before = group->weight();
        return Change{device_group.set_weight(*group, argument.number), before};
    });
    if (!change.group_found) return no_such_group(argument);
    if (!change.id_valid) return refused(EINVAL, valid.reason());
    if (change.error != Error::none) return refused(EINVAL, "must be 1 to 1000000");
    make_permanent(filesystem, argument);
    if (change.before != kNewGroup)
        return {0, group_text(argument.group) + ": " + changed(change.before, argument.number)};
    if (type == GroupType::rules) keep_rule_group(argument.word);
    filesystem.automatic.forget_others();
    return {0, group_text(argument.group) + ", attached: " + std::to_string(argument.number)};
}

MessageResult set_owner(MessageContext& context, const Argument& argument) {
    if (!argument.group && argument.user) return refused(EINVAL, "the default group has no owner");
    Filesystem& filesystem = context.filesystem;
    const bool attached =
        filesystem.gate->with([&](DeviceGroup&) { return find_group(filesystem, argument.group) != nullptr; });
    if (!attached) return no_such_group(argument);
    if (!argument.user) {
        if (argument.group) context.owners.erase(*argument.group);
        return {0, group_text(argument.group) + ": none"};
    }
    context.owners[*argument.group] = *argument.user;
    make_permanent(filesystem, argument);
    return {0, group_text(argument.group) + ": uid " + std::to_string(*argument.user)};
}

MessageResult set_dirty(MessageContext& context, const Argument& argument) {
    if (argument.number < 1 || argument.number > kMostDirtyMib)
        return refused(EINVAL, "must be 1 to " + std::to_string(kMostDirtyMib) + ", in MiB");
    DataPlane& data = *context.filesystem.data;
    const std::uint64_t before = data.dirty_bound() / kMiB;
    data.set_dirty_bound(argument.number * kMiB);
    return {0, changed(before, argument.number)};
}

/// A floor or a ceiling, which differ in what they are called here and there.
struct Limit {
    std::uint64_t (Group::*get)() const;
    Error (DeviceGroup::*set)(Group& group, std::uint64_t bytes_per_second);
};

/// What stood in the way of a limit, found out under the lock.
struct LimitChange {
    Error error = Error::none;
    bool group_found = true;
    bool policy_has_limits = true;
    std::uint64_t before = 0;
    std::uint64_t ceiling = 0;
    std::uint64_t other_floors = 0;  ///< of this mount's other groups, added up
};

LimitChange change_limit(MountGroups& groups, DeviceGroup& device_group, Group& group, const Limit& limit,
                         std::uint64_t bytes_per_second) {
    LimitChange change{.before = (group.*limit.get)(), .ceiling = group.ceiling()};
    if (change.before == bytes_per_second) return change;
    change.error = (device_group.*limit.set)(group, bytes_per_second);
    if (change.error == Error::none) return change;
    change.policy_has_limits = (device_group.*limit.set)(group, change.before) == Error::none;
    const auto is_part = [](const Group& each) {  // of what is guaranteed to a group above it
        const Group* above = each.parent();
        while (above != nullptr && above->floor() == 0) above = above->parent();
        return above != nullptr;
    };
    groups.for_each([&](const Group& each) {
        if (&each != &group && !is_part(each)) change.other_floors += each.floor();
    });
    return change;
}

std::string why_no_limit(const LimitChange& change, const Limit& limit, std::uint64_t wanted) {
    if (!change.policy_has_limits) return "the policy in force has no min and max";
    if (limit.get == &Group::ceiling) return "must not be less than the group's min";
    if (change.ceiling != 0 && wanted > change.ceiling) {
        return "must not be more than the group's max, " + std::to_string(change.ceiling);
    }
    return "with it the groups' mins add up to " + std::to_string(change.other_floors + wanted) +
           " bytes per second, more than the disk gives";
}

MessageResult set_limit(MessageContext& context, const Argument& argument, const Limit& limit) {
    Filesystem& filesystem = context.filesystem;
    const LimitChange change = filesystem.gate->with([&](DeviceGroup& device_group) {
        Group* const group = find_group(filesystem, argument.group);
        if (!group) return LimitChange{.group_found = false};
        return change_limit(*filesystem.groups, device_group, *group, limit, argument.number);
    });
    if (!change.group_found) return no_such_group(argument);
    if (change.error != Error::none) return refused(EINVAL, why_no_limit(change, limit, argument.number));
    make_permanent(filesystem, argument);
    return {0, group_text(argument.group) + ": " + changed(change.before, argument.number)};
}

MessageResult set_min(MessageContext& context, const Argument& argument) {
    return set_limit(context, argument, {&Group::floor, &DeviceGroup::set_floor});
}

MessageResult set_max(MessageContext& context, const Argument& argument) {
    return set_limit(context, argument, {&Group::ceiling, &DeviceGroup::set_ceiling});
}

// ---- who is in which group

MessageResult set_auto(MessageContext& context, const Argument& argument) {
    if (argument.number > kMaxWeight) return refused(EINVAL, "must be 0 to 1000000");
    AutoGroups& automatic = context.filesystem.automatic;
    const std::uint64_t before = automatic.weight();
    automatic.set_weight(static_cast<std::uint32_t>(argument.number));
    return {0, changed(before, argument.number)};
}

MessageResult set_auto_max(MessageContext& context, const Argument& argument) {
    if (argument.number == 0 || argument.number > AutoGroups::kMost) return refused(EINVAL, "must be 1 to 100000");
    AutoGroups& automatic = context.filesystem.automatic;
    const std::uint64_t before = automatic.most();
    automatic.set_most(static_cast<std::uint32_t>(argument.number));
    return {0, changed(before, argument.number)};
}

MessageResult set_rules(MessageContext& context, const Argument& argument) {
    const auto rules = parse_rules(argument.word);
    if (!rules) return refused(rules.code(), rules.reason());
    context.filesystem.rules.set(*rules);
    return {0, std::to_string((*rules)->rules().size()) + " rules"};
}

// ---- the daemon

MessageResult set_debug(MessageContext& context, const Argument& argument) {
    if (argument.number > kDebugLevels) return refused(EINVAL, "must be 0 to " + std::to_string(kDebugLevels));
    const auto level = static_cast<unsigned>(argument.number);
    const unsigned before = std::exchange(context.debug_level, level);
    if (context.hooks.set_debug) context.hooks.set_debug(level);
    return {0, changed(std::uint64_t{before}, std::uint64_t{level})};
}

constexpr std::array kMessages{
    ControlMessage{"policy", ArgumentForm::word, "NAME", "Choose the policy that decides which unit is issued next.",
                   Sender::mount_owner, set_policy},
    ControlMessage{"cost", ArgumentForm::word, "bytes|time",
                   "Choose what the policy fair shares out: bytes, or the disk's time.", Sender::mount_owner, set_cost},
    ControlMessage{"type", ArgumentForm::word, "NAME",
                   "Choose which property of a caller is its group id; only while no group is attached.",
                   Sender::mount_owner, set_type},
    ControlMessage{"io_throttle", ArgumentForm::number, "N",
                   "Set the low mark of units in flight: once plugged, the device group issues again at this many.",
                   Sender::mount_owner, set_io_throttle},
    ControlMessage{"io_limit", ArgumentForm::number, "N",
                   "Set the high mark of units in flight: the device group is plugged at this many.",
                   Sender::mount_owner, set_io_limit},
    ControlMessage{
        "attach", ArgumentForm::new_id, "ID [parent=ID]",
        "Make a group of weight 100 for the callers with this id; with a parent it has part of what that gets.",
        Sender::mount_owner, attach},
    ControlMessage{"detach", ArgumentForm::id, "ID",
                   "Remove the group of this id; what it has held passes, its callers join the default group.",
                   Sender::mount_owner, detach},
    ControlMessage{"weight", ArgumentForm::value, "[ID:]N", "Set a group's weight, 1 to 1000000.",
                   Sender::parents_owner, set_weight},
    ControlMessage{"owner", ArgumentForm::user, "ID:USER",
                   "Let a user set the weights of a group's children; none: nobody but root and the mount's owner.",
                   Sender::mount_owner, set_owner},
    ControlMessage{"min", ArgumentForm::rate, "[ID:]BYTES",
                   "Guarantee a group bytes per second, with K, M, G or T if wanted, under the policy fair; 0: none.",
                   Sender::mount_owner, set_min},
    ControlMessage{"max", ArgumentForm::rate, "[ID:]BYTES",
                   "Hold a group to bytes per second, with K, M, G or T if wanted, under the policy fair; 0: no bound.",
                   Sender::mount_owner, set_max},
    ControlMessage{"auto", ArgumentForm::number, "N",
                   "Let groups of this weight come into being with the first request of a caller; 0: none do.",
                   Sender::mount_owner, set_auto},
    ControlMessage{"auto_max", ArgumentForm::number, "N",
                   "Set how many groups may have come into being by themselves, 1 to 100000.", Sender::mount_owner,
                   set_auto_max},
    ControlMessage{"rules", ArgumentForm::text, "RULE;...",
                   "Set the rules of the type rules, all at once; the first that applies to a caller gives its group.",
                   Sender::mount_owner, set_rules},
    ControlMessage{"token", ArgumentForm::value, "[ID:]N",
                   "Set the tokens that the groups of the device group share in one epoch, 1 to 1000000.",
                   Sender::mount_owner, set_token_base},
    ControlMessage{"held_max", ArgumentForm::number, "MIB",
                   "Set what each group of the device group may have in held requests, in MiB, 1 to 65536.",
                   Sender::mount_owner, set_held_max},
    ControlMessage{"dirty", ArgumentForm::number, "MIB",
                   "Set what each group may have written and not yet on the disk, in MiB, 1 to 65536.",
                   Sender::mount_owner, set_dirty},
    ControlMessage{"reset", ArgumentForm::nothing, "", "Set the statistics of the device group and its groups to 0.",
                   Sender::mount_owner, reset_statistics},
    ControlMessage{"debug", ArgumentForm::number, "N",
                   "Set what is logged: 0 as configured, 1 debug messages, 2 every request.", Sender::mount_owner,
                   set_debug},
};

}  // namespace

std::span<const ControlMessage> messages() {
    return kMessages;
}

const ControlMessage* find_message(std::string_view name) {
    const auto found = std::ranges::find(kMessages, name, &ControlMessage::name);
    return found == kMessages.end() ? nullptr : &*found;
}

MessageResult send_message(MessageContext& context, std::string_view name, std::string_view argument) {
    const ControlMessage* const message = find_message(name);
    if (!message) return refused(EINVAL, cut_in_quotes(name) + " is not a message");
    const ParsedArgument parsed = parse_argument(message->form, context.filesystem.type.load(), argument);
    MessageResult result = parsed.ok() ? message->apply(context, parsed.argument) : refused(EINVAL, parsed.reason);
    if (!result.ok()) result.detail = std::string(name) + " " + cut_in_quotes(trimmed(argument)) + ": " + result.detail;
    return result;
}

}  // namespace bandfs
