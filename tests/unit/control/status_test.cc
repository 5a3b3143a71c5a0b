// The seed's two forms, exactly; the members of status.json.
#include "control/status.h"

#include <array>

#include <nlohmann/json.hpp>

#include "mount_fixture.h"

namespace bandfs {
namespace {

class StatusForms : public MountFixture {
protected:
    StatusForms() {
        send("attach", "1000");
        send("weight", "1000:300");
        send("attach", "7");
        serve(group(1000), Direction::read, 131072);
        serve(group(1000), Direction::read, 131072);
        serve(group(1000), Direction::write, 513);
        serve(filesystem.groups->default_group(), Direction::write, 4096);
    }
    nlohmann::json json() { return nlohmann::json::parse(value("status.json")); }
};

TEST_F(StatusForms, InfoIsTheSeeds) {
    EXPECT_EQ(value("status"),
              "devgrp=sda1 # read-req delay sect write-req delay sect\n"
              " default 0 0 0 1 0 8\n"
              " 1000 2 0 512 1 0 2\n"
              " 7 0 0 0 0 0 0\n");
}

TEST_F(StatusForms, TableIsTheSeeds) {
    // token_init = 2048 * weight / 500 + 1
    EXPECT_EQ(value("table"),
              "8:1 devgrp=sda1 io_throttle=4 io_limit=128\n"
              " id=default type=pid weight=100 token=410\n"
              " id=1000 weight=300 token=1229\n"
              " id=7 weight=100 token=410\n");
}

TEST_F(StatusForms, HeldUnitsAreDeferred) {
    Group& late = group(7);
    Unit units[6];
    filesystem.gate->with([&](DeviceGroup& device_group) {
        ASSERT_EQ(device_group.set_io_throttle(1), Error::none);
        ASSERT_EQ(device_group.set_io_limit(5), Error::none);
        for (Unit& unit : units) {
            unit.group = &late;
            unit.bytes = 4096;
            device_group.admit(unit, now_ns());
        }
    });
    EXPECT_NE(value("status").find(" 7 6 1 48 0 0 0\n"), std::string::npos) << value("status");
    const nlohmann::json group_7 = json()["groups"][2];
    EXPECT_EQ(group_7["held"], 1);
    EXPECT_EQ(group_7["held_bytes"], 4096);
    EXPECT_EQ(group_7["in_flight"], 5);
    EXPECT_EQ(json()["device_group"]["plugged"], true);
    filesystem.gate->with([&](DeviceGroup& device_group) {
        for (Unit& unit : units) {
            if (unit.state == UnitState::held) device_group.cancel(unit, now_ns());
        }
        for (Unit& unit : units) {
            if (unit.state == UnitState::issued) device_group.complete(unit, now_ns());
        }
    });
}

TEST_F(StatusForms, JsonHasEveryNumber) {
    filesystem.counters.unattributed = 12;
    filesystem.gate->count(*filesystem.groups, std::array<GroupId, 1>{1000}, {3, 8192, 2});
    const nlohmann::json all = json();
    EXPECT_EQ(all["source"], "/data");
    EXPECT_EQ(all["mountpoint"], "/mnt/data");
    EXPECT_EQ(all["device"], "8:1");
    EXPECT_EQ(all["owner"], 1000);
    EXPECT_EQ(all["type"], "pid");
    EXPECT_EQ(all["unattributed"], 12);
    EXPECT_EQ(all["writeback_errors"], 0);
    const nlohmann::json& device_group = all["device_group"];
    EXPECT_EQ(device_group["name"], "sda1");
    EXPECT_EQ(device_group["policy"], "weight");
    EXPECT_EQ(device_group["policy_figures"]["token_base"], 2048.0);
    EXPECT_EQ(device_group["io_throttle"], 4);
    EXPECT_EQ(device_group["io_limit"], 128);
    EXPECT_EQ(device_group["token"], 2048);
    EXPECT_EQ(device_group["read"]["units"], 2);
    EXPECT_EQ(device_group["write"]["bytes_done"], 4609);
    ASSERT_EQ(all["groups"].size(), 3u);
    EXPECT_EQ(all["groups"][0]["id"], nullptr);
    EXPECT_EQ(all["groups"][0]["name"], "default");
    const nlohmann::json& group = all["groups"][1];
    EXPECT_EQ(group["id"], 1000);
    EXPECT_EQ(group["weight"], 300);
    EXPECT_DOUBLE_EQ(group["share_wanted"], 0.6);
    EXPECT_DOUBLE_EQ(group["share_got"], (2 * 131072.0 + 513) / (2 * 131072.0 + 513 + 4096));
    EXPECT_EQ(group["read"]["immediate"], 2);
    EXPECT_EQ(group["read"]["deferred"], 0);
    EXPECT_EQ(group["read"]["bytes_done"], 262144);
    EXPECT_EQ(group["write"]["sectors"], 2);
    EXPECT_EQ(group["wait_p99_seconds"], 0.0);
    EXPECT_EQ(group["cached_reads"], 3);
    EXPECT_EQ(group["cached_bytes"], 8192);
    EXPECT_EQ(group["failures"], 2);
}

TEST_F(StatusForms, ChildrenShareWhatTheirParentIsGranted) {
    ASSERT_EQ(send("policy", "fair"), 0);
    ASSERT_EQ(send("attach", "8 parent=1000"), 0);
    ASSERT_EQ(send("attach", "9 parent=1000"), 0);
    ASSERT_EQ(send("weight", "9:300"), 0);
    const nlohmann::json groups = json()["groups"];
    EXPECT_DOUBLE_EQ(groups[1]["share_wanted"], 0.6);
    EXPECT_EQ(groups[3]["parent"], 1000);
    EXPECT_DOUBLE_EQ(groups[3]["share_wanted"], 0.15);
    EXPECT_DOUBLE_EQ(groups[4]["share_wanted"], 0.45);
}

TEST_F(StatusForms, GroupsAddUpToTheDeviceGroup) {
    Statistics sum;
    const MountSnapshot snapshot = take_snapshot(filesystem);
    for (const GroupSnapshot& each : snapshot.groups) sum += each.statistics;
    EXPECT_EQ(sum, snapshot.device_statistics);
}

TEST(StatusJson, IsJsonWhateverBytesThePathsHold) {
    MountSnapshot snapshot;
    snapshot.groups.emplace_back().is_default = true;
    const MountInfo info{"/da\xff\"ta", "/m\nnt", "8:1", "x", 0, 0};
    EXPECT_TRUE(nlohmann::json::accept(status_json(info, snapshot)));
}

}  // namespace
}  // namespace bandfs
