// band-sim SCENARIO.toml ... - runs scenarios on the virtual disk, prints what each group got, and compares it with
// what the scenario expects. Exit code 1: an expectation was not met or an invariant broke; 2: a file cannot be used.
#include <chrono>
#include <cstdio>
#include <string>

#include "expectations.h"
#include "scenario.h"
#include "simulation.h"
#include "wanted.h"

namespace bandfs::sim {
namespace {

void print_report(const Scenario& scenario, const Simulation& run, double wall_seconds) {
    const Window& window = run.whole();
    const double total = window.total_rate(), total_time = window.total_time();
    const bool flat = scenario.is_flat();
    const auto percent = [](double part, double whole) { return whole > 0 ? part / whole * 100 : 0; };
    const std::vector<double> wanted = wanted_rates(scenario, total);
    std::printf("%s: %s\n", scenario.file.c_str(), scenario.title.c_str());
    std::printf("  %-12s %7s %8s %8s %8s %10s %9s %9s %9s %7s\n", "group", "weight", "wanted", "got", "of time", "MB/s",
                "p50 ms", "p99 ms", "max ms", "excess");
    for (std::size_t i = 0; i < scenario.groups.size(); ++i) {
        const GroupMeasure& group = window.groups()[i];
        const auto ms = [](TimeNs t) { return static_cast<double>(t) / 1e6; };
        std::printf("  %-12s %7llu %7.2f%% %7.2f%% %7.2f%% %10.3f %9.3f %9.3f %9.3f", scenario.groups[i].name.c_str(),
                    static_cast<unsigned long long>(scenario.groups[i].weight), percent(wanted[i], total),
                    percent(window.rate(i), total), percent(static_cast<double>(group.disk_time), total_time),
                    window.rate(i) / 1e6, ms(group.latency.percentile(50)), ms(group.latency.percentile(99)),
                    ms(group.latency.longest()));
        if (flat) {
            std::printf(" %7.1f\n", group.excess_units);
        } else {
            std::printf(" %7s\n", "-");
        }
    }
    std::printf("  total %.3f MB/s, %.2f%% of the disk, Jain %.5f, idle with units held %.2f%%\n", total / 1e6,
                total / scenario.disk.bandwidth * 100, weighted_jain(scenario, window), window.idle() * 100);
    std::printf(" ");
    run.device_group().policy_figures([](std::string_view name, double value) {
        std::printf(" %.*s=%.6g", static_cast<int>(name.size()), name.data(), value);
    });
    std::printf("\n  %llu units, %.0f s of disk time in %.2f s\n", static_cast<unsigned long long>(run.units_done()),
                static_cast<double>(scenario.duration) / 1e9, wall_seconds);
}

bool run_file(const std::string& path) {
    const Scenario scenario = read_scenario(path);
    const auto begin = std::chrono::steady_clock::now();
    Simulation run(scenario, {});
    run.run();
    print_report(scenario, run, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    const std::vector<std::string> failures = Comparison(scenario, run).failures();
    for (const std::string& failure : failures) std::printf("FAILED %s\n", failure.c_str());
    return failures.empty();
}

}  // namespace
}  // namespace bandfs::sim

int main(int argc, char** argv) {
    if (argc < 2) {
        std::fprintf(stderr, "usage: band-sim SCENARIO.toml ...\n");
        return 2;
    }
    bool good = true;
    for (int i = 1; i < argc; ++i) {
        try {
            good &= bandfs::sim::run_file(argv[i]);
        } catch (const bandfs::sim::ScenarioError& error) {
            std::fprintf(stderr, "%s\n", error.what());
            return 2;
        } catch (const bandfs::sim::InvariantError& error) {
            std::fprintf(stderr, "FAILED %s\n", error.what());
            good = false;
        }
    }
    return good ? 0 : 1;
}
