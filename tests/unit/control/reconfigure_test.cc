// A running mount brought to what a configuration says: what changes, what stays, and that a refusal changes nothing.
#include "control/reconfigure.h"

#include "mount_fixture.h"

namespace bandfs {
namespace {

class Reconfigure : public MountFixture {
protected:
    Reconfigure() { EXPECT_EQ(send("policy", "fair"), 0); }

    std::string run(const WantedGroups& before, const WantedGroups& after, const WantedScheduler& scheduler = {},
                    bool apply = true) {
        MountChange change{.name = "/mnt/data",
                           .filesystem = &filesystem,
                           .owners = &tree->owners(),
                           .before = &before,
                           .after = &after};
        of_device.clear();
        const std::string reason = reconfigure(*filesystem.gate, scheduler, {&change, 1}, apply, of_device);
        changes = std::move(change.changes);
        return reason;
    }

    /// The groups as they are: "7:100 8<7:30/1000-2000".
    std::string groups() {
        std::string text;
        for (const GroupSnapshot& group : take_snapshot(filesystem).groups) {
            if (group.is_default) continue;
            text += (text.empty() ? "" : " ") + std::to_string(group.id);
            if (group.parent) text += "<" + std::to_string(*group.parent);
            text += ":" + std::to_string(group.weight);
            if (group.floor || group.ceiling)
                text += "/" + std::to_string(group.floor) + "-" + std::to_string(group.ceiling);
        }
        return text;
    }

