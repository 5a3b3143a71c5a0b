// What of the policies `weight` and `weight-iosize` the vectors do not show.
#include "scheduler_fixture.h"

namespace bandfs {
namespace {

using Units = std::vector<Unit*>;

/// Tokens one by one: token_init is 1 for four groups of equal weight.
class WeightPolicyTest : public SchedulerFixture {
protected:
    WeightPolicyTest() : SchedulerFixture({.io_throttle = 3, .io_limit = 4, .token_base = 1}) {}
};

TEST_F(WeightPolicyTest, ThePlugKeepsGroupsFromRefilling) {
    Group& a = attach(1);
    Group& b = attach(2);
    Group& c = attach(3);
    for (Group* group : {&a, &b, &c}) admit(*group);
    EXPECT_EQ(admit(a).state, UnitState::held);
    ASSERT_EQ(device->set_io_limit(5), Error::none);
    ASSERT_EQ(device->set_io_throttle(4), Error::none);
    EXPECT_EQ(admit(b).state, UnitState::issued);  // begins an epoch
    EXPECT_EQ(device->epoch(), 1u);
    admit(mount->default_group());
    ASSERT_TRUE(device->plugged());
    ASSERT_EQ(mount->detach(3, now, nullptr), Error::none);
    EXPECT_EQ(released(), Units{});
    EXPECT_EQ(a.tokens(), 0);
}

TEST_F(WeightPolicyTest, DebtOfExpeditedUnitsIsPaidBack) {
    Group& a = attach(1);
    Group& b = attach(2);
    attach(3);
    for (int i = 0; i < 3; ++i) admit(a, 4096);
    Unit& blocker = units[0];
    for (int i = 0; i < 4; ++i) admit(a);
    Units held;
    for (Unit& each : units) {
        if (each.state == UnitState::held) held.push_back(&each);
    }
    ASSERT_GE(held.size(), 3u);
    for (int i = 0; i < 3; ++i) device->expedite(*held[static_cast<std::size_t>(i)], now);
    EXPECT_EQ(released().size(), 3u);
    EXPECT_EQ(a.tokens(), -3);
    const std::uint64_t before = device->epoch();
    fill(b);
    complete(blocker);
    drain();
    EXPECT_EQ(device->blocked(), 0u);
    EXPECT_GE(device->epoch(), before + 4);
}

TEST_F(WeightPolicyTest, ReweighingWithUnitsHeldPutsThemInOrder) {
    Group& a = attach(1);
    Group& b = attach(2);
    Unit& one = admit(a);
    admit(b);
    admit(mount->default_group());
    Unit& of_a = admit(a);
    Unit& of_b = admit(b);
    ASSERT_EQ(of_b.state, UnitState::held);
    ASSERT_EQ(device->set_token_base(400), Error::none);
    ASSERT_EQ(device->set_weight(b, 1000), Error::none);
    EXPECT_EQ(b.tokens(), b.token_init());
    EXPECT_EQ(complete(one), (Units{&of_a, &of_b}));
}

class WeightIosizeTest : public SchedulerFixture {
protected:
    WeightIosizeTest() : SchedulerFixture({.io_throttle = 2, .io_limit = 4}, "weight-iosize") {}
};

TEST_F(WeightIosizeTest, AUnitCostsItsSectors) {
    Group& a = attach(1);
    admit(a, 131072);
    EXPECT_EQ(a.tokens(), 1025 - 256);
    admit(a, 1);
    EXPECT_EQ(a.tokens(), 1025 - 257);
}

TEST_F(WeightIosizeTest, BytesNotRequestsAreShared) {
    Group& small = attach(1);
    Group& large = attach(2);
    ASSERT_EQ(device->set_weight(mount->default_group(), 1), Error::none);
    ASSERT_EQ(device->set_token_base(64), Error::none);  // an epoch is less than one large unit
    std::uint64_t done[3] = {};
    // Both always have 8 units waiting; each round completes the unit in flight the longest.
    std::deque<Unit*> flight;
    const auto start = [&](Group& group) {
        Unit& made = admit(group, &group == &small ? 4096u : 131072u);
        if (made.state == UnitState::issued) flight.push_back(&made);
    };
    for (int i = 0; i < 8; ++i) {
        start(small);
        start(large);
    }
    for (int i = 0; i < 40'000; ++i) {
        Unit& next = *flight.front();
        flight.pop_front();
        done[next.group->id()] += next.bytes;
        Group& group = *next.group;
        for (Unit* unit : complete(next)) flight.push_back(unit);
        start(group);
        ASSERT_FALSE(flight.empty());
    }
    EXPECT_NEAR(static_cast<double>(done[1]) / static_cast<double>(done[2]), 1.0, 0.02);
}

}  // namespace
}  // namespace bandfs
