// Random schedules against the policy `fair`: what must hold whatever comes (seeds.h).
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "band/fair_order.h"
#include "band/fair_runs.h"
#include "bandfs/device_group.h"
#include "seeds.h"
#include "turn_clock.h"

namespace bandfs {
namespace {

constexpr TimeNs kLongestWait = 2'000'000;
constexpr double kStarvationBound =
    1 + FairOrder::kCredits + FairOrder::kLagUnits + FairRuns::kUnits;  // proved in fair_policy.h
static_assert(kStarvationBound <= 64);

/// One random schedule: some groups, arrivals, completions in any order, sleeps, and changes.
class RandomSchedule {
public:
    RandomSchedule(std::uint64_t seed, unsigned units, bool changes) : random_(seed), units_(units), changes_(changes) {
        DeviceGroupSettings settings;
        settings.io_throttle = 1 + below(4);
        settings.io_limit = settings.io_throttle + below(64);
        device_group_ = DeviceGroup::create(settings, "fair");
        mount_ = std::make_unique<MountGroups>(*device_group_, 100);
        const unsigned groups = 2 + below(below(4) == 0 ? 60 : 12);
        for (unsigned i = 0; i < groups; ++i) {
            const std::uint64_t weight = 1 + below(1u << below(11));
            EXPECT_EQ(mount_->attach(i, weight), Error::none);
            groups_.push_back(mount_->find(i));
            sizes_.push_back(512u << below(12));
            eager_.push_back(1 + below(20));
            turns_.add_group(static_cast<double>(weight));
        }
        unit_at_.resize(units);
        lane_ = below(2) == 0 ? 1 : 1 + below(16);
    }

    void run() {
        while (!::testing::Test::HasFailure() &&
               (next_unit_ < units_ || device_group_->issued() + device_group_->blocked() > 0)) {
            step();
            pump();
            check();
        }
        EXPECT_EQ(done_, units_) << "units were lost";
        for (Group* group : groups_) EXPECT_EQ(group->issued() + group->held(), 0u);
    }

    double excess() const { return turns_.excess(); }

private:
    unsigned below(unsigned n) { return static_cast<unsigned>(random_() % n); }

    void step() {
        const bool may_arrive = next_unit_ < units_;
        const unsigned choice = below(100);
        if (may_arrive && choice < 45) {
            arrive();
        } else if (!in_flight_.empty() && choice < 92) {
            complete(below(lane_) < in_flight_.size()
                         ? below(std::min<unsigned>(lane_, static_cast<unsigned>(in_flight_.size())))
                         : 0);
        } else if (changes_ && choice < 94) {
            change();
        } else if (!may_arrive || choice < 97) {
            now_ += below(3'000'000);
            if (in_flight_.empty() && device_group_->blocked() > 0) now_ = std::max(now_, device_group_->wakes_at());
        }
    }

    void arrive() {
        unsigned group = below(static_cast<unsigned>(groups_.size()));
        while (below(20) >= eager_[group]) group = below(static_cast<unsigned>(groups_.size()));
        for (unsigned n = 1 + below(below(5) == 0 ? 20 : 2); n > 0 && next_unit_ < units_; --n) {
            Unit& unit = unit_at_[next_unit_++];
            unit.group = groups_[group];
            unit.bytes = below(2) == 0 ? sizes_[group] : 1 + below(sizes_[group]);
            unit.direction = below(2) == 0 ? Direction::read : Direction::write;
            turns_.arrived(group, unit.bytes);
            if (device_group_->admit(unit, now_) == Admission::immediate) issued(unit);
        }
    }

    void complete(std::size_t index) {
        Unit* const unit = in_flight_[index];
        in_flight_.erase(in_flight_.begin() + static_cast<std::ptrdiff_t>(index));
        now_ += below(2) == 0 ? 1 + below(100'000) : static_cast<TimeNs>(unit->bytes) * 25;
        const std::uint64_t charged = unit->charge;
        EXPECT_EQ(charged, unit->bytes) << "what is charged is the unit's cost, to its end";
        device_group_->complete(*unit, now_);
        ++done_;
    }

    void change() {
        const unsigned group = below(static_cast<unsigned>(groups_.size()));
        if (below(2) == 0) {
            const std::uint64_t weight = 1 + below(1000);
            EXPECT_EQ(device_group_->set_weight(*groups_[group], weight), Error::none);
            turns_.set_weight(group, static_cast<double>(weight));
        } else {
            EXPECT_EQ(device_group_->set_policy(below(2) == 0 ? "fair" : "weight", now_), Error::none);
            EXPECT_EQ(device_group_->set_policy("fair", now_), Error::none);
        }
    }

    void pump() {
        while (Unit* unit = device_group_->release_next(now_)) issued(*unit);
    }

    void issued(Unit& unit) {
        in_flight_.push_back(&unit);
        turns_.issued(unit.group->id(), unit.bytes);
    }

    void check() {
        EXPECT_EQ(device_group_->issued(), in_flight_.size());
        EXPECT_EQ(device_group_->issued() + device_group_->blocked() + done_, next_unit_);
        EXPECT_LE(device_group_->issued(), device_group_->io_limit());
        if (device_group_->blocked() > 0 && in_flight_.empty()) {
            EXPECT_LE(device_group_->wakes_at() - now_, kLongestWait) << "the disk idles though units are held";
        }
    }

    std::mt19937_64 random_;
    const unsigned units_;
    const bool changes_;
    std::unique_ptr<DeviceGroup> device_group_;
    std::unique_ptr<MountGroups> mount_;
    std::vector<Group*> groups_;
    std::vector<std::uint32_t> sizes_;
    std::vector<unsigned> eager_;  ///< of 20: how often a group that is drawn sends something
    sim::TurnClock turns_;
    std::vector<Unit> unit_at_;
    std::vector<Unit*> in_flight_;
    unsigned lane_, next_unit_ = 0, done_ = 0;
    TimeNs now_ = 0;
};

TEST(FairProperty, NothingIsLostAndTheDiskNeverIdlesForLong) {
    for_each_seed(500,
                  [](std::uint64_t seed) { RandomSchedule(seed, 20 + static_cast<unsigned>(seed % 300), true).run(); });
}

TEST(FairProperty, NoUnitWaitsLongBeyondItsOwnTurn) {
    double most = 0;
    for_each_seed(500, [&most](std::uint64_t seed) {
        RandomSchedule schedule(seed, 20 + static_cast<unsigned>(seed % 300), false);
        schedule.run();
        EXPECT_LE(schedule.excess(), kStarvationBound);
        most = std::max(most, schedule.excess());
    });
    RecordProperty("most_units_beyond_the_turn", std::to_string(most));
    std::printf("longest wait beyond the own turn: %.1f units\n", most);
}

}  // namespace
}  // namespace bandfs
