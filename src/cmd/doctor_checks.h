// cmd/doctor_checks.h - what `bandfs doctor` looks at.
#pragma once

#include <string>
#include <vector>

namespace bandfs {

enum class Health {
    good,      ///< as it should be
    degraded,  ///< bandfs works, with less than it could have
    missing,   ///< bandfs does not work
};

struct Finding {
    std::string what;  ///< "kernel"
    Health health = Health::good;
    std::string found;   ///< "6.18.44"
    std::string remedy;  ///< what to do about it; empty when nothing
};

/// Looks at this machine and user and, when it is not empty, at the directory that is to be mounted.
std::vector<Finding> examine(const std::string& source);

/// The first two numbers of a release ("6.18.44-x" is 6.18) are at least these.
bool release_is_at_least(const std::string& release, unsigned major, unsigned minor);

}  // namespace bandfs
