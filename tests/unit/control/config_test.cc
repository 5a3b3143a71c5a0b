// The configuration file: what is understood, what is wrong and where, and that the example shows every key.
#include "control/config.h"

#include <fstream>
#include <regex>
#include <sstream>

#include <gtest/gtest.h>

#include "control/config_keys.h"
#include "control/nearest.h"

namespace bandfs {
namespace {

std::vector<std::string> problems(std::string_view text) {
    std::vector<std::string> all;
    for (const ConfigProblem& each : parse_config(text).problems) all.push_back(describe(each, "f"));
    return all;
}

TEST(Config, UnderstandsEveryKey) {
    const ParsedConfig parsed = parse_config(R"(
        [device_group.scratch]
        policy = "fair"
        cost = "time"
        io_throttle = 2
        io_limit = 16
        token = 64
        held_max = 16
        hold = 5
        [[mount]]
        source = "/srv/a"
        mountpoint = "/mnt/a"
        device_group = "scratch"
        type = "user"
        weight = 50
        min = "1M"
        max = 3000000
        auto = 20
        auto_max = 400
        unit_size = 65536
        dirty = 32
        readahead = 512
        attr_timeout = 0.5
        entry_timeout = 2
        control = "none"
        options = "allow_other"
        [[mount.group]]
        id = "root"
        weight = 300
        [[mount.group]]
        id = 1000
        parent = 0
        owner = "root"
        min = "5M"
        max = 20000000
        [[mount]]
        source = "/srv/b"
        mountpoint = "/mnt/b"
    )");
    ASSERT_TRUE(parsed.ok()) << describe(parsed.problems[0], "f");
    const ConfiguredDeviceGroup* const device_group = parsed.config.find_device_group("scratch");
    ASSERT_NE(device_group, nullptr);
    EXPECT_EQ(device_group->policy, "fair");
    EXPECT_EQ(device_group->cost, "time");
    EXPECT_EQ(device_group->io_throttle, 2u);
    EXPECT_EQ(device_group->io_limit, 16u);
    EXPECT_EQ(device_group->token, 64u);
    EXPECT_EQ(device_group->held_max_mib, 16u);
    EXPECT_EQ(device_group->hold_s, 5u);
    ASSERT_EQ(parsed.config.mounts.size(), 2u);
    const ConfiguredMount& mount = parsed.config.mounts[0];
    EXPECT_EQ(mount.source, "/srv/a");
    EXPECT_EQ(mount.mountpoint, "/mnt/a");
    EXPECT_EQ(mount.device_group, "scratch");
    EXPECT_EQ(mount.type, GroupType::user);
    EXPECT_EQ(mount.weight, 50u);
    EXPECT_EQ(mount.min, 1u << 20);
    EXPECT_EQ(mount.max, 3'000'000u);
    EXPECT_EQ(mount.auto_weight, 20u);
    EXPECT_EQ(mount.auto_max, 400u);
    EXPECT_EQ(mount.unit_size, 65536u);
    EXPECT_EQ(mount.dirty_mib, 32u);
    EXPECT_EQ(mount.readahead_kib, 512u);
    EXPECT_EQ(mount.attr_timeout_s, 0.5);
    EXPECT_EQ(mount.entry_timeout_s, 2.0);
    EXPECT_EQ(mount.control, "none");
    EXPECT_EQ(mount.options, "allow_other");
    ASSERT_EQ(mount.groups.size(), 2u);
    EXPECT_EQ(mount.groups[0].id, "root");
    EXPECT_EQ(mount.groups[0].weight, 300u);
    EXPECT_EQ(mount.groups[1].id, "1000");
    EXPECT_EQ(mount.groups[1].weight, std::nullopt);
    EXPECT_EQ(mount.groups[1].parent, "0");
    EXPECT_EQ(mount.groups[1].owner, "root");
    EXPECT_EQ(mount.groups[1].min, 5u << 20);
    EXPECT_EQ(mount.groups[1].max, 20'000'000u);
    EXPECT_EQ(parsed.config.mounts[1].device_group, std::nullopt);
}

TEST(Config, UnderstandsRules) {
    const ParsedConfig parsed = parse_config(R"(
        [[mount]]
        source = "/srv/a"
        mountpoint = "/mnt/a"
        type = "rules"
        [[mount.rule]]
        group = "backup"
        uid = "root"
        gid = 5
        cgroup = "/a*"
        program = "restic"
        path = "/b/*"
        [[mount.rule]]
        group = "rest"
        [[mount.group]]
        id = "backup"
    )");
    ASSERT_TRUE(parsed.ok()) << describe(parsed.problems[0], "f");
    const ConfiguredMount& mount = parsed.config.mounts.at(0);
    ASSERT_EQ(mount.rules.size(), 2u);
    EXPECT_EQ(rule_text(mount.rules[0].rule), "backup uid=0 gid=5 cgroup=/a* program=restic path=/b/*");
    EXPECT_EQ(rule_text(mount.rules[1].rule), "rest");
}

TEST(Config, AnEmptyFileIsAConfiguration) {
    EXPECT_TRUE(parse_config("").ok());
}

struct Wrong {
    std::string_view text;
    std::vector<std::string> problems;
};

// Each mount is complete but for what is tried.
#define MOUNT "[[mount]]\nsource = \"/a\"\nmountpoint = \"/b\"\n"

const Wrong kWrong[] = {
    {"mout = 1", {"f:1:1: unknown key \"mout\"; did you mean \"mount\"?"}},
    {"\n  completely_different = 1", {"f:2:3: unknown key \"completely_different\""}},
    {"[device_group.a]\nio_trottle = 4",
     {"f:2:1: unknown key \"io_trottle\" in [device_group.a]; did you mean \"io_throttle\"?"}},
    {MOUNT "wieght = 4", {"f:4:1: unknown key \"wieght\" in [[mount]]; did you mean \"weight\"?"}},
    {MOUNT "[[mount.grup]]", {"f:4:9: unknown key \"grup\" in [[mount]]; did you mean \"group\"?"}},
    {"[[mount]]", {"f:1:1: [[mount]] lacks \"source\"", "f:1:1: [[mount]] lacks \"mountpoint\""}},
    {"[[mount]]\nsource = \"a\"\nmountpoint = \"/b\"", {"f:2:10: \"source\" must be an absolute path"}},
    {MOUNT MOUNT, {"f:6:14: \"/b\" is the mountpoint of another mount"}},
    {MOUNT "weight = 0", {"f:4:10: \"weight\" must be 1 to 1000000"}},
    {MOUNT "weight = -1", {"f:4:10: \"weight\" must be 1 to 1000000"}},
    {MOUNT "weight = 1.5", {"f:4:10: \"weight\" must be a whole number"}},
    {MOUNT "weight = \"1\"", {"f:4:10: \"weight\" must be a whole number"}},
    {MOUNT "type = 1", {"f:4:8: \"type\" must be a string"}},
    {MOUNT "unit_size = 5000", {"f:4:13: \"unit_size\" must be a power of two"}},
    {MOUNT "attr_timeout = -0.5", {"f:4:16: \"attr_timeout\" must be a number from 0 to 86400"}},
    {MOUNT "attr_timeout = nan", {"f:4:16: \"attr_timeout\" must be a number from 0 to 86400"}},
    {MOUNT "control = \"a/b\"", {"f:4:11: \"control\" must be a file name of 1 to 255 bytes, or \"none\""}},
    {MOUNT "options = \"a\\u0000b\"", {"f:4:11: \"options\" must not contain a zero byte"}},
    {MOUNT "device_group = \"x\"", {"f:4:16: there is no [device_group.x] in this file"}},
    {"[device_group.a]\nio_throttle = 8\nio_limit = 4", {"f:3:12: \"io_limit\" must not be less than io_throttle, 8"}},
    {"[device_group]\na = 1", {"f:2:1: a device group is written as [device_group.a]"}},
    {"device_group = 1", {"f:1:16: device groups are written as [device_group.NAME]"}},
    {"[device_group.a23456789012345678901234567890123]",
     {"f:1:15: the name of a device group must be 1 to 32 bytes without blanks, control characters and slashes, and "
      "not "
      "begin with a dot"}},
    {"[device_group.\"a/b\"]",
     {"f:1:15: the name of a device group must be 1 to 32 bytes without blanks, control characters "
      "and slashes, and not begin with a dot"}},
    {"[[mnt]]", {"f:1:3: unknown key \"mnt\"; did you mean \"mount\"?"}},
    {MOUNT "min = 9\nmax = 8", {"f:5:7: \"max\" must not be less than min, 9"}},
    {MOUNT "type = \"user\"\n[[mount.group]]\nid = 1\nmax = \"1K\"\nmin = \"2K\"",
     {"f:7:7: \"max\" must not be less than min, 2048"}},
    {"[mount]\nsource = \"/a\"", {"f:1:1: mounts are written as [[mount]]"}},
    {"mount = [1]", {"f:1:10: a mount is written as [[mount]]"}},
    {MOUNT "group = 1", {"f:4:9: groups are written as [[mount.group]]"}},
    {MOUNT "[[mount.group]]\nid = 1", {"f:5:6: groups need a \"type\" in their [[mount]] other than none"}},
    {MOUNT "type = \"user\"\n[[mount.group]]\nweight = 1", {"f:5:1: [[mount.group]] lacks \"id\""}},
    {MOUNT "type = \"user\"\n[[mount.group]]\nid = \"no-such-user\"", {"f:6:6: there is no user \"no-such-user\""}},
    {MOUNT "type = \"user\"\n[[mount.group]]\nid = -1", {"f:6:6: \"id\" must not be negative"}},
    {MOUNT "type = \"user\"\n[[mount.group]]\nid = true", {"f:6:6: \"id\" must be a string or a whole number"}},
    {"[device_group.a]\ncost = \"money\"", {"f:2:8: \"cost\" must be \"bytes\" or \"time\""}},
    {MOUNT "type = \"user\"\n[[mount.group]]\nid = 1\nparent = 1",
     {"f:7:10: \"1\" is no group that stands before this one"}},
    {MOUNT "type = \"user\"\n[[mount.group]]\nid = 1\nmin = \"5X\"",
     {"f:7:7: \"min\" is wrong: \"5X\" is not a number"}},
    {MOUNT "type = \"user\"\n[[mount.group]]\nid = 1\nmax = -1", {"f:7:7: \"max\" must not be negative"}},
    {MOUNT "type = \"user\"\n[[mount.group]]\nid = 1\nowner = \"no-such-user\"",
     {"f:7:9: \"owner\" is wrong: there is no user \"no-such-user\""}},
    {MOUNT "type = \"user\"\n[[mount.group]]\nid = 0\n[[mount.group]]\nid = \"root\"",
     {"f:8:6: \"root\" is the id of another group of this mount"}},
    {"[device_group.a]\npolicy = \"weight\"\ncost = \"time\"\n" MOUNT
     "device_group = \"a\"\ntype = \"user\"\nmax = 5\n[[mount.group]]\nid = 1\nmin = 4\n[[mount.group]]\nid = 2\n"
     "parent = 1",
     {"f:3:8: the policy weight has no cost", "f:9:7: the policy weight has no min and max",
      "f:12:7: the policy weight has no min and max", "f:15:10: the policy weight has no parents"}},
    {MOUNT "[[mount.rule]]\ngroup = \"a\"", {"f:4:1: rules need the \"type\" rules in their [[mount]]"}},
    {MOUNT "type = \"rules\"\n[[mount.rule]]\nuid = 0", {"f:5:1: [[mount.rule]] lacks \"group\""}},
    {MOUNT "type = \"rules\"\n[[mount.rule]]\ngroup = \"a\"\nprogam = \"x\"",
     {"f:7:1: unknown key \"progam\" in [[mount.rule]]; did you mean \"program\"?"}},
    {MOUNT "type = \"rules\"\n[[mount.rule]]\ngroup = \"a\"\nuid = \"no-such-user\"",
     {"f:7:7: \"uid\" is wrong: there is no user \"no-such-user\""}},
};

TEST(Config, SaysWhatIsWrongAndWhere) {
    for (const Wrong& each : kWrong) EXPECT_EQ(problems(each.text), each.problems) << each.text;
}

TEST(Config, NamesThePoliciesAndTypesThereAre) {
    const std::vector<std::string> policy = problems("[device_group.a]\npolicy = \"fast\"");
    ASSERT_EQ(policy.size(), 1u);
    EXPECT_TRUE(policy[0].starts_with("f:2:10: \"policy\" must be one of ")) << policy[0];
    const std::vector<std::string> type = problems(MOUNT "type = \"colour\"");
    ASSERT_EQ(type.size(), 1u);
    EXPECT_TRUE(type[0].starts_with("f:4:8: \"type\" is wrong: \"colour\" is no type: those are none, pid")) << type[0];
}

TEST(Config, ReportsAllProblemsInTheOrderOfTheFile) {
    EXPECT_EQ(
        problems(MOUNT "dirty = 0\nreadahead = \"x\"\n[device_group.a]\ntoken = 0\n"),
        (std::vector<std::string>{"f:4:9: \"dirty\" must be 1 to 65536", "f:5:13: \"readahead\" must be a whole number",
                                  "f:7:9: \"token\" must be 1 to 1000000"}));
}

TEST(Config, SyntaxErrorsHaveAPlaceToo) {
    const std::vector<std::string> all = problems("[device_group.a]\npolicy = = 1\n");
    ASSERT_EQ(all.size(), 1u);
    EXPECT_TRUE(all[0].starts_with("f:2:")) << all[0];
}

TEST(Config, AFileThatCannotBeReadIsAProblem) {
    const ParsedConfig parsed = read_config("/no/such/file");
    ASSERT_EQ(parsed.problems.size(), 1u);
    EXPECT_EQ(describe(parsed.problems[0], "/no/such/file"), "/no/such/file: No such file or directory");
    EXPECT_EQ(read_config("/").problems.at(0).text, "Is a directory");
    EXPECT_EQ(read_config("/dev/zero").problems.at(0).text, "File too large");
}

// ---- the example

std::string example() {
    std::ifstream file(BANDFS_EXAMPLE_CONFIG);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

TEST(ExampleConfig, IsRightAsItStands) {
    const ParsedConfig parsed = read_config(BANDFS_EXAMPLE_CONFIG);
    for (const ConfigProblem& problem : parsed.problems) ADD_FAILURE() << describe(problem, BANDFS_EXAMPLE_CONFIG);
    EXPECT_EQ(parsed.config.mounts.size(), 2u);
}

TEST(ExampleConfig, IsRightWithEverySettingOn) {
    // Prose has a blank behind its "#", a setting has none.
    const std::string all_on = std::regex_replace(example(), std::regex("\n#(?=[a-z])"), "\n");
    for (const ConfigProblem& problem : parse_config(all_on).problems) ADD_FAILURE() << describe(problem, "example");
}

TEST(ExampleConfig, ShowsEveryKeyWithItsDefaultRangeAndUnit) {
    const std::string text = example();
    for (const PlacedConfigKey& placed : config_keys()) {
        const ConfigKey& key = *placed.key;
        SCOPED_TRACE(std::string(placed.table) + " " + std::string(key.name));
        EXPECT_TRUE(key.help.ends_with('.'));
        std::string about;
        if (!key.default_value.empty()) about += "default: " + std::string(key.default_value);
        if (key.max != 0) about += "; range: " + std::to_string(key.min) + " to " + std::to_string(key.max);
        if (!key.unit.empty()) about += "; unit: " + std::string(key.unit);
        if (about.starts_with("; ")) about.erase(0, 2);
        const std::string line = about.empty() ? "" : "# " + about + "\n";
        const bool shown = text.find("\n" + line + std::string(key.name) + " = ") != std::string::npos ||
                           text.find("\n" + line + "#" + std::string(key.name) + " = ") != std::string::npos;
        EXPECT_TRUE(shown) << "wanted above the key: " << about;
    }
}

TEST(NearestName, IsThatWithTheFewestEdits) {
    constexpr std::string_view kNames[] = {"weight", "token", "type"};
    EXPECT_EQ(nearest_name("wieght", kNames), "weight");
    EXPECT_EQ(nearest_name("tokens", kNames), "token");
    EXPECT_EQ(nearest_name("colour", kNames), "");
}

}  // namespace
}  // namespace bandfs
