// Groups that come into being by themselves: when, how many, and when they leave. Time is what the test says.
#include "gate/auto_groups.h"

#include <gtest/gtest.h>

namespace bandfs {
namespace {

class Automatic : public testing::Test {
protected:
    Automatic() {
        auto device_group = DeviceGroup::create({}, "fair");
        DeviceGroup& scheduler = *device_group;
        gate = std::make_unique<Gate>(std::move(device_group));
        groups = std::make_unique<MountGroups>(scheduler, kDefaultWeight);
        automatic.set_weight(50);
    }

    void seen(std::vector<GroupId> lineage) { automatic.seen(*gate, *groups, lineage, now); }
    std::string ids() {
        std::string text;
        gate->with([&](DeviceGroup&) {
            groups->for_each([&](const Group& group) {
                if (!group.is_default()) text += (text.empty() ? "" : " ") + std::to_string(group.id());
            });
        });
        return text;
    }
    std::size_t expire(const std::function<bool(GroupId)>& may_go = [](GroupId) { return true; }) {
        return automatic.expire(*gate, *groups, now, may_go);
    }
    void attach(GroupId id) {
        gate->with([&](DeviceGroup&) { EXPECT_EQ(groups->attach(id, 7), Error::none); });
        automatic.forget_others();
    }

    std::unique_ptr<Gate> gate;
    std::unique_ptr<MountGroups> groups;
    AutoGroups automatic;
    TimeNs now = kSecond;
};

TEST_F(Automatic, AGroupComesWithTheFirstRequestAndLeavesAfterAMinute) {
    seen({3});
    seen({3});
    seen({4});
    EXPECT_EQ(ids(), "3 4");
    EXPECT_EQ(groups->find(3)->weight(), 50u);
    EXPECT_TRUE(automatic.contains(3));
    now += AutoGroups::kIdleFor - 1;
    seen({4});
    EXPECT_EQ(expire(), 0u);
    now += 1;
    EXPECT_EQ(expire(), 1u);
    EXPECT_EQ(ids(), "4");
    EXPECT_EQ(automatic.size(), 1u);
    seen({3});
    EXPECT_EQ(ids(), "4 3");
}

TEST_F(Automatic, AGroupWithSomethingToComeStays) {
    GroupId in_debt = 3;
    automatic.set_in_debt([&](GroupId id) { return id == in_debt; });
    automatic.set_most(2);
    seen({3});
    now += 1;
    seen({4});
    now += 1;
    seen({5});
    EXPECT_EQ(ids(), "3 5") << "3 was there for longer, but what it dirtied is not on the disk";
    now += AutoGroups::kIdleFor;
    EXPECT_EQ(expire(), 1u);
    EXPECT_EQ(ids(), "3");
    in_debt = 0;
    EXPECT_EQ(expire(), 1u);
}

TEST_F(Automatic, WhoeverMayNotGoStays) {
    seen({3});
    now += AutoGroups::kIdleFor;
    EXPECT_EQ(expire([](GroupId) { return false; }), 0u);
    Unit unit;
    unit.group = groups->find(3);
    unit.bytes = 4096;
    gate->with([&](DeviceGroup& device_group) { EXPECT_EQ(device_group.admit(unit, now), Admission::immediate); });
    EXPECT_EQ(expire(), 0u) << "a unit of it is in flight";
    gate->with([&](DeviceGroup& device_group) { device_group.complete(unit, now); });
    EXPECT_EQ(expire(), 1u);
}

TEST_F(Automatic, TheOneUsedLongestAgoMakesRoom) {
    automatic.set_most(2);
    seen({1});
    ++now;
    seen({2});
    ++now;
    seen({1});
    ++now;
    seen({3});
    EXPECT_EQ(ids(), "1 3");
    EXPECT_EQ(automatic.size(), 2u);
}

TEST_F(Automatic, WhoFindsAllBusyIsTurnedAway) {
    automatic.set_most(1);
    seen({1});
    Unit unit;
    unit.group = groups->find(1);
    unit.bytes = 4096;
    gate->with([&](DeviceGroup& device_group) { EXPECT_EQ(device_group.admit(unit, now), Admission::immediate); });
    seen({2});
    EXPECT_EQ(ids(), "1");
    EXPECT_EQ(automatic.turned_away(), 1u);
    gate->with([&](DeviceGroup& device_group) { device_group.complete(unit, now); });
    now += kSecond;
    seen({2});
    EXPECT_EQ(ids(), "2");
}

TEST_F(Automatic, WhoHasAGroupOfSomebodysNeedsNone) {
    attach(1);
    seen({1});
    seen({9, 1});
    EXPECT_EQ(ids(), "1") << "an ancestor's group takes it";
    EXPECT_EQ(automatic.size(), 0u);
    seen({5});
    seen({6, 5});
    EXPECT_EQ(ids(), "1 5 6") << "an ancestor's group that came by itself does not";
    gate->with([&](DeviceGroup&) { EXPECT_EQ(groups->detach(1, now, {}), Error::none); });
    automatic.forget_others();
    seen({9, 1});
    EXPECT_EQ(ids(), "5 6 9");
}

TEST_F(Automatic, WhatSomebodySetUpStays) {
    seen({3});
    EXPECT_TRUE(automatic.adopt(3));
    EXPECT_FALSE(automatic.adopt(3));
    now += 2 * AutoGroups::kIdleFor;
    EXPECT_EQ(expire(), 0u);
    EXPECT_EQ(ids(), "3");
}

TEST_F(Automatic, SwitchedOffNoneComeAndTheOthersLeave) {
    seen({3});
    automatic.set_weight(0);
    seen({4});
    EXPECT_EQ(ids(), "3");
    EXPECT_TRUE(automatic.in_use());
    now += AutoGroups::kIdleFor;
    EXPECT_EQ(expire(), 1u);
    EXPECT_FALSE(automatic.in_use());
}

TEST_F(Automatic, AHundredThousandComeAndGo) {
    for (GroupId id = 1; id <= AutoGroups::kMost + 1000; ++id) {
        ++now;
        seen({id});
    }
    EXPECT_LE(automatic.size(), AutoGroups::kMost);
    EXPECT_FALSE(automatic.contains(1));
    EXPECT_TRUE(automatic.contains(AutoGroups::kMost + 1000));
    automatic.clear(*gate, *groups, now);
    EXPECT_EQ(ids(), "");
}

}  // namespace
}  // namespace bandfs
