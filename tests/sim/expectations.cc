#include "expectations.h"

#include <cmath>
#include <cstdio>

#include "wanted.h"

namespace bandfs::sim {

double weighted_jain(const Scenario& scenario, const Window& window) {
    std::vector<double> got;
    for (std::size_t i = 0; i < scenario.groups.size(); ++i) got.push_back(window.rate(i));
    return jain_index(got, wanted_rates(scenario, window.total_rate()));
}

std::vector<std::string> Comparison::failures() {
    for (std::size_t i = 0; i < scenario_.expectations.size(); ++i) check(i);
    return std::move(failures_);
}

const Simulation& Comparison::other(const RunMode& mode) {
    std::unique_ptr<Simulation>& slot = others_[mode.only_group];
    if (!slot) {
        slot = std::make_unique<Simulation>(scenario_, mode);
        slot->run();
    }
    return *slot;
}

void Comparison::at_least(const ExpectSpec& expect, const char* what, double got, double bound) {
    if (got >= bound) return;
    char text[160];
    std::snprintf(text, sizeof text, "%s is %.6g, less than %.6g", what, got, bound);
    failures_.push_back(scenario_.file + ":" + std::to_string(expect.line) + ": " + text + "   [" + expect.text + "]");
}

void Comparison::at_most(const ExpectSpec& expect, const char* what, double got, double bound) {
    if (got <= bound) return;
    char text[160];
    std::snprintf(text, sizeof text, "%s is %.6g, more than %.6g", what, got, bound);
    failures_.push_back(scenario_.file + ":" + std::to_string(expect.line) + ": " + text + "   [" + expect.text + "]");
}

void Comparison::check(std::size_t index) {
    const ExpectSpec& expect = scenario_.expectations[index];
    check_shares(expect, run_.windows()[index]);
    check_rates(expect, index);
    if (!expect.group.empty()) check_latencies(expect, index);
}

void Comparison::check_shares(const ExpectSpec& expect, const Window& window) {
    const auto close = [&](const char* what, double got, double wanted) {
        const double margin = expect.within ? *expect.within : *expect.relative * wanted;
        at_least(expect, what, got, wanted - margin);
        at_most(expect, what, got, wanted + margin);
    };
    if (!expect.group.empty()) {
        const std::size_t group = scenario_.group_index(expect.group);
        if (expect.share) close("share", window.share(group), *expect.share);
        if (expect.time_share) close("share of the disk's time", window.time_share(group), *expect.time_share);
        if (expect.share_min) at_least(expect, "share", window.share(group), *expect.share_min);
        if (expect.share_max) at_most(expect, "share", window.share(group), *expect.share_max);
    } else if (expect.relative) {
        const std::vector<double> wanted = wanted_rates(scenario_, window.total_rate());
        for (std::size_t i = 0; i < wanted.size(); ++i) {
            if (wanted[i] > 0) close(scenario_.groups[i].name.c_str(), window.rate(i), wanted[i]);
        }
    }
    if (expect.jain_min) at_least(expect, "Jain index", weighted_jain(scenario_, window), *expect.jain_min);
}

void Comparison::check_rates(const ExpectSpec& expect, std::size_t index) {
    const Window& window = run_.windows()[index];
    const double rate = expect.group.empty() ? window.total_rate() : window.rate(scenario_.group_index(expect.group));
    if (expect.rate_min) at_least(expect, "rate", rate, *expect.rate_min);
    if (expect.rate_max) at_most(expect, "rate", rate, *expect.rate_max);
    if (expect.utilisation_min)
        at_least(expect, "utilisation", rate / scenario_.disk.bandwidth, *expect.utilisation_min);
    if (expect.idle_max) at_most(expect, "idle time with units held", window.idle(), *expect.idle_max);
    if (expect.of_uncontrolled_min) {
        const Window& free = other({.controlled = false}).windows()[index];
        const double without =
            expect.group.empty() ? free.total_rate() : free.rate(scenario_.group_index(expect.group));
        at_least(expect, "rate over that without control", rate / without, *expect.of_uncontrolled_min);
    }
}

void Comparison::check_latencies(const ExpectSpec& expect, std::size_t index) {
    const std::size_t group = scenario_.group_index(expect.group);
    const GroupMeasure& measure = run_.windows()[index].groups()[group];
    const auto ms = [](TimeNs t) { return static_cast<double>(t) / 1e6; };
    if (expect.p50_max) at_most(expect, "p50 in ms", ms(measure.latency.percentile(50)), ms(*expect.p50_max));
    if (expect.p99_max) at_most(expect, "p99 in ms", ms(measure.latency.percentile(99)), ms(*expect.p99_max));
    if (expect.longest_max)
        at_most(expect, "longest latency in ms", ms(measure.latency.longest()), ms(*expect.longest_max));
    if (expect.excess_max)
        at_most(expect, "units of others beyond the own turn", measure.excess_units, *expect.excess_max);
    if (expect.longest_of_uncontrolled_max) {
        const TimeNs without = other({.controlled = false}).windows()[index].groups()[group].latency.longest();
        at_most(expect, "longest latency over that without control", ms(measure.latency.longest()) / ms(without),
                *expect.longest_of_uncontrolled_max);
    }
    if (expect.p99_of_alone_max) {
        const TimeNs alone = other({.controlled = true, .only_group = expect.group})
                                 .windows()[index]
                                 .groups()[group]
                                 .latency.percentile(99);
        at_most(expect, "p99 in ms beside others", ms(measure.latency.percentile(99)),
                ms(alone) * *expect.p99_of_alone_max + ms(expect.plus.value_or(0)));
    }
}

}  // namespace bandfs::sim
