// sim/wanted.h - the rates that groups are to get.
#pragma once

#include <vector>

#include "scenario.h"

namespace bandfs::sim {

/// Bytes per second of each group when `capacity` is shared by weight: each group at least its floor and at most its
/// ceiling or demand, what one does not take going to the others by their weights; children share what their parent
/// gets.
std::vector<double> wanted_rates(const Scenario& scenario, double capacity);

}  // namespace bandfs::sim
