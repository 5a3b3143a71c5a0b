// A device group with one mount, driven by hand under a manual clock.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "bandfs/device_group.h"

namespace bandfs {

class SchedulerFixture : public ::testing::Test {
protected:
    explicit SchedulerFixture(const DeviceGroupSettings& settings = {}, std::string_view policy = "weight")
        : device(DeviceGroup::create(settings, policy)),
          mount(std::make_unique<MountGroups>(*device, kDefaultWeight)) {}

    ~SchedulerFixture() override {
        if (mount == nullptr) return;
        device->suspend();
        drain();
    }

    Group& attach(GroupId id, std::uint64_t weight = kDefaultWeight) {
        EXPECT_EQ(mount->attach(id, weight), Error::none);
        return mount->for_id(id);
    }

    Unit& unit(Group& group, std::uint32_t bytes = 4096, Direction direction = Direction::read) {
        Unit& made = units.emplace_back();
        made.group = &group;
        made.bytes = bytes;
        made.direction = direction;
        return made;
    }

    Unit& admit(Group& group, std::uint32_t bytes = 4096, Direction direction = Direction::read) {
        Unit& made = unit(group, bytes, direction);
        device->admit(made, now);
        return made;
    }

    /// Admits units of the group until one is held, which is the answer.
    Unit& fill(Group& group) {
        while (true) {
            Unit& made = admit(group);
            if (made.state == UnitState::held) return made;
        }
    }

    std::vector<Unit*> released() {
        std::vector<Unit*> list;
        while (Unit* next = device->release_next(now)) list.push_back(next);
        return list;
    }

    std::vector<Unit*> complete(Unit& done) {
        device->complete(done, now);
        return released();
    }

    /// Completes and releases until nothing moves any more.
    void drain() {
        released();
        for (bool moved = true; moved;) {
            moved = false;
            for (Unit& each : units) {
                if (each.state != UnitState::issued) continue;
                complete(each);
                moved = true;
            }
        }
    }

    /// The sum over what status shows.
    Statistics sum() const {
        Statistics total;
        std::as_const(*mount).for_each([&](const Group& group) { total += group.statistics(); });
        return total;
    }

    TimeNs now = 1000;
    std::deque<Unit> units;
    std::unique_ptr<DeviceGroup> device;
    std::unique_ptr<MountGroups> mount;
};

}  // namespace bandfs
