// Every refusal, and that what is refused changes nothing.
#include <limits>

#include "scheduler_fixture.h"

namespace bandfs {
namespace {

class SettingsTest : public SchedulerFixture {};

TEST(Create, RefusesWhatCannotBe) {
    EXPECT_EQ(DeviceGroup::create({}, "no-such-policy"), nullptr);
    EXPECT_EQ(DeviceGroup::create({}, ""), nullptr);
    EXPECT_EQ(DeviceGroup::create({.io_throttle = 0}, "weight"), nullptr);
    EXPECT_EQ(DeviceGroup::create({.token_base = 0}, "weight"), nullptr);
    EXPECT_EQ(DeviceGroup::create({.token_base = kMaxTokenBase + 1}, "weight"), nullptr);
    EXPECT_EQ(DeviceGroup::create({.held_bytes_limit = 0}, "weight"), nullptr);
    EXPECT_EQ(DeviceGroup::create({.held_bytes_limit = kMaxHeldBytes + 1}, "weight"), nullptr);
}

TEST(Create, RaisesTheLimitToTheThrottle) {
    const auto device = DeviceGroup::create({.io_throttle = 20, .io_limit = 3}, "weight");
    ASSERT_NE(device, nullptr);
    EXPECT_EQ(device->io_throttle(), 20u);
    EXPECT_EQ(device->io_limit(), 20u);
}

TEST(Create, TakesEveryNameItLists) {
    for (const std::string_view name : DeviceGroup::policy_names())
        EXPECT_NE(DeviceGroup::create({}, name), nullptr) << name;
}

TEST_F(SettingsTest, ThrottleAndLimit) {
    for (const std::uint64_t n : {std::uint64_t{0}, std::uint64_t{129}, std::numeric_limits<std::uint64_t>::max()}) {
        EXPECT_EQ(device->set_io_throttle(n), Error::invalid);
    }
    for (const std::uint64_t n : {std::uint64_t{0}, std::uint64_t{3}, std::uint64_t{4}, std::uint64_t{1} << 32,
                                  std::numeric_limits<std::uint64_t>::max()}) {
        EXPECT_EQ(device->set_io_limit(n), Error::invalid) << n;
    }
    EXPECT_EQ(device->io_throttle(), 4u);
    EXPECT_EQ(device->io_limit(), 128u);
    EXPECT_EQ(device->set_io_throttle(128), Error::none);
    EXPECT_EQ(device->set_io_limit(129), Error::none);
}

TEST_F(SettingsTest, WeightsAndTokens) {
    Group& group = attach(7, 300);
    for (const std::uint64_t n : {std::uint64_t{0}, kMaxWeight + 1, std::numeric_limits<std::uint64_t>::max()}) {
        EXPECT_EQ(device->set_weight(group, n), Error::invalid);
        EXPECT_EQ(device->set_token_base(n), Error::invalid);
        EXPECT_EQ(mount->attach(8, n), Error::invalid);
    }
    EXPECT_EQ(group.weight(), 300u);
    EXPECT_EQ(device->token_base(), 2048u);
    EXPECT_EQ(group.token_init(), 1537);
    EXPECT_EQ(mount->attached(), 1u);
}

TEST_F(SettingsTest, LargestWeightsAndTokensDoNotOverflow) {
    ASSERT_EQ(device->set_token_base(kMaxTokenBase), Error::none);
    for (GroupId id = 1; id <= 2000; ++id) attach(id, kMaxWeight);
    ASSERT_EQ(device->set_weight(mount->default_group(), kMaxWeight), Error::none);
    EXPECT_EQ(mount->for_id(5).token_init(), static_cast<std::int64_t>(kMaxTokenBase / 2001 + 1));
    for (GroupId id = 1; id <= 2000; ++id) ASSERT_EQ(device->set_weight(mount->for_id(id), 1), Error::none);
    EXPECT_EQ(mount->default_group().token_init(),
              static_cast<std::int64_t>(kMaxTokenBase * kMaxWeight / (kMaxWeight + 2000) + 1));
    EXPECT_EQ(mount->for_id(5).token_init(), 1);
}

TEST_F(SettingsTest, IdsAreSixtyFourBitsAndZeroIsOne) {
    const GroupId largest = std::numeric_limits<GroupId>::max();
    Group& root = attach(0);
    Group& last = attach(largest);
    EXPECT_EQ(mount->find(0), &root);
    EXPECT_FALSE(root.is_default());
    EXPECT_EQ(&mount->for_id(largest), &last);
    EXPECT_EQ(&mount->for_id(1), &mount->default_group());
    EXPECT_EQ(mount->find(1), nullptr);
}

TEST_F(SettingsTest, AttachTwiceAndDetachOfNobody) {
    attach(7);
    EXPECT_EQ(mount->attach(7, 100), Error::exists);
    bool called = false;
    EXPECT_EQ(mount->detach(8, now, [&] { called = true; }), Error::invalid);
    EXPECT_FALSE(called);
    EXPECT_EQ(mount->attached(), 1u);
}

TEST_F(SettingsTest, WhatThePolicyDoesNotKnowIsInvalid) {
    Group& group = attach(7);
    EXPECT_EQ(device->set_floor(group, 1000), Error::invalid);
    EXPECT_EQ(device->set_ceiling(group, 1000), Error::invalid);
    EXPECT_EQ(device->set_policy_parameter("cost", "bytes"), Error::invalid);
    EXPECT_EQ(mount->attach(8, 100, &group), Error::invalid);
    EXPECT_EQ(device->set_policy("fastest", now), Error::invalid);
    EXPECT_EQ(device->policy_name(), "weight");
}

TEST_F(SettingsTest, GroupsAreVisitedInOrderOfAttachment) {
    for (const GroupId id : {90, 3, 57, 12, 1000, 4, 5, 6, 7, 8}) attach(id);
    ASSERT_EQ(mount->detach(57, now, nullptr), Error::none);
    attach(57);
    std::vector<GroupId> ids;
    mount->for_each([&](Group& group) {
        if (group.is_default()) {
            EXPECT_TRUE(ids.empty());
        } else {
            ids.push_back(group.id());
        }
    });
    EXPECT_EQ(ids, (std::vector<GroupId>{90, 3, 12, 1000, 4, 5, 6, 7, 8, 57}));
}

TEST_F(SettingsTest, TwoMountsShareTheTokens) {
    MountGroups other(*device, 300);
    EXPECT_EQ(other.default_group().token_init(), 2048 * 300 / 400 + 1);
    EXPECT_EQ(mount->default_group().token_init(), 2048 * 100 / 400 + 1);
    ASSERT_EQ(other.attach(7, 400), Error::none);
    EXPECT_EQ(mount->find(7), nullptr);
    EXPECT_EQ(mount->default_group().token_init(), 2048 * 100 / 800 + 1);
}

}  // namespace
}  // namespace bandfs
