#include "wanted.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace bandfs::sim {
namespace {

struct Claim {
    double weight, least, most;
};

/// Finds the level x with sum(clamp(weight * x, least, most)) = capacity, by halving.
std::vector<double> share_out(const std::vector<Claim>& claims, double capacity) {
    double floors = 0;
    for (const Claim& claim : claims) floors += claim.least;
    const double scale = floors > capacity ? capacity / floors : 1;  // floors that cannot be met are cut alike
    const auto at = [&](const Claim& c, double level) {
        return std::clamp(c.weight * level, std::min(c.least * scale, c.most), c.most);
    };
    double low = 0, high = capacity;
    for (int i = 0; i < 200; ++i) {
        const double level = (low + high) / 2;
        double sum = 0;
        for (const Claim& claim : claims) sum += at(claim, level);
        (sum < capacity ? low : high) = level;
    }
    std::vector<double> rates;
    for (const Claim& claim : claims) rates.push_back(at(claim, high));
    return rates;
}

class Sharing {
public:
    explicit Sharing(const Scenario& scenario) : scenario_(scenario), own_demand_(scenario.groups.size(), 0.0) {
        for (const CallerSpec& caller : scenario.callers)
            own_demand_[scenario.group_index(caller.group)] +=
                caller.rate > 0 ? caller.rate : std::numeric_limits<double>::infinity();
        rates_.resize(scenario.groups.size());
        for (std::size_t i = 0; i < scenario.groups.size(); ++i) children_[scenario.groups[i].parent].push_back(i);
    }

    void share(const std::string& parent, double own_weight, double own_demand, double capacity,
               std::size_t own_index) {
        const std::vector<std::size_t>& indices = children_[parent];
        std::vector<Claim> claims;
        for (const std::size_t i : indices)
            claims.push_back({static_cast<double>(scenario_.groups[i].weight), floor_of(i), demand_of(i)});
        const bool has_own = own_demand > 0;
        if (has_own) claims.push_back({own_weight, 0, own_demand});
        const std::vector<double> rates = share_out(claims, capacity);
        for (std::size_t i = 0; i < indices.size(); ++i) {
            const GroupSpec& group = scenario_.groups[indices[i]];
            rates_[indices[i]] = rates[i];
            if (children_.contains(group.name))
                share(group.name, static_cast<double>(group.weight), own_demand_[indices[i]], rates[i], indices[i]);
        }
        if (has_own && own_index != kNone)
            rates_[own_index] = rates.back();
        else if (own_index != kNone)
            rates_[own_index] = 0;
    }

    static constexpr std::size_t kNone = SIZE_MAX;
    std::vector<double> take() { return std::move(rates_); }

private:
    double demand_of(std::size_t index) const {
        double demand = own_demand_[index];
        const auto children = children_.find(scenario_.groups[index].name);
        if (children != children_.end())
            for (const std::size_t child : children->second) demand += demand_of(child);
        const std::uint64_t max = scenario_.groups[index].max;
        return max ? std::min(demand, static_cast<double>(max)) : demand;
    }
    double floor_of(std::size_t index) const {
        return std::min(static_cast<double>(scenario_.groups[index].min), demand_of(index));
    }

    const Scenario& scenario_;
    std::unordered_map<std::string, std::vector<std::size_t>> children_;  ///< by the parent's name, "" for none
    std::vector<double> own_demand_;
    std::vector<double> rates_;
};

}  // namespace

std::vector<double> wanted_rates(const Scenario& scenario, double capacity) {
    Sharing sharing(scenario);
    sharing.share("", 0, 0, capacity, Sharing::kNone);
    return sharing.take();
}

}  // namespace bandfs::sim
