#include "caller/cached_resolver.h"

#include <gtest/gtest.h>

#include "fake_view.h"

namespace bandfs {
namespace {

constexpr pid_t kThread = 501;
constexpr pid_t kProcess = 500;

/// A made-up machine; the parameter is whether its kernel has PIDFD_GET_INFO.
class CachedResolverTest : public testing::TestWithParam<bool> {
protected:
    CachedResolverTest() {
        view.tells_info = GetParam();
        view.files["/proc/self/mountinfo"] =
            mount_line("cgroup2", "/cg") + mount_line("cgroup", "/cg1/memory", "/", "rw,memory");
        view.directories = {{"/cg", 1}, {"/cg/a", 10}, {"/cg/b", 11}, {"/cg1/memory", 1}, {"/cg1/memory/m", 12}};
        view.add(kThread, in_cgroup(kProcess, "/a"));
    }
    FakeTask in_cgroup(pid_t process, const std::string& path) const {
        FakeTask task{process, process, view.directories.at("/cg" + path), {}};
        task.text[TaskFile::cgroup] = "4:memory:/m\n0::" + path + "\n";
        task.text[TaskFile::cpuset] = path + "\n";
        return task;
    }
    /// The task of that number goes to another cgroup, and stays the same task.
    void move(pid_t tid, const std::string& path) {
        const FakeTask moved = in_cgroup(view.task(tid).process, path);
        view.task(tid).cgroup = moved.cgroup;
        view.task(tid).text[TaskFile::cgroup] = moved.text.at(TaskFile::cgroup);
    }
    std::optional<std::uint64_t> resolve(GroupType type, pid_t tid = kThread) {
        return resolver.resolve(type, CallerIds{tid, 1000, 100});
    }

