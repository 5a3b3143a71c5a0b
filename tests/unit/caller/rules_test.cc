// Rules: how they are written, and which is the first that applies.
#include "caller/rules.h"

#include <gtest/gtest.h>

#include "caller/cached_resolver.h"
#include "fake_view.h"

namespace bandfs {
namespace {

std::shared_ptr<const RuleList> rules(std::string_view text) {
    auto parsed = parse_rules(text);
    EXPECT_TRUE(parsed) << parsed.reason();
    return parsed ? *parsed : std::make_shared<const RuleList>();
}

/// The name of the group of a caller, "" when no rule applies.
std::string group_of(const RuleList& list, const CallerIds& caller, std::string_view cgroup = "",
                     std::string_view program = "", std::string_view path = "") {
    const auto id = list.first(caller, list.match_task(cgroup, program), path);
    return id ? rule_group_name(*id) : "";
}

TEST(Rules, TheFirstThatAppliesCounts) {
    const auto list = rules(
        "backup program=restic\n"
        "interactive uid=1000 cgroup=/user.slice/*\n"
        "scratch path=/tmp/*.dat;staff gid=50\n"
        "rest uid=1000\n");
    EXPECT_EQ(group_of(*list, {1, 1000, 1}, "/user.slice/a/b", "restic"), "backup");
    EXPECT_EQ(group_of(*list, {1, 1000, 1}, "/user.slice/a/b", "vi", "/tmp/x.dat"), "interactive");
    EXPECT_EQ(group_of(*list, {1, 1000, 50}, "/system.slice", "vi", "/tmp/a/x.dat"), "scratch") << "* takes slashes";
    EXPECT_EQ(group_of(*list, {1, 1000, 50}, "/system.slice", "vi", "/tmp/x"), "staff");
    EXPECT_EQ(group_of(*list, {1, 1000, 1}), "rest");
    EXPECT_EQ(group_of(*list, {1, 1001, 1}, "/user.slice/a", "resti"), "");
}

TEST(Rules, ARuleWithoutConditionsIsForEverybody) {
    EXPECT_EQ(group_of(*rules("all"), {0, 7, 7}), "all");
}

TEST(Rules, WhatIsNotKnownOfACallerDoesNotApply) {
    const auto list = rules("a program=*;b path=*;c");
    EXPECT_EQ(list->first({1, 1, 1}, std::nullopt, ""), *rule_group_id("c"));
}

TEST(Rules, AreWrittenAsTheyAreRead) {
    const std::string text = "a uid=0 gid=5 cgroup=/x* program=b?c path=/[ab]*\nb\n";
    EXPECT_EQ(rules_text(*rules(text)), text);
    EXPECT_EQ(rules_text(*rules("  a   uid=root ;; b ")), "a uid=0\nb\n");
    EXPECT_TRUE(rules("")->empty());
}

TEST(Rules, AreRefusedWithTheReason) {
    const std::vector<std::pair<std::string, std::string>> cases = {
        {"a uid=no-such-user", "rule 1: uid is wrong: there is no user \"no-such-user\""},
        {"a\nb colour=red", "rule 2: colour is no condition: those are uid, gid, cgroup, program and path"},
        {"a uid", "rule 1: \"uid\" is no condition: one would be uid=0"},
        {"a uid=1 uid=2", "rule 1: uid is given twice"},
        {"a path=", "rule 1: path is empty"},
        {"a path=x", "rule 1: path must begin with / (SOURCE), or with a pattern"},
        {"a program=sixteen-letters-",
         "rule 1: program is longer than the 15 bytes that the kernel knows of a name; a * "
         "can stand for the rest"},
        {"default uid=1",
         "rule 1: \"default\" is no name of a group: 1 to 64 letters, digits, '.', '_', '-' and '@', a letter first"},
    };
    for (const auto& [text, reason] : cases) EXPECT_EQ(parse_rules(text).reason(), reason) << text;
    std::string many;
    for (std::size_t i = 0; i < kMostRules; ++i) many += "a\n";
    EXPECT_TRUE(parse_rules(many));
    EXPECT_EQ(parse_rules(many + "a").reason(), "there are more than 64 rules");
}

TEST(Rules, NamesAndNumbersOfGroupsLeadToEachOther) {
    const auto id = rule_group_id("night.batch");
    ASSERT_TRUE(id);
    EXPECT_EQ(*parse_group_id(GroupType::rules, "night.batch"), *id);
    EXPECT_FALSE(parse_group_id(GroupType::rules, std::to_string(*id))) << "nobody has named such a group";
    keep_rule_group("night.batch");
    EXPECT_EQ(*parse_group_id(GroupType::rules, std::to_string(*id)), *id);
    EXPECT_EQ(describe_group_id(GroupType::rules, *id), "night.batch");
    EXPECT_FALSE(rule_group_id("1st"));
    EXPECT_FALSE(rule_group_id("a/b"));
    EXPECT_FALSE(rule_group_id(""));
}

class RulesOfTasks : public testing::Test {
protected:
    RulesOfTasks() { view.add(7, task("bash", "/user.slice/a")); }
    static FakeTask task(const std::string& program, const std::string& cgroup) {
        return {.process = 7,
                .group = 7,
                .cgroup = {},
                .text = {{TaskFile::program, program + "\n"}, {TaskFile::cgroup, "0::" + cgroup + "\n"}}};
    }

    FakeView view;
    CgroupTree cgroups{view};
    CachedResolver resolver{view, cgroups, 16};
    std::shared_ptr<const RuleList> list = rules("a program=bash;b cgroup=/user.slice/*;c program=tar");
};

TEST_F(RulesOfTasks, AreFoundOutByProcAndRemembered) {
    EXPECT_EQ(resolver.match_task(*list, 7), 0b011u);
    const int reads = view.reads;
    EXPECT_EQ(resolver.match_task(*list, 7), 0b011u);
    EXPECT_EQ(view.reads, reads) << "within 80 ms nothing is read";
    view.task(7).text[TaskFile::program] = "tar\n";
    view.time += 100 * kMillisecond;
    EXPECT_EQ(resolver.match_task(*list, 7), 0b110u);
}

TEST_F(RulesOfTasks, AnotherListIsLookedUpAnew) {
    EXPECT_EQ(resolver.match_task(*list, 7), 0b011u);
    EXPECT_EQ(resolver.match_task(*rules("x;a program=bash"), 7), 0b11u);
}

TEST_F(RulesOfTasks, NobodyMatchesNothing) {
    EXPECT_EQ(resolver.match_task(*list, 0), std::nullopt);
    EXPECT_EQ(resolver.match_task(*list, 99), std::nullopt);
}

}  // namespace
}  // namespace bandfs
