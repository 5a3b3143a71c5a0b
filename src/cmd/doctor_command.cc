// `bandfs doctor`: what is degraded on this machine, and how to mend it.

#include <cstdio>

#include <nlohmann/json.hpp>

#include "cmd/doctor_checks.h"
#include "cmd/subcommands.h"

namespace bandfs {
namespace {

using Json = nlohmann::ordered_json;

const char* word_for(Health health) {
    switch (health) {
        case Health::good:
            return "ok";
        case Health::degraded:
            return "degraded";
        case Health::missing:
            return "missing";
    }
    return "";
}

void print(const std::vector<Finding>& findings) {
    for (const Finding& finding : findings) {
        std::printf("%-9s %-20s %s\n", word_for(finding.health), finding.what.c_str(), finding.found.c_str());
        if (!finding.remedy.empty()) std::printf("%-30s -> %s\n", "", finding.remedy.c_str());
    }
}

void print_json(const std::vector<Finding>& findings) {
    Json all = Json::array();
    for (const Finding& finding : findings) {
        all.push_back({{"what", finding.what},
                       {"health", word_for(finding.health)},
                       {"found", finding.found},
                       {"remedy", finding.remedy}});
    }
    std::printf("%s\n", all.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
}

}  // namespace

Outcome<Done> run_doctor(const SubcommandLine& line) {
    const std::vector<Finding> findings = examine(line.operands.empty() ? "" : line.operands[0]);
    line.has("json") ? print_json(findings) : print(findings);
    for (const Finding& finding : findings) {
        if (finding.health != Health::good) return Failure{ExitCode::degraded, ""};
    }
    return Done{};
}

}  // namespace bandfs
