#include "cmd/mount_request.h"

#include <sys/mount.h>

#include <gtest/gtest.h>

#include "cmd/option_table.h"
#include "control/nearest.h"

namespace bandfs {
namespace {

Outcome<MountRequest> parse(const std::string& options) {
    return parse_mount_request(split_options(options));
}

/// The message of a refusal, "" when it was accepted.
std::string complaint(const std::string& options) {
    const auto request = parse(options);
    if (request) return {};
    EXPECT_EQ(request.failure().code, ExitCode::usage);
    return request.failure().message;
}

TEST(MountRequest, DefaultsAreThoseOfTheTable) {
    const auto request = parse("");
    ASSERT_TRUE(request);
    EXPECT_FALSE(request->weight);
    EXPECT_EQ(request->mount.unit_size, 131072u);
    EXPECT_EQ(request->mount.control_name, ".bandfs");
    EXPECT_EQ(request->mount.readahead_kib, 4096u);
    EXPECT_EQ(request->type, GroupType::none);
    EXPECT_FALSE(request->device.io_throttle);
    EXPECT_EQ(request->kernel_flags, static_cast<unsigned long>(MS_NOSUID | MS_NODEV));
}

TEST(MountRequest, EveryNumberTakesItsBoundsAndNothingBeyond) {
    for (const Option& option : mount_options()) {
        if (option.form != OptionForm::whole) continue;
        const std::string name(option.name);
        EXPECT_EQ(complaint(name + "=" + std::to_string(option.max)), "");
        EXPECT_EQ(complaint(name + "=" + std::to_string(option.min)), "");
        for (const std::string& wrong : {std::to_string(option.max + 1), std::string("-1"), std::string("1x"),
                                         std::string(" 1"), std::string(""), std::string("99999999999999999999")}) {
            const std::string said = complaint(name + "=" + wrong);
            EXPECT_NE(said.find("option " + name + "=" + wrong + ": "), std::string::npos) << said;
            EXPECT_NE(said.find("from " + std::to_string(option.min)), std::string::npos) << said;
        }
        if (option.min > 0) {
            EXPECT_NE(complaint(name + "=" + std::to_string(option.min - 1)), "");
        }
    }
}

TEST(MountRequest, SecondsTakeFractionsAndNoNonsense) {
    const auto request = parse("attr_timeout=0.25,entry_timeout=0");
    ASSERT_TRUE(request);
    EXPECT_EQ(request->mount.attr_timeout_s, 0.25);
    EXPECT_EQ(request->mount.entry_timeout_s, 0.0);
    for (const char* wrong :
         {"attr_timeout=nan", "attr_timeout=inf", "attr_timeout=-1", "attr_timeout=1s", "attr_timeout="}) {
        EXPECT_NE(complaint(wrong), "") << wrong;
    }
}

TEST(MountRequest, FlagsTakeNoValueAndOthersNeedOne) {
    for (const Option& option : mount_options()) {
        const std::string name(option.name);
        if (name == "auto") continue;  // without a value it is fstab's word
        const std::string wrong = option.form == OptionForm::flag ? name + "=1" : name;
        EXPECT_NE(complaint(wrong).find("option " + wrong + ": "), std::string::npos) << wrong;
    }
    EXPECT_EQ(complaint("ro=1"), "option ro=1: takes no value");
}

TEST(MountRequest, AutoIsFstabsWordAndWithAWeightOurs) {
    const auto ignored = parse("auto");
    ASSERT_TRUE(ignored);
    EXPECT_EQ(ignored->wanted.auto_weight, std::nullopt);
    const auto taken = parse("type=user,auto=30,auto_max=5");
    ASSERT_TRUE(taken);
    EXPECT_EQ(taken->wanted.auto_weight, 30u);
    EXPECT_EQ(taken->wanted.auto_max, 5u);
    EXPECT_NE(complaint("auto=x"), "");
}

TEST(MountRequest, KernelFlagsOverrideEachOtherInOrder) {
    const auto request = parse("ro,noatime,suid,rw");
    ASSERT_TRUE(request);
    EXPECT_EQ(request->kernel_flags, static_cast<unsigned long>(MS_NODEV | MS_NOATIME));
    EXPECT_TRUE(request->suid);
    EXPECT_FALSE(request->dev);
}

TEST(MountRequest, WhatFstabAddsIsIgnored) {
    EXPECT_EQ(
        complaint(
            "x-systemd.automount,x-gvfs-show,_netdev,nofail,noauto,user,users,comment=a,x-systemd.idle-timeout=5"),
        "");
}

TEST(MountRequest, UnknownOptionsAreRefusedWithTheNearestName) {
    EXPECT_EQ(complaint("io_trottle=3"), "option io_trottle=3: there is no such option; did you mean io_throttle?");
    EXPECT_EQ(complaint("wombat"), "option wombat: there is no such option");
}

TEST(MountRequest, GroupsNeedATypeAnIdAndAWeight) {
    const auto request = parse("type=user,group=0:30,group=1000:10");
    ASSERT_TRUE(request) << request.failure().message;
    ASSERT_EQ(request->groups.size(), 2u);
    EXPECT_EQ(request->groups[0].id, "0");
    EXPECT_EQ(request->groups[1].weight, 10u);
    EXPECT_EQ(complaint("group=1000:10"), "option group=1000:10: needs a type other than none");
    for (const char* wrong : {"group=1000", "group=:3", "group=1000:", "group=1000:0", "group=1000:1000001",
                              "group=1000:-3", "group=nobody-of-that-name:3", "group=1000:1,group=1000:2"}) {
        EXPECT_NE(complaint(std::string("type=user,") + wrong), "") << wrong;
    }
}

TEST(MountRequest, NamesAreJudged) {
    for (const char* wrong :
         {"devgroup=", "devgroup=a/b", "devgroup=.x", "devgroup=a b", "devgroup=123456789012345678901234567890123",
          "control=", "control=..", "control=a/b", "type=dog", "policy=dog", "subtype=a/b", "fsname=", "unit_size=5000",
          "allow_other,allow_root"}) {
        EXPECT_NE(complaint(wrong), "") << wrong;
    }
    EXPECT_EQ(complaint("devgroup=12345678901234567890123456789012"), "");
    const auto off = parse("control=none");
    ASSERT_TRUE(off);
    EXPECT_TRUE(off->mount.control_name.empty());
}

TEST(OptionTable, NamesAreUniqueAndHaveASentence) {
    std::vector<std::string_view> names;
    for (const Option& option : mount_options()) {
        EXPECT_EQ(std::count(names.begin(), names.end(), option.name), 0) << option.name;
        names.push_back(option.name);
        EXPECT_TRUE(option.sentence.ends_with('.')) << option.name;
        EXPECT_EQ(is_ignored_option(option.name), option.name == "auto") << option.name;
        EXPECT_NE(options_help().find("  " + std::string(option.name)), std::string::npos) << option.name;
    }
}

TEST(NearestName, IsNearOrNone) {
    const std::vector<std::string_view> names{"weight", "policy", "io_limit"};
    EXPECT_EQ(nearest_name("wieght", names), "weight");
    EXPECT_EQ(nearest_name("IO_limit", names), "io_limit");
    EXPECT_EQ(nearest_name("zebra", names), "");
    EXPECT_EQ(nearest_name("", names), "");
}

}  // namespace
}  // namespace bandfs
