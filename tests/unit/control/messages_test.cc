// The grammar of messages, each of their errors, and that a refused message changes nothing.
#include "control/messages.h"

#include <algorithm>
#include <cerrno>

#include "disk/disk_io.h"
#include "gate/data_plane.h"
#include "mount_fixture.h"

namespace bandfs {
namespace {

constexpr std::string_view kTooLarge = "18446744073709551616";  // 2^64

struct Parsing {
    ArgumentForm form;
    GroupType type;
    std::string_view text;
    std::string_view reason;  ///< empty: it is understood, as
    std::optional<GroupId> group = std::nullopt;
    std::uint64_t number = 0;
    std::string_view word = "";
};

constexpr auto kValue = ArgumentForm::value;
constexpr auto kId = ArgumentForm::id;
constexpr auto kRate = ArgumentForm::rate;
constexpr auto kNewId = ArgumentForm::new_id;
constexpr auto kPid = GroupType::pid;
constexpr auto kUser = GroupType::user;

const Parsing kParsings[] = {
    {ArgumentForm::nothing, kPid, "", ""},
    {ArgumentForm::nothing, kPid, " \n", ""},
    {ArgumentForm::nothing, kPid, "1", "it takes no argument"},
    {ArgumentForm::word, kPid, "weight\n", "", std::nullopt, 0, "weight"},
    {ArgumentForm::word, kPid, "", "a name is missing"},
    {ArgumentForm::number, kPid, "64", "", std::nullopt, 64},
    {ArgumentForm::number, kPid, " 64\n", "", std::nullopt, 64},
    {ArgumentForm::number, kPid, "18446744073709551615", "", std::nullopt, UINT64_MAX},
    {ArgumentForm::number, kPid, kTooLarge, "\"18446744073709551616\" is too large"},
    {ArgumentForm::number, kPid, "", "a number is missing"},
    {ArgumentForm::number, kPid, "-1", "\"-1\" is not a number"},
    {ArgumentForm::number, kPid, "+1", "\"+1\" is not a number"},
    {ArgumentForm::number, kPid, "0x10", "\"0x10\" is not a number"},
    {ArgumentForm::number, kPid, "12k", "\"12k\" is not a number"},
    {ArgumentForm::number, kPid, "1 2", "\"1 2\" is not a number"},
    {kValue, kPid, "30", "", std::nullopt, 30},
    {kValue, kPid, "1000:30", "", 1000, 30},
    {kValue, kPid, "1000=30", "", 1000, 30},
    {kValue, kPid, " 1000 : 30 ", "", 1000, 30},
    {kValue, kPid, "default:30", "", std::nullopt, 30},
    {kValue, kPid, "default=30", "", std::nullopt, 30},
    {kValue, kPid, "0:30", "", std::nullopt, 30},
    {kValue, kUser, "0:30", "", 0, 30},
    {kValue, kUser, "root:30", "", 0, 30},
    {kValue, GroupType::gid, "0=30", "", 0, 30},
    {kValue, kPid, "1000:", "a number is missing"},
    {kValue, kPid, ":30", "an id is missing"},
    {kValue, kPid, ":", "an id is missing"},
    {kValue, kPid, "1000:x", "\"x\" is not a number"},
    {kValue, kPid, "x:30", "\"x\" is not a number, so it is not a process id"},
    {kValue, kPid, "1:2:30", "\"1:2\" is not a number, so it is not a process id"},
    {kValue, kPid, "-1:30", "\"-1\" is not a process id: those go from 1 to 4194304"},
    {kValue, kUser, "no-such-user:30", "there is no user \"no-such-user\""},
    {kValue, kPid, "", "a number is missing"},
    {kRate, kPid, "0", "", std::nullopt, 0},
    {kRate, kPid, "1000000", "", std::nullopt, 1000000},
    {kRate, kPid, "7:20M/s", "", 7, 20u << 20},
    {kRate, kPid, "default=1K", "", std::nullopt, 1024},
    {kRate, kPid, "16777215T", "", std::nullopt, 16777215ull << 40},
    {kRate, kPid, "16777216T", "\"16777216T\" is too large"},
    {kRate, kPid, "1X", "\"1X\" is not a number"},
    {kRate, kPid, "K", "a number is missing"},
    {kRate, kPid, "/s", "a number is missing"},
    {kRate, kPid, "", "a number is missing"},
    {kRate, kPid, "-1K", "\"-1\" is not a number"},
    {kId, kPid, "1000", "", 1000},
    {kId, kPid, "1000\n", "", 1000},
    {kId, kUser, "0", "", 0},
    {kId, kUser, "root", "", 0},
    {kId, GroupType::cgroup, "9000000000000000000", "", 9000000000000000000},
    {kValue, GroupType::cgroup, "9000000000000000000:30", "", 9000000000000000000, 30},
    {kNewId, kPid, "1000", "", 1000, 0, "1000"},
    {kNewId, kPid, "1000 parent=7", "", 1000, 0, "1000"},
    {kNewId, kPid, "1000 parent=", "an id is missing"},
    {kNewId, kPid, "1000 child=7", "\"1000 child=7\" is not a number, so it is not a process id"},
    {ArgumentForm::user, kPid, "7:root", "", 7},
    {ArgumentForm::user, kPid, "7:none", "", 7},
    {ArgumentForm::user, kPid, "7:", "a user is missing"},
    {ArgumentForm::user, kPid, "7:no-such-user", "there is no user \"no-such-user\""},
    {kNewId, kPid, "4194305", "\"4194305\" is not a process id: those go from 1 to 4194304"},
    {kNewId, GroupType::none, "1000", "type none has no ids, so \"1000\" is none"},
    {kNewId, kUser, "root", "", 0, 0, "root"},
    {kId, kPid, "0", "\"0\" is not a process id: those go from 1 to 4194304"},
    {kId, kPid, "", "an id is missing"},
    {kId, kPid, "default", "the default group is always there"},
    {kId, kPid, "-5", "\"-5\" is not a process id: those go from 1 to 4194304"},
    {kId, kPid, "1000:30", "\"1000:30\" is not a number, so it is not a process id"},
};

TEST(MessageGrammar, UnderstandsWhatIsWrittenAndSaysWhatIsWrong) {
    for (const Parsing& each : kParsings) {
        SCOPED_TRACE(testing::Message() << "form " << static_cast<int>(each.form) << " \"" << each.text << "\"");
        const ParsedArgument parsed = parse_argument(each.form, each.type, each.text);
        EXPECT_EQ(parsed.reason, each.reason);
        if (!parsed.ok()) continue;
        EXPECT_EQ(parsed.argument.group, each.group);
        EXPECT_EQ(parsed.argument.number, each.number);
        if (!each.word.empty()) {
            EXPECT_EQ(parsed.argument.word, each.word);
        }
    }
}

TEST(MessageTable, EveryRowIsComplete) {
    for (const ControlMessage& message : messages()) {
        EXPECT_EQ(find_message(message.name), &message) << "a name stands once: " << message.name;
        EXPECT_TRUE(message.apply) << message.name;
        EXPECT_TRUE(message.help.ends_with('.')) << message.name;
        EXPECT_EQ(message.argument.empty(), message.form == ArgumentForm::nothing) << message.name;
    }
    EXPECT_EQ(find_message("no-such-message"), nullptr);
}

class Messages : public MountFixture {};

TEST_F(Messages, ChangeWhatTheyName) {
    EXPECT_EQ(send("policy", "fair"), 0);
    EXPECT_EQ(send("cost", "time"), 0);
    EXPECT_EQ(send("type", "user"), 0);
    EXPECT_EQ(send("io_limit", "64"), 0);
    EXPECT_EQ(send("io_throttle", "8"), 0);
    EXPECT_EQ(send("attach", "1000"), 0);
    EXPECT_EQ(send("weight", "1000:30"), 0);
    EXPECT_EQ(send("weight", "70"), 0);
    EXPECT_EQ(send("token", "512"), 0);
    EXPECT_EQ(send("held_max", "3"), 0);
    EXPECT_EQ(send("debug", "2"), 0);
    EXPECT_EQ(value("policy"), "fair\n");
    EXPECT_EQ(value("type"), "user\n");
    EXPECT_EQ(value("io_limit"), "64\n");
    EXPECT_EQ(value("io_throttle"), "8\n");
    EXPECT_EQ(value("groups/1000/weight"), "30\n");
    EXPECT_EQ(value("weight"), "70\n");
    EXPECT_EQ(value("token"), "512\n");
    EXPECT_EQ(value("held_max"), "3\n");
    EXPECT_EQ(value("debug"), "2\n");
    EXPECT_EQ(debug_level, 2u);
    EXPECT_EQ(send("detach", "1000"), 0);
    EXPECT_EQ(value("groups/1000/weight"), "errno " + std::to_string(ENOENT));
}

TEST_F(Messages, DirtySetsWhatAGroupMayHaveWritten) {
    filesystem.data = std::make_unique<DataPlane>(*filesystem.gate, *filesystem.groups, DiskIo::system(),
                                                  DataPlaneSettings{.dirty_bytes = 16 << 20, .dirty_of_all = 64 << 20});
    EXPECT_EQ(value("dirty"), "16\n");
    EXPECT_EQ(value("config").find("dirty ="), std::string::npos) << "nobody has set it, and a fast disk gives more";
    EXPECT_EQ(send("dirty", "3"), 0);
    EXPECT_EQ(filesystem.data->dirty_bound(), 3u << 20);
    EXPECT_EQ(value("dirty"), "3\n");
    EXPECT_NE(value("config").find("dirty = 3"), std::string::npos);
    EXPECT_NE(value("log").find("16 -> 3"), std::string::npos);
}

TEST_F(Messages, IdZeroIsTheDefaultGroupButOfTypeUserRoot) {
    EXPECT_EQ(send("weight", "0:30"), 0);
    EXPECT_EQ(value("groups/default/weight"), "30\n");
    ASSERT_EQ(send("type", "user"), 0);
    EXPECT_EQ(send("weight", "0:40"), EINVAL) << "root has no group yet";
    ASSERT_EQ(send("attach", "0"), 0);
    EXPECT_EQ(send("weight", "0:40"), 0);
    EXPECT_EQ(value("groups/default/weight"), "30\n");
    EXPECT_EQ(filesystem.groups->find(0)->weight(), 40u);
}

TEST_F(Messages, MinAndMaxBelongToThePolicyFair) {
    EXPECT_EQ(send("min", "10M"), EINVAL) << "the policy weight has none";
    EXPECT_EQ(send("min", "0"), 0) << "it is that already";
    ASSERT_EQ(send("policy", "fair"), 0);
    ASSERT_EQ(send("attach", "7"), 0);
    EXPECT_EQ(send("max", "7:20M"), 0);
    EXPECT_EQ(send("min", "7:5M"), 0);
    EXPECT_EQ(send("max", "30M/s"), 0);
    EXPECT_EQ(value("groups/7/max"), "20971520\n");
    EXPECT_EQ(value("groups/7/min"), "5242880\n");
    EXPECT_EQ(value("max"), "31457280\n");
    const auto refusal = [this](std::string_view name, std::string_view argument) {
        const MessageResult result = tree->send(name, argument, kRoot);
        EXPECT_EQ(result.code, EINVAL);
        return result.detail;
    };
    EXPECT_EQ(refusal("min", "7:21M"), "min \"7:21M\": must not be more than the group's max, 20971520");
    EXPECT_EQ(refusal("max", "7:1M"), "max \"7:1M\": must not be less than the group's min");
    EXPECT_EQ(refusal("max", "8:1M"), "max \"8:1M\": group 8 is not attached");
    EXPECT_EQ(value("groups/7/max"), "20971520\n");
    EXPECT_EQ(send("policy", "weight"), EBUSY) << "it could not keep them";
    EXPECT_EQ(send("max", "7:0"), 0);
    EXPECT_EQ(send("min", "7:0"), 0);
    EXPECT_EQ(send("max", "0"), 0);
    EXPECT_EQ(send("policy", "weight"), 0);
}

TEST_F(Messages, ResetSetsTheStatisticsToZero) {
    serve(filesystem.groups->default_group(), Direction::read, 4096);
    EXPECT_EQ(send("reset", ""), 0);
    EXPECT_EQ(value("status"), "devgrp=sda1 # read-req delay sect write-req delay sect\n default 0 0 0 0 0 0\n");
}

TEST_F(Messages, TypeStaysWhileGroupsAreAttached) {
    ASSERT_EQ(send("attach", "1000"), 0);
    EXPECT_EQ(send("type", "user"), EBUSY);
    EXPECT_EQ(send("type", "pid"), 0) << "it is that already";
    ASSERT_EQ(send("detach", "1000"), 0);
    EXPECT_EQ(send("type", "user"), 0);
}

struct Refusal {
    std::string_view name;
    std::string_view argument;
    int code;
    std::string_view reason;
};

const Refusal kRefusals[] = {
    {"speed", "1", EINVAL, "\"speed\" is not a message"},
    {"policy", "fast", EINVAL, "must be one of "},
    {"policy", "", EINVAL, "a name is missing"},
    {"cost", "time", EINVAL, "cost \"time\": must be bytes or time, under the policy fair"},
    {"type", "colour", EINVAL, "\"colour\" is no type: those are none, pid"},
    {"type", "user", EBUSY, "type \"user\": groups are attached"},
    {"io_throttle", "0", EINVAL, "io_throttle \"0\": must be 1 to io_limit, 128"},
    {"io_throttle", "129", EINVAL, "must be 1 to io_limit, 128"},
    {"io_throttle", "4294967297", EINVAL, "must be 1 to io_limit, 128"},
    {"io_limit", "4", EINVAL, "must be more than io_throttle, 4, and at most 1000000"},
    {"io_limit", "1000001", EINVAL, "at most 1000000"},
    {"io_limit", "4294967296", EINVAL, "must be more than io_throttle"},
    {"attach", "7", EEXIST, "attach \"7\": group 7 is attached already"},
    {"attach", "0", EINVAL, "\"0\" is not a process id"},
    {"attach", "default", EINVAL, "the default group is always there"},
    {"attach", "8 parent=9", EINVAL, "attach \"8 parent=9\": group 9 is not attached"},
    {"attach", "8 parent=7", EINVAL, "the policy in force has no parents"},
    {"owner", "8:root", EINVAL, "group 8 is not attached"},
    {"owner", "root", EINVAL, "the default group has no owner"},
    {"detach", "8", EINVAL, "detach \"8\": group 8 is not attached"},
    {"detach", "default", EINVAL, "the default group is always there"},
    {"weight", "8:30", EINVAL, "weight \"8:30\": group 8 is not attached"},
    {"weight", "7:0", EINVAL, "weight \"7:0\": must be 1 to 1000000"},
    {"weight", "0", EINVAL, "must be 1 to 1000000"},
    {"weight", "1000001", EINVAL, "must be 1 to 1000000"},
    {"weight", "18446744073709551615", EINVAL, "must be 1 to 1000000"},
    {"weight", kTooLarge, EINVAL, "is too large"},
    {"min", "7:1M", EINVAL, "min \"7:1M\": the policy in force has no min and max"},
    {"max", "7:1M", EINVAL, "the policy in force has no min and max"},
    {"token", "0", EINVAL, "token \"0\": must be 1 to 1000000"},
    {"token", "1000001", EINVAL, "must be 1 to 1000000"},
    {"token", "8:64", EINVAL, "group 8 is not attached"},
    {"held_max", "0", EINVAL, "held_max \"0\": must be 1 to 65536, in MiB"},
    {"held_max", "65537", EINVAL, "must be 1 to 65536, in MiB"},
    {"held_max", "18446744073709551615", EINVAL, "must be 1 to 65536, in MiB"},
    {"reset", "now", EINVAL, "reset \"now\": it takes no argument"},
    {"dirty", "0", EINVAL, "dirty \"0\": must be 1 to 65536, in MiB"},
    {"dirty", "65537", EINVAL, "must be 1 to 65536, in MiB"},
    {"debug", "3", EINVAL, "must be 0 to 2"},
};

TEST_F(Messages, RefusedOnesSayWhyAndChangeNothing) {
    ASSERT_EQ(send("attach", "7"), 0);
    serve(group(7), Direction::write, 8192);
    const auto everything = [this] { return value("table") + value("status") + value("policy") + value("debug"); };
    const std::string before = everything();
    for (const Refusal& each : kRefusals) {
        SCOPED_TRACE(testing::Message() << each.name << " \"" << each.argument << "\"");
        const MessageResult result = tree->send(each.name, each.argument, kRoot);
        EXPECT_EQ(result.code, each.code);
        EXPECT_NE(result.detail.find(each.reason), std::string::npos) << result.detail;
        EXPECT_EQ(everything(), before);
    }
}

TEST_F(Messages, AreLoggedWithWhoSentThem) {
    send("weight", "30");
    tree->send("weight", "0", kOwner);
    tree->send("weight", "50", kStranger);
    EXPECT_EQ(logged,
              (std::vector<std::string>{
                  "weight by uid 0, thread 1: the default group: 100 -> 30",
                  "weight by uid 1000, thread 2, refused: weight \"0\": must be 1 to 1000000",
                  "weight by uid 1001, thread 3, refused: only root and the owner of the mount may send messages",
              }));
    const std::string kept = value("log");
    for (const std::string& line : logged) EXPECT_NE(kept.find(line + "\n"), std::string::npos) << kept;
}

TEST_F(Messages, WhoMayNotCannotPushOutWhatIsLogged) {
    send("weight", "30");
    const auto attempts = [&] {
        const std::string kept = value("log");
        return std::ranges::count(kept, '\n') - 1;
    };
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(tree->set_xattr("", "user.bandfs.weight", "50", kStranger).code(), EPERM);
        EXPECT_EQ(tree->set_xattr("", "user.bandfs.a\nb", "50", kStranger).code(), EPERM);
        EXPECT_EQ(tree->write("weight", "50", false, kStranger).code(), EPERM);
    }
    EXPECT_EQ(attempts(), 1) << value("log");
    EXPECT_EQ(logged.size(), 2u) << "nor fill the server's log";
    for (uid_t user = 5000; user < 5100; ++user) {
        const ControlCaller another{user, user, 9};
        EXPECT_EQ(tree->remove_directory("groups/1000", another).code(), ENOENT);
        EXPECT_EQ(tree->make_directory("groups/1000", another).code(), EPERM);
    }
    EXPECT_EQ(logged.size(), 11u) << "nor all together";
    EXPECT_EQ(logged[1],
              "weight by uid 1001, thread 3, refused: only root and the owner of the mount may send messages");
}

TEST_F(Messages, TheLastThousandAreKept) {
    for (int weight = 1; weight <= 1005; ++weight) ASSERT_EQ(send("weight", std::to_string(weight)), 0);
    const std::string kept = value("log");
    EXPECT_EQ(std::ranges::count(kept, '\n'), 1000);
    EXPECT_EQ(kept.find(": 4 -> 5\n"), std::string::npos);
    EXPECT_NE(kept.find(": 5 -> 6\n"), std::string::npos);
    EXPECT_TRUE(kept.ends_with(": 1004 -> 1005\n"));
}

}  // namespace
}  // namespace bandfs
