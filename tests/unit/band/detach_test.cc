// A group that leaves with units held and in flight.
#include "scheduler_fixture.h"

namespace bandfs {
namespace {

using Units = std::vector<Unit*>;

class DetachTest : public SchedulerFixture {
protected:
    DetachTest() : SchedulerFixture({.io_throttle = 1, .io_limit = 2}) {}

    Error detach(GroupId id) {
        return mount->detach(id, now, [this] { ++gone; });
    }

    int gone = 0;
};

TEST_F(DetachTest, AnIdleGroupIsGoneAtOnce) {
    attach(7);
    EXPECT_EQ(detach(7), Error::none);
    EXPECT_EQ(gone, 1);
    EXPECT_EQ(mount->find(7), nullptr);
    EXPECT_EQ(mount->default_group().token_init(), 2049);
}

TEST_F(DetachTest, UnitsInFlightAreWaitedFor) {
    Group& group = attach(7);
    Unit& one = admit(group, 4096);
    Unit& two = admit(group, 4096);
    EXPECT_EQ(detach(7), Error::none);
    EXPECT_EQ(gone, 0);
    EXPECT_EQ(mount->find(7), nullptr);
    EXPECT_EQ(detach(7), Error::invalid);
    EXPECT_EQ(&mount->for_id(7), &mount->default_group());
    complete(one);
    EXPECT_EQ(gone, 0);
    complete(two);
    EXPECT_EQ(gone, 1);
    EXPECT_EQ(mount->default_group().token_init(), 2049);
}

TEST_F(DetachTest, HeldUnitsPassFirst) {
    Group& group = attach(7);
    Group& other = attach(8);
    admit(other);
    admit(other);
    Unit& behind = admit(other);
    Unit& one = admit(group);
    Unit& two = admit(group);
    ASSERT_TRUE(device->plugged());
    EXPECT_EQ(detach(7), Error::none);
    EXPECT_EQ(released(), (Units{&one, &two}));
    EXPECT_EQ(behind.state, UnitState::held);
    complete(one);
    complete(two);
    EXPECT_EQ(gone, 1);
}

TEST_F(DetachTest, CancellingTheLastHeldUnitFreesIt) {
    Group& group = attach(7);
    admit(mount->default_group());
    admit(mount->default_group());
    Unit& held = admit(group);
    EXPECT_EQ(detach(7), Error::none);
    device->cancel(held, now);
    EXPECT_EQ(gone, 1);
}

TEST_F(DetachTest, TheSameIdMayComeBackMeanwhile) {
    Unit& old_unit = admit(attach(7, 300));
    EXPECT_EQ(detach(7), Error::none);
    Group& again = attach(7);
    Unit& new_unit = admit(again);
    EXPECT_EQ(new_unit.group, &again);
    complete(old_unit);
    EXPECT_EQ(gone, 1);
    EXPECT_EQ(mount->find(7), &again);
    EXPECT_EQ(again.issued(), 1u);
}

TEST_F(DetachTest, StatisticsAddUpThroughout) {
    Group& group = attach(7);
    Unit& one = admit(group);
    admit(mount->default_group());
    admit(group);
    EXPECT_EQ(device->statistics(), sum());
    EXPECT_EQ(detach(7), Error::none);
    EXPECT_EQ(device->statistics(), sum());
    complete(one);
    EXPECT_EQ(device->statistics(), sum());
    drain();
    EXPECT_EQ(gone, 1);
    EXPECT_EQ(device->statistics(), sum());
    EXPECT_EQ(device->statistics().of(Direction::read).requests, 1u);
}

TEST_F(DetachTest, OthersGetTheTokensAfterTheConductorRan) {
    // dm-band: the conductor runs with the tokens as they are, then the leaving group's are handed out.
    Group& group = attach(7);
    admit(mount->default_group());
    admit(mount->default_group());
    Unit& held = admit(mount->default_group());
    EXPECT_EQ(mount->default_group().tokens(), 1023);
    EXPECT_EQ(group.issued(), 0u);
    EXPECT_EQ(detach(7), Error::none);
    EXPECT_EQ(gone, 0);
    EXPECT_EQ(released(), Units{});
    EXPECT_EQ(gone, 1);
    EXPECT_EQ(mount->default_group().tokens(), 2049);
    EXPECT_EQ(held.state, UnitState::held);
}

TEST_F(DetachTest, AMountTakesItsDetachedGroupsWithIt) {
    auto other = std::make_unique<MountGroups>(*device, 100);
    ASSERT_EQ(other->attach(7, 100), Error::none);
    admit(mount->default_group());
    admit(mount->default_group());
    admit(mount->default_group());
    ASSERT_EQ(other->detach(7, now, [this] { ++gone; }), Error::none);
    other.reset();
    EXPECT_EQ(gone, 1);
    EXPECT_EQ(mount->default_group().token_init(), 2049);
    EXPECT_EQ(released(), Units{});
}

}  // namespace
}  // namespace bandfs
