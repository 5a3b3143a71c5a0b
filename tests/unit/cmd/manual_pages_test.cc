// What the configuration, the control directory, status and metrics have is in the manual pages, and the reverse.

#include <map>
#include <set>
#include <sstream>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "bandfs/device_group.h"
#include "bandfs/mount_groups.h"
#include "control/attributes.h"
#include "control/config_keys.h"
#include "control/messages.h"
#include "control/metrics.h"
#include "control/status.h"
#include "manual_page.h"

namespace bandfs {
namespace {

using Names = std::set<std::string>;

const MountInfo kInfo{"/data", "/mnt/data", "8:1", "sda1", 0, 0};

/// A mount with one group and one figure.
MountSnapshot snapshot() {
    MountSnapshot made;
    made.policy = "fair";
    made.figures.push_back({"depth", 2});
    made.groups.emplace_back().is_default = true;
    return made;
}

TEST(ConfigManual, HasEveryKeyWithUnitRangeAndDefault) {
    const ManualPage page("bandfs.toml.5");
    std::map<std::string_view, std::string> sections{{"[device_group.NAME]", "DEVICE GROUPS"},
                                                     {"[[mount]]", "MOUNTS"},
                                                     {"[[mount.group]]", "GROUPS OF A MOUNT"},
                                                     {"[[mount.rule]]", "RULES OF A MOUNT"}};
    std::map<std::string, Names> known;
    for (const PlacedConfigKey& placed : config_keys()) {
        const ConfigKey& key = *placed.key;
        const std::string section = sections[placed.table];
        ASSERT_FALSE(section.empty()) << placed.table;
        known[section].emplace(key.name);
        const std::string entry = page.entry(section, "Cm " + std::string(key.name));
        SCOPED_TRACE(section + " " + std::string(key.name) + ":\n" + entry);
        if (key.max != 0) {
            EXPECT_NE(entry.find(std::to_string(key.min) + " to " + std::to_string(key.max)), std::string::npos);
        }
        EXPECT_NE(entry.find(key.unit), std::string::npos) << key.unit;
        EXPECT_EQ(entry.find("Required.") != std::string::npos, key.required);
        std::string value(key.default_value);
        if (value.starts_with('"')) value = "\\(dq" + value.substr(1, value.size() - 2) + "\\(dq";
        const std::size_t at = entry.find("efault");
        EXPECT_NE(entry.find(value, value.empty() ? 0 : at), std::string::npos) << value;
    }
    for (const auto& [section, names] : known) EXPECT_EQ(page.named(section, "Cm"), names) << section;
}

TEST(ControlManual, HasEveryFileAndNoOther) {
    const ManualPage page("bandfs-control.5");
    Names files{"groups"};
    for (const MountAttribute& attribute : mount_attributes()) files.emplace(attribute.name);
    EXPECT_EQ(page.named("FILES OF A MOUNT", "Pa"), files);
    Names of_group;
    for (const GroupAttribute& attribute : group_attributes()) of_group.emplace(attribute.name);
    EXPECT_EQ(page.named("FILES OF A GROUP", "Pa"), of_group);
}

TEST(ControlManual, SaysWhichFilesOfAGroupCanBeSet) {
    const ManualPage page("bandfs-control.5");
    for (const GroupAttribute& attribute : group_attributes()) {
        const std::string entry = page.entry("FILES OF A GROUP", "Pa " + std::string(attribute.name));
        EXPECT_EQ(entry.find("Can be set.") != std::string::npos, attribute.settable()) << entry;
    }
}

TEST(ControlManual, HasEveryMessageAndNoOther) {
    Names known;
    for (const ControlMessage& message : messages()) known.emplace(message.name);
    EXPECT_EQ(ManualPage("bandfs-control.5").named("MESSAGES", "Cm"), known);
}

TEST(ControlManual, HasEveryColumnOfStatus) {
    std::istringstream heading(status_text(kInfo, snapshot()));
    std::string word;
    while (heading >> word && word != "#") continue;
    std::getline(heading, word);
    heading.str(word);
    heading.clear();
    Names columns;
    while (heading >> word) columns.insert(word);
    EXPECT_EQ(ManualPage("bandfs-control.5").named("STATUS", "Li"), columns);
}

TEST(ControlManual, HasEveryLineOfStat) {
    std::istringstream stat(group_stat_text(snapshot().groups[0]));
    Names known;
    for (std::string name, value; stat >> name >> value;) known.insert(name);
    EXPECT_EQ(ManualPage("bandfs-control.5").named("STAT", "Li"), known);
}

void add_keys(const nlohmann::json& json, Names& keys) {
    if (json.is_object()) {
        for (const auto& [key, value] : json.items()) {
            keys.insert(key);
            if (key != "policy_figures") add_keys(value, keys);
        }
    } else if (json.is_array()) {
        for (const nlohmann::json& each : json) add_keys(each, keys);
    }
}

TEST(ControlManual, HasEveryKeyOfStatusJson) {
    Names keys{"null"};
    add_keys(nlohmann::json::parse(status_json(kInfo, snapshot())), keys);
    EXPECT_EQ(ManualPage("bandfs-control.5").mentioned("STATUS.JSON", "Li"), keys);
}

TEST(ControlManual, HasEveryMetric) {
    std::istringstream lines(metrics_text(kInfo, snapshot()));
    Names metrics;
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string hash, keyword, name;
        words >> hash >> keyword >> name;
        if (keyword == "TYPE") metrics.insert(name);
    }
    EXPECT_EQ(ManualPage("bandfs-control.5").named("METRICS", "Li"), metrics);
}

/// Every figure that a policy shows once it has served a second of reads and writes, more than the disk takes at once.
Names figures_of(std::string_view policy) {
    const auto device_group = DeviceGroup::create({}, policy);
    MountGroups groups(*device_group, kDefaultWeight);
    (void)device_group->set_floor(groups.default_group(), 1000);  // the policies with tokens have none
    std::vector<Unit> units(8);
    std::vector<Unit*> in_flight;
    const auto admit = [&](Unit& unit, std::size_t i, TimeNs now) {
        unit.group = &groups.default_group();
        unit.bytes = 4096;
        unit.direction = i % 2 == 0 ? Direction::read : Direction::write;
        if (device_group->admit(unit, now) == Admission::immediate) in_flight.push_back(&unit);
    };
    TimeNs now = 0;
    const auto release = [&] {
        while (Unit* const next = device_group->release_next(now)) in_flight.push_back(next);
    };
    for (std::size_t i = 0; i < units.size(); ++i) admit(units[i], i, now);
    for (int step = 0; step < 5000; ++step) {
        release();
        now += 1'000'000;
        if (in_flight.empty()) continue;
        Unit* const done = in_flight.front();
        in_flight.erase(in_flight.begin());
        device_group->complete(*done, now);
        admit(*done, static_cast<std::size_t>(done - units.data()), now);
    }
    Names names;
    device_group->policy_figures([&](std::string_view name, double) { names.emplace(name); });
    groups.go_down();
    for (release(); !in_flight.empty(); release()) {
        device_group->complete(*in_flight.back(), now);
        in_flight.pop_back();
    }
    return names;
}

TEST(PolicyManual, HasEveryFigureAndNoOther) {
    Names known;
    for (const std::string_view policy : DeviceGroup::policy_names()) known.merge(figures_of(policy));
    EXPECT_EQ(ManualPage("bandfs.7").named("POLICY FIGURES", "Li"), known);
}

}  // namespace
}  // namespace bandfs
