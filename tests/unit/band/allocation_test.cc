// What the scheduler allocates: nothing on the way of a unit, and little for an idle group. A binary of its own, since
// it counts every operator new of the process.
#include <malloc.h>

#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

#include <gtest/gtest.h>

#include "band/policy_table.h"
#include "bandfs/device_group.h"

namespace {

std::size_t allocations = 0;
std::size_t allocated_bytes = 0;  // those not freed yet

void* counted(std::size_t size, std::size_t alignment) {
    ++allocations;
    void* const memory = std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
    if (memory == nullptr) throw std::bad_alloc();
    allocated_bytes += ::malloc_usable_size(memory);
    return memory;
}

void uncounted(void* memory) {
    allocated_bytes -= ::malloc_usable_size(memory);
    std::free(memory);
}

}  // namespace

void* operator new(std::size_t size) {
    return counted(size, alignof(std::max_align_t));
}
void* operator new(std::size_t size, std::align_val_t alignment) {
    return counted(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept {
    uncounted(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
    uncounted(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
    uncounted(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
    uncounted(memory);
}

namespace bandfs {
namespace {

constexpr std::size_t kGroups = 50;
constexpr std::size_t kUnits = 2000;

class Allocation : public ::testing::TestWithParam<std::string_view> {};

TEST_P(Allocation, NoneOnTheWayOfAUnit) {
    const auto device = DeviceGroup::create({.held_bytes_limit = 10 * 4096}, GetParam());
    MountGroups mount(*device, kDefaultWeight);
    for (GroupId id = 1; id <= kGroups; ++id) ASSERT_EQ(mount.attach(id, id), Error::none);
    std::vector<Unit> units(kUnits);
    std::vector<Unit*> flight;
    flight.reserve(kUnits);
    TimeNs now = 0;

    const std::size_t before = allocations;
    ASSERT_GT(before, 0u);
    for (std::size_t i = 0; i < kUnits; ++i) {
        units[i].group = &mount.for_id(i % (kGroups + 1));
        units[i].bytes = 4096;
        units[i].direction = i % 3 == 0 ? Direction::write : Direction::read;
        if (device->admit(units[i], now += 1000) == Admission::immediate) flight.push_back(&units[i]);
        while (Unit* next = device->release_next(now)) flight.push_back(next);
    }
    ASSERT_GT(device->blocked(), 0u);
    for (std::size_t i = 0; i < kUnits; i += 7) {
        if (units[i].state != UnitState::held) continue;
        if (i % 2 == 0) {
            device->expedite(units[i], now);
        } else {
            device->cancel(units[i], now);
        }
    }
    while (device->issued() + device->blocked() != 0) {
        now += 1000;
        if (flight.empty()) now = std::max(now, device->wakes_at());
        while (Unit* next = device->release_next(now)) flight.push_back(next);
        if (flight.empty()) continue;
        device->complete(*flight.back(), now);
        flight.pop_back();
    }
    EXPECT_EQ(allocations, before);
}

TEST_P(Allocation, AnIdleGroupTakesAtMost512Bytes) {
    constexpr std::size_t kIdle = 100'000;
    const auto device = DeviceGroup::create({}, GetParam());
    MountGroups mount(*device, kDefaultWeight);
    const std::size_t before = allocated_bytes;
    for (GroupId id = 1; id <= kIdle; ++id) ASSERT_EQ(mount.attach(id, kDefaultWeight), Error::none);
    EXPECT_LE((allocated_bytes - before) / kIdle, 512u);
}

std::vector<std::string_view> policies() {
    std::vector<std::string_view> names;
    for (const PolicyEntry& entry : policy_table()) names.push_back(entry.name);
    return names;
}

INSTANTIATE_TEST_SUITE_P(EveryPolicy, Allocation, ::testing::ValuesIn(policies()),
                         [](const auto& each) { return "Policy" + std::to_string(each.index); });

}  // namespace
}  // namespace bandfs
