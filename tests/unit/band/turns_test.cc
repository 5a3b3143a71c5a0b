// Turns: units of no bytes, which a group waits for whose other units all pass out of turn.
#include <deque>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "bandfs/device_group.h"
#include "scheduler_fixture.h"

namespace bandfs {
namespace {

constexpr TimeNs kUnitNs = 3'276'800;  // 128 KiB at 40 MB/s
constexpr TimeNs kThinkNs = 100'000;   // between an answer and the next request
constexpr std::uint32_t kBytes = 131072;

/// Groups that write a unit and make sure of it, over and over, on a disk that does one unit at a time.
class TurnsTest : public ::testing::Test {
protected:
    struct Looper {
        Group* group;
        Unit data, turn;
        TimeNs comes_at = 0;  ///< its next write; kNever while it waits
        int done = 0;
    };

    ~TurnsTest() override {
        ending_ = true;
        mount_->go_down();
        pump();
        while (!disk_.empty()) finish(disk_.front());
    }

    Looper& loop(GroupId id, std::uint64_t weight) {
        EXPECT_EQ(mount_->attach(id, weight), Error::none);
        Looper& looper = *loopers_.emplace_back(std::make_unique<Looper>());
        looper.group = mount_->find(id);
        looper.data.group = looper.turn.group = looper.group;
        looper.data.direction = looper.turn.direction = Direction::write;
        looper.data.bytes = kBytes;
        looper.turn.is_turn = true;
        return looper;
    }
    void run(TimeNs until) {
        while (now_ < until) {
            TimeNs next = disk_.empty() ? kNever : free_at_;
            for (const auto& looper : loopers_) next = std::min(next, looper->comes_at);
            next = std::max(now_, std::min(next, device_->wakes_at()));
            ASSERT_NE(next, kNever);
            now_ = next;
            if (!disk_.empty() && free_at_ <= now_) finish(disk_.front());
            for (const auto& looper : loopers_) {
                if (looper->comes_at <= now_) write(*looper);
            }
            pump();
        }
    }

    /// So many units of a group pass out of turn, and are done at once.
    void pass(Group& group, int units) {
        for (int i = 0; i < units; ++i) {
            Unit unit;
            unit.group = &group;
            unit.bytes = kBytes;
            if (device_->admit(unit, now_) == Admission::held) {
                device_->expedite(unit, now_);
                ASSERT_EQ(device_->release_next(now_), &unit);
            }
            device_->complete(unit, now_);
        }
    }

    std::unique_ptr<DeviceGroup> device_ = DeviceGroup::create({}, "fair");
    std::unique_ptr<MountGroups> mount_ = std::make_unique<MountGroups>(*device_, 100);
    std::vector<std::unique_ptr<Looper>> loopers_;
    int waits_ = 0;  ///< turns that were held

private:
    Looper& of(const Unit& unit) {
        for (const auto& looper : loopers_) {
            if (&looper->data == &unit || &looper->turn == &unit) return *looper;
        }
        std::abort();
    }
    void write(Looper& looper) {
        looper.comes_at = kNever;
        if (device_->admit(looper.turn, now_) == Admission::immediate)
            issued(looper.turn);
        else
            ++waits_;
    }
    void sync(Looper& looper) {
        if (device_->admit(looper.data, now_) == Admission::immediate)
            issued(looper.data);
        else
            device_->expedite(looper.data, now_);
    }
    void issued(Unit& unit) {
        if (unit.is_turn) {
            device_->complete(unit, now_);
            if (!ending_) sync(of(unit));
            return;
        }
        if (disk_.empty()) free_at_ = now_ + kUnitNs;
        disk_.push_back(&unit);
    }
    void pump() {
        while (Unit* const unit = device_->release_next(now_)) issued(*unit);
    }
    void finish(Unit* unit) {
        disk_.pop_front();
        device_->complete(*unit, now_);
        free_at_ = now_ + kUnitNs;
        Looper& looper = of(*unit);
        ++looper.done;
        looper.comes_at = now_ + kThinkNs;
    }

    std::deque<Unit*> disk_;
    TimeNs now_ = 0, free_at_ = 0;
    bool ending_ = false;
};

TEST_F(TurnsTest, WhoAlwaysMakesSureHasItsShareAllTheSame) {
    const Looper& heavy = loop(1, 300);
    const Looper& light = loop(2, 100);
    run(10'000'000'000);
    const double all = heavy.done + light.done;
    EXPECT_NEAR(heavy.done / all, 0.75, 0.03);
    EXPECT_GE(all, 0.93 * 10e9 / static_cast<double>(kUnitNs));
    EXPECT_GT(waits_, 0);
}

TEST_F(TurnsTest, ThreeHaveTheirs) {
    const Looper& a = loop(1, 400);
    const Looper& b = loop(2, 200);
    const Looper& c = loop(3, 100);
    run(10'000'000'000);
    const double all = a.done + b.done + c.done;
    EXPECT_NEAR(a.done / all, 4.0 / 7, 0.03);
    EXPECT_NEAR(b.done / all, 2.0 / 7, 0.03);
    EXPECT_NEAR(c.done / all, 1.0 / 7, 0.03);
}

TEST_F(TurnsTest, AGroupAloneNeverWaitsAndIsNeverInDebt) {
    const Looper& one = loop(1, 100);
    run(2'000'000'000);
    EXPECT_EQ(waits_, 0);
    EXPECT_FALSE(device_->in_debt(*one.group));
    EXPECT_GT(one.done, 500);
}

TEST_F(TurnsTest, WhoHasPutManyUnitsBeforeOthersIsInDebt) {
    const Looper& steady = loop(1, 100);
    const Looper& greedy = loop(2, 100);
    run(1'000'000'000);
    EXPECT_FALSE(device_->in_debt(*steady.group));
    EXPECT_FALSE(device_->in_debt(*greedy.group));
    pass(*greedy.group, 40);
    EXPECT_TRUE(device_->in_debt(*greedy.group));
    EXPECT_FALSE(device_->in_debt(*steady.group));
}

class TurnOfTest : public SchedulerFixture, public ::testing::WithParamInterface<const char*> {
protected:
    TurnOfTest() : SchedulerFixture({.io_throttle = 1, .io_limit = 2, .token_base = 1}, GetParam()) {}
};

TEST_P(TurnOfTest, CostsNothingAndIsNotCounted) {
    Group& group = attach(1);
    Unit& turn = unit(group, 0, Direction::write);
    turn.is_turn = true;
    device->admit(turn, now);
    EXPECT_EQ(turn.state, UnitState::issued);
    EXPECT_EQ(turn.charge, 0u);
    complete(turn);
    EXPECT_EQ(group.statistics(), Statistics{});
    EXPECT_FALSE(device->in_debt(group));
}

INSTANTIATE_TEST_SUITE_P(Policies, TurnOfTest, ::testing::Values("fair", "weight", "weight-iosize"),
                         [](const auto& it) {
                             std::string name = it.param;
                             std::erase(name, '-');
                             return name;
                         });

}  // namespace
}  // namespace bandfs
