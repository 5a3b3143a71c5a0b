#include "cmd/top_rows.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cmd/doctor_checks.h"

namespace bandfs {
namespace {

TopGroup group(const std::string& name, std::uint64_t weight, double wanted, std::uint64_t read_bytes,
               std::uint64_t read_units = 0) {
    TopGroup group{.mount = "/m", .name = name, .device_group = "sda", .weight = weight, .wanted = wanted};
    group.counters.read_bytes = read_bytes;
    group.counters.read_units = read_units;
    return group;
}

std::size_t columns_of(const std::string& line) {
    return static_cast<std::size_t>(
        std::count_if(line.begin(), line.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

TEST(TopRows, RatesAndSharesAreThoseOfTheInterval) {
    const TopSample before{10.0, {group("a", 3, 0.75, 5'000'000, 10), group("b", 1, 0.25, 100'000'000, 70)}};
    const TopSample now{12.0, {group("a", 3, 0.75, 35'000'000, 30), group("b", 1, 0.25, 110'000'000, 80)}};
    const auto rows = rows_between(before, now);
    ASSERT_EQ(rows.size(), 2u);
    EXPECT_DOUBLE_EQ(rows[0].read_mb_s, 15);
    EXPECT_DOUBLE_EQ(rows[0].read_io_s, 10);
    EXPECT_DOUBLE_EQ(rows[0].got, 0.75);
    EXPECT_DOUBLE_EQ(rows[1].got, 0.25);
}

TEST(TopRows, NewGroupsAndResetCountersStartFromZero) {
    const auto rows = rows_between({0, {group("a", 1, 1, 500)}}, {1, {group("a", 1, 1, 300), group("b", 1, 1, 700)}});
    EXPECT_DOUBLE_EQ(rows[0].got, 0.3);
    EXPECT_DOUBLE_EQ(rows[1].got, 0.7);
}

TEST(TopRows, AnIdleDiskIsSharedByNobody) {
    const TopSample sample{0, {group("a", 1, 1, 500)}};
    EXPECT_DOUBLE_EQ(rows_between(sample, sample)[0].got, 0);
}

TEST(TopRows, SayWhyAGroupIsHeld) {
    TopSample now{1,
                  {group("idle", 1, 0.2, 0), group("ahead", 1, 0.2, 900), group("turn", 1, 0.2, 100),
                   group("tokens", 1, 0.2, 0), group("limit", 1, 0.2, 0), group("drain", 1, 0.2, 0)}};
    for (std::size_t i = 1; i < now.groups.size(); ++i) now.groups[i].held = 1;
    now.groups[3].out_of_tokens = true;
    now.groups[4].plugged = true;
    now.groups[5].going_down = true;
    const auto rows = rows_between({}, now);
    EXPECT_EQ(rows[0].why_held, "");
    for (std::size_t i = 1; i < rows.size(); ++i) EXPECT_EQ(rows[i].why_held, rows[i].group.name);
}

TEST(TopRows, ReadStatusAndRefuseOtherText) {
    TopSample sample;
    EXPECT_TRUE(
        add_status(R"({"mountpoint":"/m","device_group":{"name":"sda","policy":"weight","plugged":true},"groups":[
        {"id":null,"name":"default","weight":7,"share_wanted":0.5,"tokens":0,"held":2,"wait_p50_seconds":0.1,"wait_p99_seconds":null,
         "read":{"units":3,"bytes_done":4096},"write":{"units":1,"bytes_done":512}}]})",
                   sample));
    ASSERT_EQ(sample.groups.size(), 1u);
    EXPECT_EQ(sample.groups[0].counters.read_bytes, 4096u);
    EXPECT_EQ(sample.groups[0].counters.write_units, 1u);
    EXPECT_TRUE(sample.groups[0].plugged && sample.groups[0].out_of_tokens);
    EXPECT_TRUE(std::isinf(sample.groups[0].wait_p99_s));
    for (const char* wrong : {"", "[]", "{", R"({"groups":3})"}) EXPECT_FALSE(add_status(wrong, sample)) << wrong;
    EXPECT_TRUE(add_status(R"({"groups":[3,{"name":7,"weight":-1,"read":4}]})", sample));
}

TEST(TopRows, AreSortedAndFiltered) {
    TopSample now{1, {group("beta", 1, 0, 900), group("alpha", 5, 0, 100)}};
    now.groups[0].held = 3;
    const auto rows = rows_between({}, now);
    EXPECT_EQ(arranged(rows, TopOrder::attachment, "")[0].group.name, "beta");
    EXPECT_EQ(arranged(rows, TopOrder::name, "")[0].group.name, "alpha");
    EXPECT_EQ(arranged(rows, TopOrder::weight, "")[0].group.name, "alpha");
    EXPECT_EQ(arranged(rows, TopOrder::got, "")[0].group.name, "beta");
    EXPECT_EQ(arranged(rows, TopOrder::held, "")[0].group.name, "beta");
    EXPECT_EQ(arranged(rows, TopOrder::attachment, "alp").size(), 1u);
    EXPECT_EQ(arranged(rows, TopOrder::attachment, "/m").size(), 2u);
    TopOrder order = TopOrder::attachment;
    std::set<std::string_view> names;
    do {
        names.insert(name_of(order));
        order = next(order);
    } while (order != TopOrder::attachment);
    EXPECT_EQ(names.size(), 7u);
}

TEST(TopRows, LinesFitTheTerminal) {
    TopSample now{1,
                  {group("a name that is far too long for its column", 1'000'000, 1, 4'000'000'000, 12'345'678),
                   group("\xc3\xa4\x1b[2J", 1, 0, 0)}};
    now.groups[0].held = 123'456;
    now.groups[0].in_flight = 128;
    now.groups[0].wait_p99_s = std::numeric_limits<double>::infinity();
    for (const std::size_t columns : {20u, 80u, 103u, 104u, 120u, 200u}) {
        const std::size_t width = std::max<std::size_t>(columns, 80);
        EXPECT_LE(columns_of(heading(columns)), width);
        for (const TopRow& row : rows_between({}, now)) {
            const std::string line = table_line(row, columns);
            EXPECT_LE(columns_of(line), width) << line;
            EXPECT_EQ(line.find('\x1b'), std::string::npos);
        }
    }
}

TEST(TopRows, JsonSaysTheSame) {
    const auto json = nlohmann::json::parse(rows_json(rows_between({}, {1, {group("a", 3, 0.75, 1'000'000)}})));
    EXPECT_EQ(json[0]["group"], "a");
    EXPECT_EQ(json[0]["weight"], 3);
    EXPECT_DOUBLE_EQ(json[0]["share_got"], 1.0);
}

TEST(Doctor, ComparesReleasesAsNumbers) {
    EXPECT_TRUE(release_is_at_least("6.13.0", 6, 13));
    EXPECT_TRUE(release_is_at_least("6.18.44-fc", 6, 13));
    EXPECT_TRUE(release_is_at_least("7.0", 6, 13));
    EXPECT_FALSE(release_is_at_least("6.9.1", 6, 13));
    EXPECT_FALSE(release_is_at_least("5.15", 6, 13));
    EXPECT_FALSE(release_is_at_least("unknown", 1, 0));
}

TEST(Doctor, FindsWhatIsMissing) {
    const auto findings = examine("/no/such/directory");
    EXPECT_EQ(findings.back().health, Health::missing);
    for (const Finding& finding : findings)
        EXPECT_EQ(finding.remedy.empty(), finding.health == Health::good) << finding.what;
}

}  // namespace
}  // namespace bandfs
