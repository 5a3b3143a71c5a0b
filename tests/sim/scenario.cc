#include "scenario.h"

#include <algorithm>
#include <unordered_set>

#include <toml++/toml.h>

#include "strict_table.h"

namespace bandfs::sim {
namespace {

void read_disk(StrictTable table, DiskSpec& disk) {
    table.take_bytes("bandwidth", disk.bandwidth);
    table.take_bytes("write_bandwidth", disk.write_bandwidth);
    table.take_duration("request_cost", disk.request_cost);
    table.take_duration("write_request_cost", disk.write_request_cost);
    table.take_duration("path", disk.path);
    table.take_duration("seek_min", disk.seek_min);
    table.take_duration("seek_max", disk.seek_max);
    table.take_bytes("size", disk.size);
    table.take("parallelism", disk.parallelism);
    table.take("separate_lanes", disk.separate_lanes);
    table.take_duration("slice", disk.slice);
    table.take_bytes("burst_bandwidth", disk.burst_bandwidth);
    table.take("reorder", disk.reorder);
    table.take("noise", disk.noise);
    table.finish();
    if (disk.bandwidth < 1) table.fail("bandwidth", "must be positive");
    if (disk.parallelism < 1 || disk.parallelism > 1024) table.fail("parallelism", "1 to 1024");
    if (disk.seek_max < disk.seek_min) table.fail("seek_max", "is less than seek_min");
    if (disk.noise >= 1) table.fail("noise", "must be less than 1");
}

GroupSpec read_group(StrictTable table) {
    GroupSpec group;
    table.take("name", group.name);
    table.take("weight", group.weight);
    table.take_bytes("min", group.min);
    table.take_bytes("max", group.max);
    table.take("parent", group.parent);
    table.take("default", group.in_default);
    table.finish();
    if (group.name.empty()) table.fail("a group needs a name");
    return group;
}

CallerSpec read_caller(StrictTable table) {
    CallerSpec caller;
    std::string loop = "closed", pattern = "random", direction = "read";
    table.take("group", caller.group);
    table.take("processes", caller.processes);
    table.take("queue_depth", caller.queue_depth);
    table.take("loop", loop);
    table.take_duration("think", caller.think);
    table.take("jitter", caller.jitter);
    table.take_sizes("size", caller.sizes);
    table.take("direction", direction);
    table.take("read_fraction", caller.read_fraction);
    table.take("pattern", pattern);
    table.take_bytes("rate", caller.rate);
    table.take("burst", caller.burst);
    table.take_bytes("unit", caller.unit);
    table.take_duration("start", caller.start);
    table.take_duration("stop", caller.stop);
    table.finish();
    if (loop != "closed" && loop != "open") table.fail("loop", "\"closed\" or \"open\" is wanted");
    if (pattern != "random" && pattern != "sequential") table.fail("pattern", "\"random\" or \"sequential\" is wanted");
    if (direction != "read" && direction != "write") table.fail("direction", "\"read\" or \"write\" is wanted");
    caller.loop = loop == "open" ? Loop::open : Loop::closed;
    caller.sequential = pattern == "sequential";
    if (direction == "write") caller.read_fraction = 0;
    if (caller.loop == Loop::open && caller.rate <= 0) table.fail("an open loop needs a rate");
    if (caller.processes < 1 || caller.queue_depth < 1 || caller.burst < 1) table.fail("a count of 0");
    if (caller.read_fraction > 1) table.fail("read_fraction", "must be at most 1");
    return caller;
}

ChangeSpec read_change(StrictTable table) {
    ChangeSpec change;
    table.take_duration("at", change.at);
    table.take("group", change.group);
    table.take("weight", change.weight);
    table.take_bytes("min", change.min);
    table.take_bytes("max", change.max);
    table.take("policy", change.policy);
    table.take("cost", change.cost);
    table.take("refused", change.refused);
    table.finish();
    if (change.group.empty() && (change.weight || change.min || change.max)) table.fail("of which group?");
    return change;
}

ExpectSpec read_expectation(StrictTable table) {
    ExpectSpec expect;
    expect.line = table.line();
    expect.text = table.text();
    table.take_duration("from", expect.from);
    table.take_duration("to", expect.to);
    table.take("group", expect.group);
    table.take("share", expect.share);
    table.take("within", expect.within);
    table.take("relative", expect.relative);
    table.take("share_min", expect.share_min);
    table.take("share_max", expect.share_max);
    table.take("time_share", expect.time_share);
    table.take_bytes("rate_min", expect.rate_min);
    table.take_bytes("rate_max", expect.rate_max);
    table.take("utilisation_min", expect.utilisation_min);
    table.take("of_uncontrolled_min", expect.of_uncontrolled_min);
    table.take("jain_min", expect.jain_min);
    table.take_duration("p50_max", expect.p50_max);
    table.take_duration("p99_max", expect.p99_max);
    table.take_duration("longest_max", expect.longest_max);
    table.take("longest_of_uncontrolled_max", expect.longest_of_uncontrolled_max);
    table.take("p99_of_alone_max", expect.p99_of_alone_max);
    table.take_duration("plus", expect.plus);
    table.take("idle_max", expect.idle_max);
    table.take("excess_max", expect.excess_max);
    table.finish();
    const bool of_group = expect.share || expect.share_min || expect.share_max || expect.time_share || expect.p50_max ||
                          expect.p99_max || expect.longest_max || expect.longest_of_uncontrolled_max ||
                          expect.p99_of_alone_max;
    if (of_group && expect.group.empty()) table.fail("of which group?");
    if ((expect.share || expect.time_share) && !expect.within && !expect.relative)
        table.fail("within or relative is missing");
    return expect;
}

void read_run(StrictTable table, Scenario& scenario) {
    table.take("policy", scenario.policy);
    table.take("cost", scenario.cost);
    table.take_duration("duration", scenario.duration);
    table.take_duration("warmup", scenario.warmup);
    table.take("seed", scenario.seed);
    table.take_bytes("unit", scenario.unit);
    table.take("io_throttle", scenario.io_throttle);
    table.take("io_limit", scenario.io_limit);
    table.take_duration("round_trip", scenario.round_trip);
    table.finish();
    if (scenario.duration <= scenario.warmup) table.fail("the duration must be longer than the warm-up");
    if (scenario.unit == 0) table.fail("unit", "must be positive");
}

/// Every name of a group that something refers to exists; each may name its parent only after it.
void check_names(const StrictTable& top, const Scenario& scenario) {
    std::unordered_set<std::string> known;
    const auto check = [&](const std::string& name) {
        if (!known.contains(name)) top.fail("there is no group '" + name + "'");
    };
    for (const GroupSpec& group : scenario.groups) {
        if (!group.parent.empty() && !known.contains(group.parent))
            top.fail("the parent of '" + group.name + "' does not come before it");
        if (!known.insert(group.name).second) top.fail("two groups '" + group.name + "'");
    }
    for (const CallerSpec& caller : scenario.callers) check(caller.group);
    for (const ChangeSpec& change : scenario.changes) {
        if (!change.group.empty()) check(change.group);
    }
    for (const ExpectSpec& expect : scenario.expectations) {
        if (!expect.group.empty()) check(expect.group);
    }
}

}  // namespace

bool Scenario::is_flat() const {
    return changes.empty() && std::all_of(groups.begin(), groups.end(), [](const GroupSpec& group) {
               return group.parent.empty() && group.min == 0 && group.max == 0;
           });
}

std::size_t Scenario::group_index(const std::string& name) const {
    for (std::size_t i = 0; i < groups.size(); ++i) {
        if (groups[i].name == name) return i;
    }
    throw std::out_of_range(name);
}

Scenario read_scenario(const std::string& path) {
    toml::table parsed;
    try {
        parsed = toml::parse_file(path);
    } catch (const toml::parse_error& error) {
        throw ScenarioError(path + ":" + std::to_string(error.source().begin.line) + ":" +
                            std::to_string(error.source().begin.column) + ": " + std::string(error.description()));
    }
    Scenario scenario;
    scenario.file = path;
    StrictTable top(parsed, path);
    top.take("title", scenario.title);
    for (StrictTable& table : top.take_tables("run")) read_run(std::move(table), scenario);
    for (StrictTable& table : top.take_tables("disk")) read_disk(std::move(table), scenario.disk);
    for (StrictTable& table : top.take_tables("group")) scenario.groups.push_back(read_group(std::move(table)));
    for (StrictTable& table : top.take_tables("caller")) scenario.callers.push_back(read_caller(std::move(table)));
    for (StrictTable& table : top.take_tables("change")) scenario.changes.push_back(read_change(std::move(table)));
    for (StrictTable& table : top.take_tables("expect"))
        scenario.expectations.push_back(read_expectation(std::move(table)));
    top.finish();
    if (scenario.duration == 0) top.fail("run.duration is missing");
    check_names(top, scenario);
    for (ExpectSpec& expect : scenario.expectations) {
        if (expect.from < 0) expect.from = scenario.warmup;
        if (expect.to < 0) expect.to = scenario.duration;
        if (expect.from >= expect.to || expect.to > scenario.duration)
            top.fail("an expectation's window is empty or late");
    }
    return scenario;
}

}  // namespace bandfs::sim
