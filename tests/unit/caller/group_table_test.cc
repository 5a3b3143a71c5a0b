#include "caller/group_table.h"

#include <atomic>

#include <gtest/gtest.h>

#include "fake_view.h"

namespace bandfs {
namespace {

/// A machine with v2, and v1 for memory.
class GroupTableTest : public testing::Test {
protected:
    GroupTableTest() {
        view.files["/proc/self/mountinfo"] =
            mount_line("cgroup2", "/cg") + mount_line("cgroup", "/cg1/memory", "/", "rw,memory");
        view.directories = {{"/cg", 1},
                            {"/cg/user.slice", 20},
                            {"/cg/user.slice/alice.service", 4'294'967'338},
                            {"/cg1/memory", 1},
                            {"/cg1/memory/box", 20}};
        view.users = {{"alice", 1000}, {"root", 0}, {"1234", 99}};
    }
    Parsed<std::uint64_t> parse(GroupType type, std::string_view text) {
        return parse_group_id(view, cgroups, type, text);
    }
    std::string refusal(GroupType type, std::string_view text) {
        const auto id = parse(type, text);
        EXPECT_EQ(id.code(), EINVAL) << name_of(type) << " took " << text;
        return id.reason();
    }

    FakeView view;
    CgroupTree cgroups{view};
    const GroupType memory = *group_type_named("cgroup:memory");
};

TEST_F(GroupTableTest, EveryTypeHasItsRowAndKeepsItsName) {
    for (const GroupTypeRow& row : group_type_table()) {
        EXPECT_EQ(row_of(GroupType{row.kind}).name, row.name);
        EXPECT_EQ(group_type_named(row.name), GroupType{row.kind});
        EXPECT_TRUE(row.manual.ends_with('.')) << row.name;
    }
    EXPECT_EQ(group_type_names(), (std::vector<std::string_view>{"none", "pid", "pgrp", "node", "cpuset", "cgroup",
                                                                 "user", "gid", "rules"}));
    EXPECT_EQ(name_of(memory), "cgroup:memory");
    EXPECT_EQ(controller_of(memory), "memory");
    EXPECT_NE(memory, GroupType::cgroup);
    EXPECT_FALSE(group_type_named("Pid"));
    EXPECT_FALSE(group_type_named("cgroup:"));
    EXPECT_TRUE(std::atomic<GroupType>{}.is_lock_free());
}

TEST_F(GroupTableTest, TypesAreRefusedWithAReason) {
    EXPECT_EQ(*parse_group_type(cgroups, "cgroup:memory"), memory);
    EXPECT_EQ(parse_group_type(cgroups, "uid").reason(),
              "\"uid\" is no type: those are none, pid, pgrp, node, cpuset, cgroup, user, gid or rules");
    EXPECT_EQ(parse_group_type(cgroups, "cgroup:blkio").reason(),
              "type cgroup:blkio: no cgroup v1 hierarchy with that controller is mounted here");
    EXPECT_EQ(parse_group_type(cgroups, "cgroup:disk").reason(),
              "\"cgroup:disk\" names no controller of cgroup v1 (one would be cgroup:blkio)");
    EXPECT_EQ(parse_group_type(cgroups, "\n" + std::string(5000, 'x')).code(), EINVAL);
}

TEST_F(GroupTableTest, NumbersHaveToFitTheType) {
    EXPECT_EQ(*parse(GroupType::pid, "4194304"), 4'194'304U);
    EXPECT_EQ(*parse(GroupType::node, "0"), 0U);
    EXPECT_EQ(*parse(GroupType::user, "4294967294"), 4'294'967'294U);
    EXPECT_EQ(*parse(GroupType::gid, "0"), 0U);
    EXPECT_EQ(refusal(GroupType::pid, "0"), "\"0\" is not a process id: those go from 1 to 4194304");
    EXPECT_EQ(refusal(GroupType::user, "4294967295"), "\"4294967295\" is not a user id: those go from 0 to 4294967294");
    EXPECT_EQ(refusal(GroupType::pgrp, "shell"), "\"shell\" is not a number, so it is not a process group id");
    for (const GroupType type : {GroupType::pid, GroupType::pgrp, GroupType::node, GroupType::user, GroupType::gid})
        for (const char* text :
             {"", "-1", "+1", " 1", "1 ", "0x10", "1e3", "18446744073709551616", "99999999999999999999999"})
            EXPECT_NE(refusal(type, text), "");
    for (const char* text : {"0", "/", "alice", ""}) EXPECT_NE(refusal(GroupType::none, text), "");
}

TEST_F(GroupTableTest, UsersByName) {
    EXPECT_EQ(*parse(GroupType::user, "alice"), 1000U);
    EXPECT_EQ(*parse(GroupType::user, "root"), 0U);
    EXPECT_EQ(*parse(GroupType::user, "1234"), 1234U) << "digits are a number, whatever users are called";
    EXPECT_EQ(refusal(GroupType::user, "alcie"), "there is no user \"alcie\"");
    EXPECT_EQ(refusal(GroupType::gid, "wheel"), "there is no group \"wheel\"");
    EXPECT_EQ(refusal(GroupType::user, std::string_view("alice\0x", 7)), "there is no user \"alice?x\"");
    EXPECT_LT(refusal(GroupType::user, std::string(100'000, 'a')).size(), 200U);
    view.user_error = EIO;
    EXPECT_EQ(refusal(GroupType::user, "alcie"), "the user \"alcie\" cannot be looked up: Input/output error");
}

TEST_F(GroupTableTest, CgroupsByPathAndId) {
    EXPECT_EQ(*parse(GroupType::cgroup, "/user.slice/alice.service"), 4'294'967'338U);
    EXPECT_EQ(*parse(GroupType::cgroup, "/user.slice/"), 20U);
    EXPECT_EQ(*parse(GroupType::cgroup, "/"), 1U);
    EXPECT_EQ(*parse(GroupType::cgroup, "4294967338"), 4'294'967'338U);
    EXPECT_EQ(*parse(memory, "/box"), 20U);
    EXPECT_EQ(refusal(GroupType::cgroup, "/box"), "there is no cgroup \"/box\"");
    EXPECT_EQ(refusal(memory, "/user.slice"), "there is no cgroup:memory \"/user.slice\"");
    EXPECT_EQ(refusal(GroupType::cgroup, "77"), "no cgroup has the id \"77\"");
    for (const char* text :
         {"", "user.slice", "/user.slice/../user.slice", "/./user.slice", "/..", "0", "-20", "/user.slice//x"})
        EXPECT_NE(refusal(GroupType::cgroup, text), "") << text;
    EXPECT_NE(refusal(GroupType::cgroup, "/" + std::string(10'000, 'x')), "");
}

TEST_F(GroupTableTest, DescribesWhatItParses) {
    const auto describe = [&](GroupType type, std::uint64_t id) { return row_of(type).describe(cgroups, type, id); };
    EXPECT_EQ(describe(GroupType::user, 1000), "1000");
    EXPECT_EQ(describe(GroupType::cgroup, 20), "/user.slice");
    EXPECT_EQ(describe(memory, 20), "/box");
    EXPECT_EQ(describe(GroupType::cgroup, 1), "/");
    EXPECT_EQ(describe(GroupType::cgroup, 77), "77");
    view.directories.erase("/cg/user.slice");
    EXPECT_EQ(describe(GroupType::cgroup, 20), "20") << "gone";
    view.directories["/cg/system.slice"] = 20;
    EXPECT_EQ(describe(GroupType::cgroup, 20), "/system.slice") << "renamed";
}

TEST_F(GroupTableTest, LineageGoesToTheRoot) {
    EXPECT_EQ(cgroups.lineage(GroupType::cgroup, 4'294'967'338U), (std::vector<std::uint64_t>{4'294'967'338U, 20, 1}));
    EXPECT_EQ(cgroups.lineage(memory, 20), (std::vector<std::uint64_t>{20, 1}));
    EXPECT_EQ(cgroups.lineage(GroupType::cgroup, 1), (std::vector<std::uint64_t>{1}));
    EXPECT_EQ(cgroups.lineage(GroupType::cgroup, 77), (std::vector<std::uint64_t>{77}));
    view.directories.clear();
    EXPECT_EQ(cgroups.lineage(GroupType::cgroup, 4'294'967'338U), (std::vector<std::uint64_t>{4'294'967'338U, 20, 1}))
        << "known, and for ever";
}

TEST_F(GroupTableTest, InAContainerPathsAreThoseOfProc) {
    view.files["/proc/self/mountinfo"] = mount_line("cgroup2", "/cg", "/pod/one");
    CgroupTree inside(view);
    EXPECT_EQ(*inside.id_at(GroupType::cgroup, "/pod/one/user.slice"), 20U);
    EXPECT_EQ(*inside.id_at(GroupType::cgroup, "/pod/one"), 1U);
    EXPECT_EQ(inside.id_at(GroupType::cgroup, "/pod/onemore").code(), ENOENT);
    EXPECT_EQ(inside.id_at(GroupType::cgroup, "/../other").code(), ENOENT);
    EXPECT_EQ(inside.path_of(GroupType::cgroup, 20), "/pod/one/user.slice");
    EXPECT_EQ(inside.lineage(GroupType::cgroup, 20), (std::vector<std::uint64_t>{20, 1}));
}

TEST_F(GroupTableTest, AHierarchyMountedLaterIsFound) {
    EXPECT_FALSE(cgroups.is_mounted(*group_type_named("cgroup:pids")));
    view.files["/proc/self/mountinfo"] += mount_line("cgroup", "/cg1/pids", "/", "rw,pids");
    EXPECT_FALSE(cgroups.is_mounted(*group_type_named("cgroup:pids"))) << "not read at every question";
    view.time += kSecond;
    EXPECT_TRUE(cgroups.is_mounted(*group_type_named("cgroup:pids")));
}

TEST_F(GroupTableTest, CpusetIsV1WhereItIsThatAndV2Otherwise) {
    EXPECT_EQ(*parse(GroupType::cpuset, "/user.slice"), 20U);
    view.files["/proc/self/mountinfo"] += mount_line("cgroup", "/cg1/cpuset", "/", "rw,cpuset");
    view.directories["/cg1/cpuset/fast"] = 31;
    CgroupTree with_v1(view);
    EXPECT_EQ(*parse_group_id(view, with_v1, GroupType::cpuset, "/fast"), 31U);
    EXPECT_EQ(parse_group_id(view, with_v1, GroupType::cpuset, "/user.slice").code(), EINVAL);
}

TEST_F(GroupTableTest, NoCgroupsAtAll) {
    view.files.clear();
    CgroupTree none(view);
    EXPECT_EQ(parse_group_type(none, "cgroup").reason(), "type cgroup: the cgroup v2 hierarchy is not mounted here");
    EXPECT_EQ(parse_group_type(none, "cpuset").reason(), "type cpuset: no cgroup hierarchy is mounted here");
    EXPECT_EQ(parse_group_id(view, none, GroupType::cgroup, "/").code(), EINVAL);
    EXPECT_EQ(none.lineage(GroupType::cgroup, 5), (std::vector<std::uint64_t>{5}));
}

}  // namespace
}  // namespace bandfs
