// What the scheduler costs: admit() and complete() of a unit, with 1 to 10,000 groups, for each policy.
//
// immediate  the disk has room: a unit is admitted, issued at once, and completed
// held       the disk is full and every group keeps two units waiting: one completes, others are released, and its
// caller's next
//            one is admitted and held
//
// Groups are visited in a shuffled order, so that no prefetcher knows the next one. The target is 100 ns for the pair,
// and at 10,000 groups at most twice the time of one.
#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "band/policy_table.h"
#include "bandfs/device_group.h"

namespace bandfs {
namespace {

constexpr std::uint32_t kUnitBytes = 128 << 10;
constexpr TimeNs kTick = 1000;

/// A device group with so many groups, and the order in which they are visited.
class Visited {
public:
    Visited(std::string_view policy, std::size_t groups)
        : device(DeviceGroup::create({.token_base = 100'000}, policy)), mount(*device, kDefaultWeight) {
        for (GroupId id = 1; id < groups; ++id) (void)mount.attach(id, 1 + id % 100);
        mount.for_each([&](Group& group) { order_.push_back(&group); });
        std::shuffle(order_.begin(), order_.end(), std::mt19937(1));
    }

    Group& next_group() {
        Group& group = *order_[at_];
        at_ = at_ + 1 == order_.size() ? 0 : at_ + 1;
        return group;
    }

    std::unique_ptr<DeviceGroup> device;
    MountGroups mount;
    TimeNs now = 0;

private:
    std::vector<Group*> order_;
    std::size_t at_ = 0;
};

void immediate(benchmark::State& state, std::string_view policy) {
    Visited visited(policy, static_cast<std::size_t>(state.range(0)));
    Unit unit;
    unit.bytes = kUnitBytes;
    for (auto _ : state) {
        unit.group = &visited.next_group();
        if (visited.device->admit(unit, visited.now += kTick) != Admission::immediate) {
            state.SkipWithError("held on an idle disk");
            break;
        }
        visited.device->complete(unit, visited.now += kTick);
    }
}

void held(benchmark::State& state, std::string_view policy) {
    const auto groups = static_cast<std::size_t>(state.range(0));
    Visited visited(policy, groups);
    std::vector<Unit> units(2 * groups + 2 * visited.device->io_limit());
    std::vector<Unit*> ring(units.size() + 1);  // of units in flight, the oldest first
    std::size_t oldest = 0;
    std::size_t newest = 0;
    const auto in_flight = [&](Unit& unit) {
        ring[newest] = &unit;
        newest = newest + 1 == ring.size() ? 0 : newest + 1;
    };
    const auto admit = [&](Unit& unit) {
        if (visited.device->admit(unit, visited.now += kTick) == Admission::immediate) in_flight(unit);
    };
    const auto release = [&] {
        while (Unit* next = visited.device->release_next(visited.now)) in_flight(*next);
    };
    for (Unit& unit : units) {
        unit.group = &visited.next_group();
        unit.bytes = kUnitBytes;
        admit(unit);
    }
    for (auto _ : state) {
        while (oldest == newest) {  // only time helps
            visited.now += kTick;
            release();
        }
        Unit& done = *ring[oldest];
        oldest = oldest + 1 == ring.size() ? 0 : oldest + 1;
        visited.device->complete(done, visited.now += kTick);
        release();
        admit(done);
        release();
    }
    visited.device->suspend();
    release();
    for (Unit& unit : units) {
        if (unit.state == UnitState::issued) visited.device->complete(unit, visited.now);
    }
}

void add(const PolicyEntry& policy) {
    const auto add_case = [&](const std::string& name, void (*run)(benchmark::State&, std::string_view)) {
        benchmark::RegisterBenchmark((std::string(policy.name) + '/' + name).c_str(),
                                     [run, &policy](benchmark::State& state) { run(state, policy.name); })
            ->Arg(1)
            ->Arg(100)
            ->Arg(10'000);
    };
    add_case("immediate", immediate);
    add_case("held", held);
}

}  // namespace
}  // namespace bandfs

int main(int argc, char** argv) {
    for (const bandfs::PolicyEntry& policy : bandfs::policy_table()) bandfs::add(policy);
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return 0;
}
