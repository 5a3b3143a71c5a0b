// sim/expectations.h - compares a run with what its scenario expects.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "scenario.h"
#include "simulation.h"

namespace bandfs::sim {

/// A run and those that it is compared with, which are made when they are first asked for.
class Comparison {
public:
    Comparison(const Scenario& scenario, const Simulation& run) : scenario_(scenario), run_(run) {}

    /// One line for each expectation that was not met.
    std::vector<std::string> failures();

private:
    void check(std::size_t index);
    void check_shares(const ExpectSpec& expect, const Window& window);
    void check_rates(const ExpectSpec& expect, std::size_t index);
    void check_latencies(const ExpectSpec& expect, std::size_t index);
    void at_least(const ExpectSpec& expect, const char* what, double got, double bound);
    void at_most(const ExpectSpec& expect, const char* what, double got, double bound);
    const Simulation& other(const RunMode& mode);

    const Scenario& scenario_;
    const Simulation& run_;
    std::map<std::string, std::unique_ptr<Simulation>> others_;  ///< by "" (no control) or the group that was alone
    std::vector<std::string> failures_;
};

/// The weighted Jain index of a window.
double weighted_jain(const Scenario& scenario, const Window& window);

}  // namespace bandfs::sim
