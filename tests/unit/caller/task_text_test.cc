#include "caller/task_text.h"

#include <gtest/gtest.h>

#include "fake_view.h"

namespace bandfs {
namespace {

TEST(TaskText, StatIsReadBehindANameWithBlanksAndParentheses) {
    const auto stat = parse_stat(stat_text('D', 0x404, 3, 0x100, 5));
    ASSERT_TRUE(stat);
    EXPECT_EQ(stat->state, 'D');
    EXPECT_TRUE(stat->exiting);
    EXPECT_TRUE(stat->signalled);
    EXPECT_EQ(stat->threads, 3);
    EXPECT_TRUE(stat->kill_pending);
    EXPECT_EQ(stat->cpu, 5U);
}

TEST(TaskText, OnlySigkillIsAKill) {
    EXPECT_FALSE(parse_stat(stat_text('D', 0, 1, 0x2 | 0x80 | 0x200 | 0x4000))->kill_pending);  // INT, FPE, USR1, TERM
}

TEST(TaskText, ShortOrForeignStatIsNothing) {
    for (const char* text : {"", ")", "7 (x) R 1 2 3", "7 (x", "7 (x) RR 1"}) EXPECT_FALSE(parse_stat(text)) << text;
    std::string letters = stat_text('R', 0, 1, 0);
    letters.replace(letters.find("R 0 0"), 5, "R a b");
    EXPECT_TRUE(parse_stat(letters)) << "fields that are not needed may be anything";
}

TEST(TaskText, StatusValues) {
    const std::string status =
        "Name:\tTgid: 9\nTgid:\t12\nGroups:\t4 24 1000 \nSigPnd:\t0000000000000000\nShdPnd:\t0000000000000100\n";
    EXPECT_EQ(status_process(status), 12);
    EXPECT_EQ(status_groups(status), (std::vector<gid_t>{4, 24, 1000}));
    EXPECT_TRUE(status_kill_pending(status));
    EXPECT_FALSE(status_kill_pending("SigPnd:\t0000000000004002\nShdPnd:\t0000000000000000\n"));
    EXPECT_FALSE(status_value(status, "Sig"));
    EXPECT_TRUE(status_groups("Groups:\t \n").empty());
}

TEST(TaskText, CgroupPathByController) {
    const std::string text = "9:name=systemd:/a\n4:cpu,cpuacct:/b:c\n3:cpuset:/\n0::/d/e.service\n";
    EXPECT_EQ(cgroup_path(text, ""), "/d/e.service");
    EXPECT_EQ(cgroup_path(text, "cpuacct"), "/b:c");
    EXPECT_EQ(cgroup_path(text, "name=systemd"), "/a");
    EXPECT_FALSE(cgroup_path(text, "memory"));
    EXPECT_FALSE(cgroup_path("", ""));
}

TEST(TaskText, NumberLists) {
    EXPECT_EQ(parse_number_list("0-2,8\n", 10), (std::vector<unsigned>{0, 1, 2, 8}));
    EXPECT_EQ(parse_number_list("0-4294967295", 2), (std::vector<unsigned>{0, 1}));
    EXPECT_TRUE(parse_number_list("\n", 2).empty());
    EXPECT_TRUE(parse_number_list("4-2,x", 2).empty());
}

TEST(TaskText, CgroupMounts) {
    const auto mounts = parse_cgroup_mounts(mount_line("ext4", "/") + mount_line("cgroup2", "/a\\040b", "/pod") +
                                            mount_line("cgroup", "/v1", "/", "rw,cpu,cpuacct") + "garbage - x\n");
    ASSERT_EQ(mounts.size(), 2U);
    EXPECT_EQ(mounts[0].point, "/a b");
    EXPECT_EQ(mounts[0].root, "/pod");
    EXPECT_TRUE(mounts[0].unified);
    EXPECT_FALSE(mounts[1].unified);
    EXPECT_EQ(mounts[1].controllers, (std::vector<std::string>{"rw", "cpu", "cpuacct"}));
}

}  // namespace
}  // namespace bandfs
