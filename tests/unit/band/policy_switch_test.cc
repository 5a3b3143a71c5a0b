// Changing the policy under load: every unit comes out once, and the counts come back to nothing.
#include <random>

#include "band/policy_table.h"
#include "scheduler_fixture.h"

namespace bandfs {
namespace {

class PolicySwitchTest : public SchedulerFixture {
protected:
    PolicySwitchTest() : SchedulerFixture({.io_throttle = 4, .io_limit = 8, .token_base = 20}) {}
};

TEST_F(PolicySwitchTest, TheSamePolicyChangesNothing) {
    Group& a = attach(1);
    admit(a);
    const std::int64_t tokens = a.tokens();
    EXPECT_EQ(device->set_policy("weight", now), Error::none);
    EXPECT_EQ(a.tokens(), tokens);
}

TEST_F(PolicySwitchTest, HeldUnitsAreTheNewPolicysToRelease) {
    Group& a = attach(1);
    Unit& held = fill(a);
    ASSERT_EQ(device->set_policy("weight-iosize", now), Error::none);
    EXPECT_EQ(device->policy_name(), "weight-iosize");
    EXPECT_LE(device->wakes_at(), now);
    EXPECT_EQ(held.state, UnitState::held);
    drain();
    EXPECT_EQ(held.state, UnitState::idle);
}

TEST_F(PolicySwitchTest, NoUnitIsLostWhateverComesBetween) {
    std::mt19937 random(20080121);
    const auto pick = [&](std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random); };
    for (GroupId id = 1; id <= 5; ++id) attach(id, 10 * id);
    std::vector<std::string_view> names;
    for (const PolicyEntry& entry : policy_table()) names.push_back(entry.name);

    std::vector<Unit*> flight;
    const auto take_released = [&] {
        for (Unit* unit : released()) flight.push_back(unit);
    };
    for (int step = 0; step < 20'000; ++step) {
        now += 50'000;
        const std::size_t die = pick(100);
        if (die < 48) {
            Unit& made = admit(mount->for_id(pick(6)), static_cast<std::uint32_t>(1 + pick(131072)),
                               pick(2) == 0 ? Direction::read : Direction::write);
            if (made.state == UnitState::issued) flight.push_back(&made);
        } else if (die < 96) {
            if (flight.empty()) continue;
            std::swap(flight[pick(flight.size())], flight.back());
            Unit& done = *flight.back();
            flight.pop_back();
            device->complete(done, now);
        } else if (die < 98) {
            ASSERT_EQ(device->set_policy(names[pick(names.size())], now), Error::none);
        } else {
            ASSERT_EQ(device->set_weight(mount->for_id(pick(6)), 1 + pick(100)), Error::none);
        }
        take_released();
        ASSERT_EQ(device->issued(), flight.size());
        ASSERT_TRUE(device->blocked() == 0 || device->issued() > 0 || device->wakes_at() != kNever) << "step " << step;
        ASSERT_EQ(device->statistics(), sum());
    }
    while (device->issued() + device->blocked() != 0) {
        now += 50'000;
        take_released();
        if (flight.empty()) {  // only time can help now
            ASSERT_NE(device->wakes_at(), kNever);
            now = std::max(now, device->wakes_at());
            continue;
        }
        device->complete(*flight.back(), now);
        flight.pop_back();
    }
    std::uint64_t bytes = 0;
    for (const Unit& each : units) {
        EXPECT_EQ(each.state, UnitState::idle);
        bytes += each.bytes;
    }
    EXPECT_EQ(
        device->statistics().of(Direction::read).bytes_done + device->statistics().of(Direction::write).bytes_done,
        bytes);
    mount->for_each([](Group& group) {
        EXPECT_EQ(group.issued(), 0u);
        EXPECT_EQ(group.held(), 0u);
        EXPECT_EQ(group.held_bytes(), 0u);
    });
}

}  // namespace
}  // namespace bandfs
