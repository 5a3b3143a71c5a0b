// A mount without a mountpoint: a device group behind a real gate, its groups, and a control tree.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "control/control_tree.h"
#include "fuse/filesystem.h"
#include "sys/clock.h"

namespace bandfs {

inline constexpr ControlCaller kRoot{0, 0, 1};
inline constexpr ControlCaller kOwner{1000, 1000, 2};
inline constexpr ControlCaller kStranger{1001, 1001, 3};

class MountFixture : public testing::Test {
protected:
    MountFixture() {
        auto device_group = DeviceGroup::create({}, "weight");
        DeviceGroup& scheduler = *device_group;
        filesystem.gate = std::make_shared<Gate>(std::move(device_group));
        filesystem.groups = std::make_unique<MountGroups>(scheduler, kDefaultWeight);
        filesystem.type = GroupType::pid;
        MountInfo info{"/data", "/mnt/data", "8:1", "sda1", kOwner.uid, kOwner.gid};
        tree = std::make_unique<ControlTree>(filesystem, info, log, hooks());
    }

    ControlHooks hooks() {
        ControlHooks made;
        made.logged = [this](const std::string& line, bool) { logged.push_back(line); };
        made.message.set_debug = [this](unsigned level) { debug_level = level; };
        return made;
    }

    /// Sends a message as root; the errno of the answer.
    int send(std::string_view name, std::string_view argument) { return tree->send(name, argument, kRoot).code; }

    std::string value(std::string_view path) {
        Result<std::string> text = tree->read(path);
        return text ? *text : "errno " + std::to_string(text.code());
    }

    /// A unit of this group arrives and, unless it is held, completes.
    void serve(Group& group, Direction direction, std::uint32_t bytes) {
        Unit unit;
        unit.group = &group;
        unit.direction = direction;
        unit.bytes = bytes;
        filesystem.gate->with([&](DeviceGroup& device_group) {
            ASSERT_EQ(device_group.admit(unit, now_ns()), Admission::immediate);
            device_group.complete(unit, now_ns());
        });
    }

    Group& group(GroupId id) { return *filesystem.groups->find(id); }

    Filesystem filesystem;
    EventLog log;
    std::vector<std::string> logged;
    unsigned debug_level = 0;
    std::unique_ptr<ControlTree> tree;
};

}  // namespace bandfs