    std::vector<std::string> changes;
    std::vector<std::string> of_device;
};

WantedGroups wanted(std::vector<WantedGroup> groups) {
    return {.type = GroupType::pid, .groups = std::move(groups)};
}

TEST_F(Reconfigure, GroupsComeChangeAndGo) {
    const WantedGroups first = wanted({{.id = 7, .weight = 50}, {.id = 8, .parent = 7, .min = 1000, .max = 2000}});
    ASSERT_EQ(run(wanted({}), first), "");
    EXPECT_EQ(groups(), "7:50 8<7:100/1000-2000");
    ASSERT_EQ(send("attach", "9"), 0);

    WantedGroups second = wanted({{.id = 7, .weight = 60, .owner = 1000}, {.id = 10, .weight = 5}});
    second.weight = 40;
    ASSERT_EQ(run(first, second), "");
    EXPECT_EQ(groups(), "7:60 9:100 10:5") << "9 came by message and stays";
    EXPECT_EQ(filesystem.groups->default_group().weight(), 40u);
    EXPECT_EQ(tree->owners(), (GroupOwners{{7, 1000}}));
    EXPECT_EQ(changes, (std::vector<std::string>{"the default group: weight 100 -> 40", "group 7: weight 50 -> 60",
                                                 "group 8: detached", "group 7: owner none -> uid 1000",
                                                 "group 10: attached, weight 5"}));
    ASSERT_EQ(run(second, second), "");
    EXPECT_TRUE(changes.empty()) << "everything is so already";
}

TEST_F(Reconfigure, WhatAMessageChangedIsAsConfiguredAgain) {
    const WantedGroups configured = wanted({{.id = 7, .weight = 50}});
    ASSERT_EQ(run(wanted({}), configured), "");
    ASSERT_EQ(send("weight", "7:70"), 0);
    ASSERT_EQ(send("max", "7:1M"), 0);
    ASSERT_EQ(run(configured, configured), "");
    EXPECT_EQ(groups(), "7:50");
    ASSERT_EQ(send("detach", "7"), 0);
    ASSERT_EQ(run(configured, configured), "");
    EXPECT_EQ(groups(), "7:50");
}

TEST_F(Reconfigure, AnotherParentMovesAGroupWithItsChildren) {
    const WantedGroups before = wanted({{.id = 1}, {.id = 2}, {.id = 3, .parent = 1}, {.id = 4, .parent = 3}});
    ASSERT_EQ(run(wanted({}), before), "");
    const WantedGroups after = wanted({{.id = 1}, {.id = 2}, {.id = 3, .parent = 2}, {.id = 4, .parent = 3}});
    ASSERT_EQ(run(before, after), "");
    EXPECT_EQ(groups(), "1:100 2:100 3<2:100 4<3:100");
}

TEST_F(Reconfigure, AHighMarkBelowTheLowOneIsRaisedToIt) {
    for (int again = 0; again < 2; ++again) {
        ASSERT_EQ(run({}, {}, {.io_throttle = 200}), "");
        filesystem.gate->with([](DeviceGroup& device_group) { EXPECT_EQ(device_group.io_limit(), 200u); });
    }
    for (int again = 0; again < 2; ++again) {
        ASSERT_EQ(run({}, {}, {.io_throttle = 4, .io_limit = 3}), "");
        filesystem.gate->with([](DeviceGroup& device_group) { EXPECT_EQ(device_group.io_limit(), 4u); });
    }
    EXPECT_TRUE(of_device.empty()) << "as it was";
}

TEST_F(Reconfigure, LimitsMoveInWhateverOrderTheyCan) {
    const WantedGroups low = wanted({{.id = 7, .min = 1000, .max = 2000}});
    const WantedGroups high = wanted({{.id = 7, .min = 5000, .max = 9000}});
    const WantedGroups none = wanted({{.id = 7}});
    ASSERT_EQ(run(wanted({}), low), "");
    for (const auto* to : {&high, &low, &none, &high}) ASSERT_EQ(run(low, *to), "");
    EXPECT_EQ(groups(), "7:100/5000-9000");
}

TEST_F(Reconfigure, SettingsOfTheDeviceGroupChangeTogether) {
    ASSERT_EQ(run({}, {}, {.policy = "weight", .io_throttle = 300, .io_limit = 400, .token = 7}), "");
    filesystem.gate->with([](DeviceGroup& device_group) {
        EXPECT_EQ(device_group.policy_name(), "weight");
        EXPECT_EQ(device_group.io_throttle(), 300u);
        EXPECT_EQ(device_group.io_limit(), 400u);
        EXPECT_EQ(device_group.token_base(), 7u);
    });
    EXPECT_EQ(of_device, (std::vector<std::string>{"policy fair -> weight", "io_throttle 4 -> 300",
                                                   "io_limit 128 -> 400", "token 2048 -> 7"}));
    ASSERT_EQ(run({}, {}, {.policy = "fair", .cost = "time", .io_throttle = 2, .io_limit = 2}), "");
    filesystem.gate->with([](DeviceGroup& device_group) {
        EXPECT_EQ(device_group.policy_parameter("cost"), "time");
        EXPECT_EQ(device_group.io_throttle(), 2u);
        EXPECT_EQ(device_group.io_limit(), 2u);
    });
}

TEST_F(Reconfigure, LimitsGoBeforeAPolicyThatHasNone) {
    const WantedGroups before = wanted({{.id = 7, .max = 2000}});
    ASSERT_EQ(run(wanted({}), before), "");
    ASSERT_EQ(run(before, wanted({{.id = 7}}), {.policy = "weight"}), "");
    EXPECT_EQ(groups(), "7:100");
}

TEST_F(Reconfigure, ARefusalChangesNothing) {
    const WantedGroups before = wanted({{.id = 7, .weight = 50}, {.id = 8, .parent = 7}});
    ASSERT_EQ(run(wanted({}), before), "");
    ASSERT_EQ(send("attach", "9 parent=8"), 0);
    const std::string as_was = groups();

    EXPECT_EQ(run(before, wanted({{.id = 7, .weight = 60}})),
              "/mnt/data: group 8 has children that are not configured");
    EXPECT_EQ(run(before, wanted({{.id = 7, .weight = 60}, {.id = 8, .parent = 7}}), {.policy = "weight"}),
              "/mnt/data: group 8: the policy weight has no parents");
    EXPECT_EQ(run(before, wanted({{.id = 7, .weight = 60, .min = 3, .max = 2}, {.id = 8, .parent = 7}})),
              "/mnt/data: group 7: its min is more than its max");
    EXPECT_EQ(run(before, {.type = GroupType::user, .groups = {{.id = 7, .weight = 60}}}),
              "/mnt/data: group 9 is attached, so the type cannot change");
    EXPECT_EQ(groups(), as_was);
    filesystem.gate->with([](DeviceGroup& device_group) { EXPECT_EQ(device_group.policy_name(), "fair"); });
}

TEST_F(Reconfigure, FindingOutChangesNothing) {
    const WantedGroups after = wanted({{.id = 7, .weight = 50}});
    ASSERT_EQ(run(wanted({}), after, {.io_limit = 64}, false), "");
    EXPECT_EQ(changes, (std::vector<std::string>{"group 7: attached, weight 50"}));
    EXPECT_EQ(of_device, (std::vector<std::string>{"io_limit 128 -> 64"}));
    EXPECT_EQ(groups(), "");
}

TEST_F(Reconfigure, TheTypeChangesWhenAllGroupsAreConfigured) {
    const WantedGroups before = wanted({{.id = 7}});
    ASSERT_EQ(run(wanted({}), before), "");
    ASSERT_EQ(run(before, {.type = GroupType::user, .groups = {{.id = 0, .weight = 5}}}), "");
    EXPECT_EQ(filesystem.type.load(), GroupType::user);
    EXPECT_EQ(groups(), "0:5");
}

TEST(WhyImpossible, SaysWhatANewDeviceGroupWouldRefuse) {
    EXPECT_EQ(why_impossible({.policy = "fair", .cost = "time"}, wanted({{.id = 1, .min = 5}})), "");
    EXPECT_EQ(why_impossible({.policy = "weight", .cost = "time"}, {}), "the policy weight has no cost time");
    EXPECT_EQ(why_impossible({.policy = "weight"}, wanted({{.id = 1, .min = 5}})),
              "group 1: the policy weight has no min and max");
}

}  // namespace
}  // namespace bandfs
