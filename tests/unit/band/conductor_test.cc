// Holding and releasing: order, the plug, the byte bound, units that are expedited or taken back, going down,
// statistics.
#include "scheduler_fixture.h"

namespace bandfs {
namespace {

using Units = std::vector<Unit*>;

/// Two in flight at most; two groups with tokens enough.
class ConductorTest : public SchedulerFixture {
protected:
    ConductorTest() : SchedulerFixture({.io_throttle = 1, .io_limit = 2, .held_bytes_limit = 3 * 4096}) {}

    /// Fills the disk with two units of the default group.
    void plug() {
        first = &admit(mount->default_group());
        second = &admit(mount->default_group());
        ASSERT_TRUE(device->plugged());
    }

    Group& a = attach(1);
    Group& b = attach(2);
    Unit* first = nullptr;
    Unit* second = nullptr;
};

TEST_F(ConductorTest, FullMeansHeldUntilDrained) {
    plug();
    Unit& held = admit(a);
    EXPECT_EQ(held.state, UnitState::held);
    EXPECT_EQ(device->wakes_at(), kNever);
    EXPECT_EQ(complete(*first), Units{});  // down to io_throttle, but it was above it before this one ended
    EXPECT_TRUE(device->plugged());
    EXPECT_EQ(complete(*second), Units{&held});
    EXPECT_EQ(held.state, UnitState::issued);
}

TEST_F(ConductorTest, ArrivalOrderHoldsAcrossDirections) {
    plug();
    Unit& read = admit(a, 4096, Direction::read);
    Unit& write = admit(a, 4096, Direction::write);
    Unit& last = admit(a, 4096, Direction::read);
    EXPECT_EQ(a.front(), &read);
    EXPECT_EQ(a.front(Direction::write), &write);
    complete(*first);
    EXPECT_EQ(complete(*second), (Units{&read, &write}));
    EXPECT_EQ(a.front(), &last);
}

TEST_F(ConductorTest, WaitsAreCounted) {
    plug();
    admit(a);
    now += 100'000'000;
    complete(*first);
    complete(*second);
    EXPECT_EQ(a.waits().total(), 1u);
    EXPECT_EQ(a.waits().percentile(50), TimeNs{1} << 27);  // 134 ms, the bound above 100 ms
    EXPECT_EQ(mount->default_group().waits().total(), 0u);
}

TEST_F(ConductorTest, BeyondTheByteBoundUnitsWaitInTurn) {
    plug();
    Units held;
    for (int i = 0; i < 6; ++i) held.push_back(&admit(a, 4096, i % 2 == 0 ? Direction::read : Direction::write));
    EXPECT_EQ(a.held(), 6u);
    EXPECT_EQ(a.held_bytes(), 3u * 4096);
    EXPECT_EQ(held[2]->held_in, HeldIn::queue);
    EXPECT_EQ(held[3]->held_in, HeldIn::waiting);
    EXPECT_EQ(device->blocked(), 6u);

    Unit& other = admit(b);  // another group notices nothing
    EXPECT_EQ(other.held_in, HeldIn::queue);

    Units order;
    complete(*first);
    Units next = complete(*second);
    while (!next.empty()) {
        order.insert(order.end(), next.begin(), next.end());
        EXPECT_LE(a.held_bytes(), 3u * 4096);
        const Units done = next;
        next.clear();
        for (Unit* unit : done) {
            for (Unit* more : complete(*unit)) next.push_back(more);
        }
    }
    std::erase(order, &other);
    EXPECT_EQ(order, held);
    EXPECT_EQ(a.held_bytes(), 0u);
}

TEST_F(ConductorTest, AWiderByteBoundLetsThoseInThatWait) {
    plug();
    for (int i = 0; i < 6; ++i) admit(a, 4096);
    EXPECT_EQ(device->set_held_bytes_limit(0), Error::invalid);
    EXPECT_EQ(device->set_held_bytes_limit(kMaxHeldBytes + 1), Error::invalid);
    EXPECT_EQ(device->held_bytes_limit(), 3u * 4096);
    EXPECT_EQ(device->set_held_bytes_limit(5 * 4096), Error::none);
    EXPECT_EQ(a.held_bytes(), 5u * 4096);
    EXPECT_EQ(device->set_held_bytes_limit(4096), Error::none);
    EXPECT_EQ(a.held_bytes(), 5u * 4096) << "what is queued stays so";
    EXPECT_EQ(admit(a, 4096).held_in, HeldIn::waiting);
    drain();
    EXPECT_EQ(device->blocked(), 0u);
    EXPECT_EQ(a.held_bytes(), 0u);
}

TEST_F(ConductorTest, AUnitLargerThanTheBoundPassesAlone) {
    plug();
    Unit& large = admit(a, 1 << 20);
    Unit& small = admit(a, 512);
    EXPECT_EQ(large.held_in, HeldIn::queue);
    EXPECT_EQ(small.held_in, HeldIn::waiting);
    complete(*first);
    EXPECT_EQ(complete(*second), (Units{&large, &small}));
}

TEST_F(ConductorTest, CancelMakesRoomForWhatWaits) {
    plug();
    Unit& large = admit(a, 1 << 20);
    Unit& small = admit(a, 512);
    Unit& last = admit(a, 512);
    device->cancel(small, now);
    EXPECT_EQ(small.state, UnitState::idle);
    device->cancel(large, now);
    EXPECT_EQ(last.held_in, HeldIn::queue);
    EXPECT_EQ(a.held(), 1u);
    EXPECT_EQ(a.held_bytes(), 512u);
    device->cancel(last, now);
    EXPECT_EQ(device->blocked(), 0u);
    complete(*first);
    EXPECT_EQ(complete(*second), Units{});
    EXPECT_EQ(device->admit(small, now), Admission::immediate);  // and may be used again
}

TEST_F(ConductorTest, ExpeditedPassesThePlugAndIsCharged) {
    plug();
    Unit& before = admit(a);
    Unit& urgent = admit(a);
    const std::int64_t tokens = a.tokens();
    device->expedite(urgent, now);
    device->expedite(urgent, now);
    EXPECT_LE(device->wakes_at(), now);
    EXPECT_EQ(released(), Units{&urgent});
    EXPECT_EQ(a.tokens(), tokens - 1);
    EXPECT_EQ(a.held(), 1u);
    EXPECT_EQ(device->issued(), 3u);
    EXPECT_EQ(before.state, UnitState::held);
    EXPECT_EQ(device->wakes_at(), kNever);
}

TEST_F(ConductorTest, ExpediteFromTheWaitingListAndCancelOfTheExpedited) {
    plug();
    admit(a, 1 << 20);
    Unit& waiting = admit(a);
    Unit& taken_back = admit(a);
    device->expedite(waiting, now);
    device->expedite(taken_back, now);
    device->cancel(taken_back, now);
    EXPECT_EQ(released(), Units{&waiting});
    EXPECT_EQ(a.held(), 1u);
    EXPECT_EQ(device->blocked(), 1u);
}

TEST_F(ConductorTest, SuspendPassesEverythingAndResumeHoldsAgain) {
    plug();
    Unit& of_a = admit(a);
    Unit& of_b = admit(b);
    device->suspend();
    EXPECT_TRUE(a.going_down());
    EXPECT_EQ(released(), (Units{&of_a, &of_b}));
    EXPECT_EQ(admit(b).state, UnitState::issued);
    device->resume();
    EXPECT_FALSE(a.going_down());
    EXPECT_EQ(admit(b).state, UnitState::held);
}

TEST_F(ConductorTest, AMountThatGoesDownTakesNobodyElseAlong) {
    MountGroups other(*device, kDefaultWeight);
    plug();
    Unit& ours = admit(a);
    Unit& theirs = admit(other.default_group());
    EXPECT_FALSE(other.idle());
    other.go_down();
    EXPECT_EQ(released(), Units{&theirs});
    device->resume();
    EXPECT_TRUE(other.default_group().going_down());  // resume() undoes suspend() only
    EXPECT_EQ(ours.state, UnitState::held);
    complete(theirs);
    EXPECT_TRUE(other.idle());
    EXPECT_FALSE(mount->idle());
}

TEST_F(ConductorTest, AUnitThatWasNotDoneCountsAsDoneNowhere) {
    Unit& undone = admit(a, 4096);
    device->complete(undone, 1, UnitEnd::undone);
    EXPECT_EQ(undone.state, UnitState::idle);
    EXPECT_EQ(device->issued(), 0u);
    EXPECT_EQ(a.statistics().of(Direction::read).bytes_done, 0u);
    EXPECT_EQ(device->statistics(), sum());
}

TEST_F(ConductorTest, StatisticsAddUp) {
    plug();
    admit(a, 513, Direction::write);
    admit(b, 512);
    complete(*first);
    complete(*second);
    EXPECT_EQ(device->statistics(), sum());
    EXPECT_EQ(a.statistics().of(Direction::write), (DirectionStatistics{.requests = 1, .deferred = 1, .sectors = 2}));
    EXPECT_EQ(mount->default_group().statistics().of(Direction::read).bytes_done, 2u * 4096);
    device->reset_statistics();
    EXPECT_EQ(device->statistics(), Statistics{});
    EXPECT_EQ(sum(), Statistics{});
    EXPECT_EQ(a.waits().total(), 0u);
}

TEST_F(ConductorTest, RaisingTheThrottleWithThePlugInEnds) {
    // dm-band's conductor begins epochs for ever here: held units, plugged, and fewer in flight than io_throttle.
    ASSERT_EQ(device->set_io_limit(8), Error::none);
    for (int i = 0; i < 8; ++i) admit(mount->default_group());
    Unit& of_a = admit(a);
    Unit& of_b = admit(b);
    complete(units[0]);
    ASSERT_EQ(device->set_io_throttle(8), Error::none);
    ASSERT_TRUE(device->plugged());
    ASSERT_EQ(mount->detach(2, now, nullptr), Error::none);
    EXPECT_EQ(released(), Units{&of_b});
    EXPECT_EQ(complete(units[1]), Units{&of_a});
}

}  // namespace
}  // namespace bandfs
