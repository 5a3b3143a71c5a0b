// Messages and files about who is in which group: auto, rules, members; and what is in force, as a configuration file.
#include <fstream>

#include "control/config.h"
#include "mount_fixture.h"

namespace bandfs {
namespace {

class Callers : public MountFixture {
protected:
    void seen(GroupId id) {
        const std::vector<GroupId> lineage{id};
        filesystem.automatic.seen(*filesystem.gate, *filesystem.groups, lineage, now_ns());
    }
};

TEST_F(Callers, AutoIsSetAndShown) {
    EXPECT_EQ(value("auto"), "0\n");
    EXPECT_EQ(value("auto_max"), "100000\n");
    EXPECT_EQ(send("auto", "30"), 0);
    EXPECT_EQ(send("auto_max", "5"), 0);
    EXPECT_EQ(send("auto_max", "100001"), EINVAL);
    EXPECT_EQ(send("auto", "1000001"), EINVAL);
    seen(77);
    EXPECT_EQ(value("auto"), "30\n");
    EXPECT_EQ(value("groups/77/weight"), "30\n");
    const std::string status = value("status.json");
    for (const char* part : {"\"auto\": 30", "\"auto_max\": 5", "\"auto_groups\": 1", "\"auto\": true"}) {
        EXPECT_NE(status.find(part), std::string::npos) << part << status;
    }
}

TEST_F(Callers, AWeightAttachesWhereGroupsComeByThemselves) {
    EXPECT_EQ(send("weight", "77:5"), EINVAL);
    EXPECT_EQ(send("auto", "30"), 0);
    EXPECT_EQ(send("weight", "77:0"), EINVAL);
    EXPECT_EQ(value("groups/77/weight"), "errno " + std::to_string(ENOENT));
    EXPECT_EQ(send("weight", "77:5"), 0);
    EXPECT_EQ(value("groups/77/weight"), "5\n");
    EXPECT_FALSE(filesystem.automatic.contains(77)) << "it stays";
    EXPECT_NE(logged.back().find("weight by uid 0, thread 1: group 77, attached: 5"), std::string::npos)
        << logged.back();
}

TEST_F(Callers, WhatSomebodySetUpStays) {
    EXPECT_EQ(send("auto", "30"), 0);
    for (const GroupId id : {1, 2, 3}) seen(id);
    EXPECT_EQ(send("weight", "1:9"), 0);
    EXPECT_EQ(send("attach", "2"), 0) << "one that came by itself may be attached";
    EXPECT_EQ(send("attach", "2"), EEXIST);
    EXPECT_EQ(send("detach", "3"), 0);
    EXPECT_EQ(filesystem.automatic.size(), 0u);
}

TEST_F(Callers, TheTypeTakesItsOwnGroupsAlong) {
    EXPECT_EQ(send("auto", "30"), 0);
    seen(1);
    EXPECT_EQ(send("attach", "2"), 0);
    EXPECT_EQ(send("type", "user"), EBUSY);
    EXPECT_EQ(value("groups/1/weight"), "30\n") << "what is refused changes nothing";
    EXPECT_EQ(send("detach", "2"), 0);
    EXPECT_EQ(send("type", "user"), 0);
    EXPECT_EQ(filesystem.groups->attached(), 0u);
}

TEST_F(Callers, AWeightAttachesNoIdThatTheTypeHasNot) {
    EXPECT_EQ(send("auto", "30"), 0);
    for (const auto& [type, id] : {std::pair{"none", "5"}, std::pair{"user", "4294967296"}, std::pair{"pid", "4194305"},
                                   std::pair{"rules", "5"}}) {
        ASSERT_EQ(send("type", type), 0) << type;
        EXPECT_EQ(send("weight", std::string(id) + ":7"), EINVAL) << type;
        EXPECT_EQ(filesystem.groups->attached(), 0u) << type;
    }
    EXPECT_EQ(send("weight", "nightly:7"), 0);
    EXPECT_EQ(value("groups/nightly/name"), "nightly\n");
}

TEST_F(Callers, RulesAreSetAllAtOnce) {
    EXPECT_EQ(send("type", "rules"), 0);
    EXPECT_EQ(send("attach", "backup"), 0);
    EXPECT_EQ(send("rules", "backup program=restic;rest uid=0"), 0);
    EXPECT_EQ(value("rules"), "backup program=restic\nrest uid=0\n");
    EXPECT_EQ(send("rules", "backup nonsense=1"), EINVAL);
    EXPECT_EQ(value("rules"), "backup program=restic\nrest uid=0\n");
    EXPECT_EQ(value("groups/backup/members"), "backup program=restic\n");
    EXPECT_EQ(value("groups/default/members"), "everybody else\n");
    EXPECT_EQ(tree->write("rules", "all\n", false, kStranger).code(), EPERM);
    EXPECT_EQ(tree->write("rules", "all\n", false, kOwner).code(), 0);
    EXPECT_EQ(value("rules"), "all\n");
    // As a program does that writes line by line.
    EXPECT_EQ(tree->write("rules", "backup uid=0\n", false, kOwner).code(), 0);
    EXPECT_EQ(tree->write("rules", "rest path=/\"x\n", true, kOwner).code(), 0);
    EXPECT_EQ(tree->write("rules", "rest colour=1\n", true, kOwner).code(), EINVAL);
    EXPECT_EQ(value("rules"), "backup uid=0\nrest path=/\"x\n");
    EXPECT_EQ(send("rules", ""), 0);
    EXPECT_EQ(value("rules"), "");
}

TEST_F(Callers, MembersOfAGroupByIdAreThatId) {
    EXPECT_EQ(send("type", "user"), 0);
    EXPECT_EQ(send("attach", "1000"), 0);
    EXPECT_EQ(value("groups/1000/members"), "user 1000\n");
}

TEST_F(Callers, CostIsShownWhereThePolicyHasOne) {
    EXPECT_EQ(value("cost"), "");
    EXPECT_EQ(send("policy", "fair"), 0);
    EXPECT_EQ(value("cost"), "bytes\n");
    EXPECT_EQ(send("cost", "time"), 0);
    EXPECT_EQ(value("cost"), "time\n");
}

TEST_F(Callers, WhatIsInForceIsAConfiguration) {
    EXPECT_EQ(send("policy", "fair"), 0);
    EXPECT_EQ(send("cost", "time"), 0);
    EXPECT_EQ(send("type", "rules"), 0);
    EXPECT_EQ(send("auto", "30"), 0);
    EXPECT_EQ(send("rules", "backup program=restic path=/\"x\\;rest gid=0 cgroup=/a*"), 0);
    EXPECT_EQ(send("attach", "backup"), 0);
    EXPECT_EQ(send("attach", "rest parent=backup"), 0);
    EXPECT_EQ(send("weight", "backup:7"), 0);
    EXPECT_EQ(send("min", "rest:1M"), 0);
    EXPECT_EQ(send("owner", "backup:1000"), 0);
    seen(12345);
    const ParsedConfig parsed = parse_config(value("config"));
    for (const ConfigProblem& problem : parsed.problems)
        ADD_FAILURE() << describe(problem, "config") << value("config");
    ASSERT_EQ(parsed.config.mounts.size(), 1u);
    const ConfiguredDeviceGroup* const device_group = parsed.config.find_device_group("sda1");
    ASSERT_NE(device_group, nullptr);
    EXPECT_EQ(device_group->policy, "fair");
    EXPECT_EQ(device_group->cost, "time");
    EXPECT_EQ(device_group->hold_s, 30u);
    const ConfiguredMount& mount = parsed.config.mounts[0];
    EXPECT_EQ(mount.source, "/data");
    EXPECT_EQ(mount.mountpoint, "/mnt/data");
    EXPECT_EQ(mount.type, GroupType::rules);
    EXPECT_EQ(mount.auto_weight, 30u);
    ASSERT_EQ(mount.rules.size(), 2u);
    EXPECT_EQ(rule_text(mount.rules[0].rule), "backup program=restic path=/\"x\\");
    ASSERT_EQ(mount.groups.size(), 2u) << "not the one that came by itself";
    EXPECT_EQ(mount.groups[0].id, "backup");
    EXPECT_EQ(mount.groups[0].weight, 7u);
    EXPECT_EQ(mount.groups[0].owner, "1000");
    EXPECT_EQ(mount.groups[1].parent, "backup");
    EXPECT_EQ(mount.groups[1].min, 1u << 20);
}

}  // namespace
}  // namespace bandfs