    FakeView view;
    CgroupTree cgroups{view};
    CachedResolver resolver{view, cgroups, 640};
};

TEST_P(CachedResolverTest, EachTypeHasItsId) {
    EXPECT_EQ(resolve(GroupType::none), std::nullopt);
    EXPECT_EQ(resolve(GroupType::pid), kProcess);
    EXPECT_EQ(resolve(GroupType::pgrp), kProcess);
    EXPECT_EQ(resolve(GroupType::node), 0U);
    EXPECT_EQ(resolve(GroupType::cgroup), 10U);
    EXPECT_EQ(resolve(*group_type_named("cgroup:memory")), 12U);
    EXPECT_EQ(resolve(*group_type_named("cgroup:pids")), std::nullopt);
    EXPECT_EQ(resolve(GroupType::cpuset), 10U);
    EXPECT_EQ(resolve(GroupType::user), 1000U);
    EXPECT_EQ(resolve(GroupType::gid), 100U);
    EXPECT_EQ(resolver.lineage(GroupType::cgroup, 10), (std::vector<std::uint64_t>{10, 1}));
    EXPECT_EQ(resolver.lineage(GroupType::user, 10), (std::vector<std::uint64_t>{10}));
}

TEST_P(CachedResolverTest, WithoutANumberOnlyUserAndGroupAreKnown) {
    for (const GroupTypeRow& row : group_type_table()) {
        const bool of_identity = row.kind == GroupType::Kind::user || row.kind == GroupType::Kind::gid;
        EXPECT_EQ(resolver.resolve(GroupType{row.kind}, CallerIds{0, 0, 0}).has_value(), of_identity) << row.name;
        EXPECT_EQ(
            resolver.resolve(GroupType{row.kind}, CallerIds{kThread, static_cast<uid_t>(-1), static_cast<gid_t>(-1)})
                .has_value(),
            row.kind != GroupType::Kind::none && row.kind != GroupType::Kind::rules && !of_identity)
            << row.name;
    }
    EXPECT_EQ(resolver.resolve(GroupType::user, CallerIds{0, 1000, 100}), 1000U);
    EXPECT_EQ(resolver.resolve(GroupType::gid, CallerIds{0, 1000, 0}), 0U);
    EXPECT_EQ(resolver.resolve(GroupType::user, CallerIds{kThread, 0, 0}), 0U) << "root can have a group";
    EXPECT_EQ(resolve(GroupType::pid, 0), std::nullopt);
    EXPECT_EQ(resolve(GroupType::pgrp, 0), std::nullopt);
    EXPECT_FALSE(resolver.dying(0));
    EXPECT_TRUE(resolver.supplementary_groups(0).empty());
}

TEST_P(CachedResolverTest, AnUnknownNumberIsNobody) {
    for (const GroupType type : {GroupType::pid, GroupType::pgrp, GroupType::cgroup, GroupType::cpuset})
        EXPECT_EQ(resolve(type, 9), std::nullopt) << name_of(type);
}

TEST_P(CachedResolverTest, ASuccessorUnderTheNumberIsSomeoneElse) {
    EXPECT_EQ(resolve(GroupType::pid), kProcess);
    EXPECT_EQ(resolve(GroupType::cgroup), 10U);
    view.add(kThread, in_cgroup(700, "/b"));  // no time has passed
    EXPECT_EQ(resolve(GroupType::pid), 700U);
    EXPECT_EQ(resolve(GroupType::cgroup), 11U);
    view.add(kThread, in_cgroup(700, "/a"));  // even one of the same process, or a process of that number
    EXPECT_EQ(resolve(GroupType::cgroup), 10U);
    EXPECT_EQ(resolve(GroupType::cpuset), 10U);
    view.add(kThread, in_cgroup(700, "/b"));
    EXPECT_EQ(resolve(GroupType::cpuset), 11U);
}

/// Callers in v1, of which many are looked at again at the same time.
TEST_P(CachedResolverTest, ManyCallersOfACgroupAreLookedUpInItsList) {
    const GroupType memory = *group_type_named("cgroup:memory");
    std::string list;
    for (pid_t tid = 1000; tid < 1100; ++tid) {
        view.add(tid, in_cgroup(tid, "/a"));
        list += std::to_string(tid) + "\n";
        EXPECT_EQ(resolve(memory, tid), 12U);
    }
    view.files["/cg1/memory/m/tasks"] = list;
    view.task(1099).text[TaskFile::cgroup] = "4:memory:/\n0::/a\n";
    view.files["/cg1/memory/m/tasks"].erase(list.find("1099"));
    view.time += 99 * kMillisecond;
    view.reads = 0;
    for (pid_t tid = 1000; tid < 1099; ++tid) EXPECT_EQ(resolve(memory, tid), 12U);
    EXPECT_EQ(view.reads, 8) << "the first few alone";
    EXPECT_EQ(resolve(memory, 1099), 1U) << "not on the list: it has moved";

    view.task(1050).text[TaskFile::cgroup] = "4:memory:/\n0::/a\n";
    view.files["/cg1/memory/m/tasks"].erase(list.find("1050"), 5);
    view.time += 99 * kMillisecond;
    EXPECT_EQ(resolve(memory, 1050), 1U) << "the list is not older than what it stands for";
}

TEST_P(CachedResolverTest, AMoveShowsWithin100Ms) {
    EXPECT_EQ(resolve(GroupType::cgroup), 10U);
    move(kThread, "/b");
    view.time += 99 * kMillisecond;
    EXPECT_EQ(resolve(GroupType::cgroup), 11U);
    move(kThread, "/a");
    view.time += 99 * kMillisecond;
    EXPECT_EQ(resolve(GroupType::cgroup), 10U);
    view.task(kThread).group = 7;
    EXPECT_EQ(resolve(GroupType::pgrp), 7U) << "at once";
}

TEST_P(CachedResolverTest, BetweenTwoLooksNothingIsRead) {
    const GroupType memory = *group_type_named("cgroup:memory");
    for (const GroupType type : {GroupType::pid, GroupType::cgroup, memory}) resolve(type);
    view.reads = view.liveness_checks = 0;
    for (int request = 0; request < 100; ++request) {
        resolve(GroupType::pid);
        resolve(GroupType::cgroup);
        resolve(memory);
    }
    EXPECT_EQ(view.reads, 0);
    EXPECT_EQ(view.liveness_checks, 300);
}

TEST_P(CachedResolverTest, NobodyIsAskedForWhileNoNumberCanComeAgain) {
    view.reuse = 40 * kMillisecond;
    EXPECT_EQ(resolve(GroupType::cgroup), 10U);
    view.liveness_checks = 0;
    for (int i = 0; i < 39; ++i) {
        view.time += kMillisecond;
        EXPECT_EQ(resolve(GroupType::cgroup), 10U);
    }
    EXPECT_EQ(view.liveness_checks, 0);
    const FakeTask task = view.task(kThread);
    view.time += TaskCache::kLastWords - kMillisecond;
    view.remove(kThread);
    EXPECT_EQ(resolve(GroupType::cgroup), 10U) << "its last requests are its own, from the last that it sent on";
    view.add(kThread, task);
    EXPECT_EQ(resolve(GroupType::cgroup), 10U);
    view.time += view.reuse;
    view.add(kThread, in_cgroup(700, "/b"));
    EXPECT_EQ(resolve(GroupType::cgroup), 11U);
    EXPECT_GT(view.liveness_checks, 0);
}

TEST_P(CachedResolverTest, WhatIsReadOfAnotherTaskDoesNotCount) {
    const GroupType memory = *group_type_named("cgroup:memory");
    EXPECT_EQ(resolve(GroupType::pid), kProcess);
    view.after_read = [&] { view.add(kThread, in_cgroup(700, "/b")); };
    EXPECT_EQ(resolve(memory), std::nullopt);
    EXPECT_EQ(resolve(memory), 12U);
    EXPECT_EQ(resolve(GroupType::pid), 700U);
}

TEST_P(CachedResolverTest, WhoHasJustGoneIsStillKnown) {
    EXPECT_EQ(resolve(GroupType::pid), kProcess);
    EXPECT_EQ(resolve(GroupType::cgroup), 10U);
    view.remove(kThread);
    view.time += TaskCache::kLastWords;
    EXPECT_EQ(resolve(GroupType::pid), kProcess);
    EXPECT_EQ(resolve(GroupType::cgroup), 10U);
    EXPECT_EQ(resolve(GroupType::cpuset), std::nullopt) << "never read, and nothing to read it from";
    view.time += 1;
    EXPECT_EQ(resolve(GroupType::pid), std::nullopt);
    EXPECT_EQ(resolve(GroupType::cgroup), std::nullopt);
}

TEST_P(CachedResolverTest, WhoIsOnItsWayOutIsNotInTheRootCgroup) {
    const GroupType memory = *group_type_named("cgroup:memory");
    EXPECT_EQ(resolve(memory), 12U);
    view.task(kThread).text[TaskFile::cgroup] = "4:memory:/\n0::/a\n";
    view.task(kThread).text[TaskFile::stat] = stat_text('R', 0x4, 1, 0);
    view.time += kSecond;
    EXPECT_EQ(resolve(memory), 12U) << "the last that is known";
    FakeTask late = view.task(kThread);
    view.add(kThread + 1, late);
    EXPECT_EQ(resolve(memory, kThread + 1), std::nullopt) << "never seen before";
    late.text[TaskFile::stat] = stat_text('R', 0, 1, 0);
    view.add(kThread + 2, late);
    EXPECT_EQ(resolve(memory, kThread + 2), 1U) << "that one is there";
}

TEST_P(CachedResolverTest, DescriptorsAreBounded) {
    for (pid_t tid = 1000; tid < 4000; ++tid) {
        view.add(tid, in_cgroup(tid, "/a"));
        EXPECT_EQ(resolve(GroupType::pid, tid), tid);
    }
    EXPECT_LE(view.open_descriptors(), 640);
    EXPECT_GT(view.open_descriptors(), 320) << "the bound is used";
    view.liveness_checks = 0;
    EXPECT_EQ(resolve(GroupType::pid, 3999), 3999U);
    EXPECT_EQ(view.liveness_checks, 1) << "the latest were kept";
    EXPECT_EQ(resolve(GroupType::pid, 1000), 1000U) << "and the others are found again";
}

TEST_P(CachedResolverTest, WithoutDescriptorsItStillAnswers) {
    view.has_descriptors = false;
    EXPECT_EQ(resolve(GroupType::pid), kProcess);
    EXPECT_EQ(resolve(GroupType::cgroup), 10U);
    view.add(kThread, in_cgroup(700, "/b"));
    EXPECT_EQ(resolve(GroupType::pid), 700U);
    EXPECT_EQ(resolve(GroupType::cgroup), 11U);
}

TEST_P(CachedResolverTest, ACgroupOutOfSightHasAnIdWhereTheKernelTellsIt) {
    view.task(kThread).cgroup = 99;
    view.task(kThread).text[TaskFile::cgroup] = "0::/../elsewhere\n";
    EXPECT_EQ(resolve(GroupType::cgroup), GetParam() ? std::optional<std::uint64_t>(99) : std::nullopt);
    EXPECT_EQ(resolver.lineage(GroupType::cgroup, 99), (std::vector<std::uint64_t>{99}));
    view.reads = 0;
    for (int request = 0; request < 10; ++request) resolve(GroupType::cgroup);
    EXPECT_EQ(view.reads, 0) << "and is not looked for each time";
    view.directories["/cg/late"] = 99;
    view.time += kSecond;
    EXPECT_EQ(resolver.lineage(GroupType::cgroup, 99), (std::vector<std::uint64_t>{99, 1}))
        << "but again after a while";
}

TEST_P(CachedResolverTest, NodesOfALargerMachine) {
    const std::string folder = "/sys/devices/system/node/";
    view.files[folder + "has_memory"] = "0-1\n";
    view.files[folder + "online"] = "0-2\n";
    view.files[folder + "node0/cpulist"] = "0-3\n";
    view.files[folder + "node1/cpulist"] = "4-7\n";
    view.files[folder + "node2/cpulist"] = "8\n";  // processors without memory
    CachedResolver large(view, cgroups, 640);
    const auto node = [&](const std::string& allowed, unsigned cpu) {
        FakeTask task = in_cgroup(kProcess, "/a");
        task.text[TaskFile::status] = "Tgid:\t500\nMems_allowed_list:\t" + allowed + "\n";
        task.text[TaskFile::stat] = stat_text('R', 0, 1, 0, cpu);
        view.add(kThread, task);
        return large.resolve(GroupType::node, CallerIds{kThread, 0, 0});
    };
    EXPECT_EQ(node("1", 0), 1U) << "may allocate on one";
    EXPECT_EQ(node("0-1", 5), 1U) << "runs there";
    EXPECT_EQ(node("0-1", 3), 0U);
    EXPECT_EQ(node("0-1", 8), 2U);
    EXPECT_EQ(node("0-1", 64), std::nullopt) << "a processor that came later";
    view.task(kThread).text[TaskFile::stat] = stat_text('R', 0, 1, 0, 2);
    view.time += kSecond;
    EXPECT_EQ(large.resolve(GroupType::node, CallerIds{kThread, 0, 0}), 0U) << "it wandered";
}

struct Fate {
    const char* what;
    std::string stat;
    bool dying;
};

TEST_P(CachedResolverTest, WhoIsDying) {
    const Fate fates[] = {
        {"runs", stat_text('R', 0, 1, 0), false},
        {"waits with SIGTERM pending", stat_text('D', 0, 1, 0x4000), false},
        {"waits with SIGKILL pending", stat_text('D', 0, 2, 0x100), true},
        {"was killed and waits for its I/O", stat_text('D', 0x404, 1, 0), true},
        {"exits by itself and waits for its I/O", stat_text('D', 0x4, 1, 0), false},
        {"zombie", stat_text('Z', 0x4, 1, 0), true},
        {"first thread left, others go on", stat_text('Z', 0x4, 3, 0), false},
    };
    for (const Fate& fate : fates) {
        view.task(kThread).text[TaskFile::stat] = fate.stat;
        EXPECT_EQ(resolver.dying(kThread), fate.dying) << fate.what;
    }
    view.task(kThread).text[TaskFile::stat] = stat_text('D', 0x4, 1, 0);
    view.task(kThread).text[TaskFile::status] += "SigPnd:\t0\nShdPnd:\t0000000000000100\n";
    EXPECT_TRUE(resolver.dying(kThread)) << "killed while it exits";
    view.task(kThread).text.erase(TaskFile::stat);
    EXPECT_FALSE(resolver.dying(kThread)) << "alive, and its files not for us (hidepid)";
}

TEST_P(CachedResolverTest, AThreadThatEndedIsDyingWithItsProcess) {
    FakeTask leader = in_cgroup(kProcess, "/a");
    leader.text[TaskFile::stat] = stat_text('S', 0, 1, 0);
    view.add(kProcess, leader);
    view.task(kThread).text[TaskFile::stat] = stat_text('D', 0, 2, 0);
    EXPECT_FALSE(resolver.dying(kThread));
    view.remove(kThread);
    EXPECT_FALSE(resolver.dying(kThread)) << "its process waits for what it began";
    view.add(kThread, in_cgroup(700, "/b"));
    EXPECT_FALSE(resolver.dying(kThread)) << "whoever has the number now";
    view.remove(kProcess);
    EXPECT_TRUE(resolver.dying(kThread));
    EXPECT_FALSE(resolver.dying(4711)) << "never seen";
}

TEST_P(CachedResolverTest, SupplementaryGroups) {
    view.task(kThread).text[TaskFile::status] += "Groups:\t4 1000 \n";
    EXPECT_EQ(resolver.supplementary_groups(kThread), (std::vector<gid_t>{4, 1000}));
    EXPECT_TRUE(resolver.supplementary_groups(9).empty());
}

INSTANTIATE_TEST_SUITE_P(Kernels, CachedResolverTest, testing::Bool(),
                         [](const auto& param) { return param.param ? "with_pidfd_info" : "without_pidfd_info"; });

}  // namespace
}  // namespace bandfs
