// Cost, depth, anticipation, limits, runs and hierarchy of the policy `fair`, each alone.
#include <array>
#include <cmath>
#include <memory>
#include <random>
#include <span>
#include <vector>

#include <gtest/gtest.h>

#include "band/fair_batch.h"
#include "band/fair_cost.h"
#include "band/fair_depth.h"
#include "band/fair_kin.h"
#include "band/fair_limits.h"
#include "band/fair_runs.h"
#include "band/fair_think.h"

namespace bandfs {
namespace {

constexpr TimeNs kMs = 1'000'000;

Unit unit_of(std::uint32_t bytes, Direction direction = Direction::read) {
    Unit unit;
    unit.bytes = bytes;
    unit.direction = direction;
    return unit;
}

TEST(FairCost, ByBytesAUnitCostsItsBytes) {
    FairCost cost;
    cost.learn(Direction::read, 4096, 5 * kMs, true);
    EXPECT_EQ(cost.of(unit_of(4096)), 4096);
    EXPECT_EQ(cost.of(unit_of(1 << 20, Direction::write)), 1 << 20);
}

TEST(FairCost, ByTimeTheModelIsLearntForEachDirection) {
    FairCost cost;
    cost.set_kind(FairCost::Kind::time);
    std::mt19937 random(1);
    std::uniform_real_distribution<double> noise(0.8, 1.2);
    for (int i = 0; i < 500; ++i) {
        const std::uint32_t bytes = 4096u << (random() % 9);
        cost.learn(Direction::read, bytes, static_cast<TimeNs>((300'000 + 25.0 * bytes) * noise(random)), true);
        cost.learn(Direction::write, bytes, static_cast<TimeNs>((700'000 + 30.0 * bytes) * noise(random)), true);
    }
    EXPECT_NEAR(cost.model(Direction::read).fixed_ns(), 300'000, 90'000);
    EXPECT_NEAR(cost.model(Direction::read).ns_per_byte(), 25, 3.5);
    EXPECT_NEAR(cost.of(unit_of(1 << 20, Direction::write)), 700'000 + 30.0 * (1 << 20), 4e6);
}

TEST(FairCost, ADirectionThatWasNeverSeenIsLikeTheOther) {
    FairCost cost;
    cost.set_kind(FairCost::Kind::time);
    for (int i = 0; i < 10; ++i) cost.learn(Direction::read, 100'000, 2 * kMs, true);
    EXPECT_NEAR(cost.of(unit_of(50'000, Direction::write)), 1e6, 1e3);
}

TEST(FairCost, OneThatWasHeldUpSaysLittle) {
    FairCost cost;
    for (int i = 0; i < 20; ++i) cost.learn(Direction::read, 131072, 50'000, true);
    cost.learn(Direction::read, 131072, 100 * kMs, true);
    EXPECT_LT(cost.disk_time(Direction::read, 131072), 60'000);
}

TEST(FairCost, AModelThatSaysTooMuchIsCorrectedByUnitsThatWereNotAlone) {
    FairCost cost;
    for (int i = 0; i < 20; ++i) cost.learn(Direction::read, 4096, 1'700'000, true);  // of a busy machine
    for (int i = 0; i < 2000; ++i) cost.learn(Direction::read, 4096, 500'000 + i % 10 * 100'000, false);
    EXPECT_LT(cost.disk_time(Direction::read, 4096), 800'000);
    EXPECT_GE(cost.disk_time(Direction::read, 4096), 500'000);
}

/// Units of 4 and 128 KiB in turns, of which the disk always has several; `lanes` at a time, and 60 us of the way
/// there and back beside.
FairCost learnt_from_queues(unsigned lanes) {
    constexpr TimeNs kWay = 60'000;
    const auto served = [](std::uint32_t bytes) { return static_cast<TimeNs>(100'000 + 25.0 * bytes); };
    FairCost cost;
    cost.set_kind(FairCost::Kind::time);
    FairBatch batch;
    std::mt19937 random(3);
    TimeNs now = kMs;
    for (std::uint64_t i = 1; i < 2000; ++i) {
        Unit unit = unit_of(random() % 2 == 0 ? 4096 : 131072);
        unit.sequence = i;
        unit.issued_at = now - kMs / 10;
        if (i % 50 == 0) cost.learn(unit.direction, unit.bytes, served(unit.bytes) + kWay, true);
        now += served(unit.bytes) / lanes;
        cost.learn(batch);
        batch.begin(unit, now);
        batch.add(unit, cost.disk_time(unit.direction, unit.bytes));
    }
    return cost;
}

TEST(FairCost, WhereOneIsDoneAtATimeTheWayThereIsNotCharged) {
    const FairCost cost = learnt_from_queues(1);
    EXPECT_NEAR(cost.of(unit_of(4096)), 100'000 + 25.0 * 4096, 3'000);
    EXPECT_NEAR(cost.of(unit_of(131072)), 100'000 + 25.0 * 131072, 60'000);
    EXPECT_GT(cost.disk_time(Direction::read, 4096), 250'000) << "what a unit takes alone";
}

TEST(FairCost, WhereManyAreDoneAtATimeUnitsCostWhatTheyTakeAlone) {
    const FairCost cost = learnt_from_queues(4);
    EXPECT_NEAR(cost.of(unit_of(4096)), 160'000 + 25.0 * 4096, 5'000);
    EXPECT_NEAR(cost.of(unit_of(131072)), 160'000 + 25.0 * 131072, 60'000);
}

TEST(FairCost, OneLuckyUnitSaysLittle) {
    FairCost cost;
    for (int i = 0; i < 20; ++i) cost.learn(Direction::read, 4096, 500'000, true);
    cost.learn(Direction::read, 4096, 100'000, false);
    EXPECT_GT(cost.disk_time(Direction::read, 4096), 480'000);
}

TEST(FairBatch, OnlyWhatTheDiskHadInOrderIsQueued) {
    FairBatch batch;
    Unit unit = unit_of(4096), other = unit_of(8192);
    unit.sequence = 1;
    unit.issued_at = kMs;
    batch.begin(unit, 2 * kMs);
    batch.add(unit, 100);
    EXPECT_FALSE(batch.queued());
    EXPECT_EQ(batch.took(), kMs);
    EXPECT_FALSE(batch.ended(2 * kMs));
    EXPECT_TRUE(batch.ended(3 * kMs));

    unit.sequence = 2;
    other.sequence = 3;
    batch.begin(unit, 5 * kMs);
    batch.add(unit, 100);
    batch.add(other, 200);
    EXPECT_TRUE(batch.queued() && batch.in_order() && batch.alike());
    EXPECT_EQ(batch.took(), 3 * kMs) << "since the one before was done";
    EXPECT_EQ(batch.units(), 2u);
    EXPECT_EQ(batch.bytes(), 12'288u);
    EXPECT_EQ(batch.disk_time(), 300);

    unit.sequence = 5;
    unit.issued_at = 3 * kMs;
    other.sequence = 4;
    other.direction = Direction::write;
    batch.begin(unit, 6 * kMs);
    batch.add(unit, 100);
    EXPECT_TRUE(batch.queued());
    EXPECT_FALSE(batch.in_order());
    batch.add(other, 200);
    EXPECT_FALSE(batch.alike());
}

TEST(FairCost, AUnitAlwaysCostsSomething) {
    FairCost cost;
    cost.set_kind(FairCost::Kind::time);
    EXPECT_GT(cost.of(unit_of(1)), 0);
    cost.learn(Direction::read, 4096, 0, true);
    EXPECT_GT(cost.of(unit_of(1)), 0);
}

/// A disk with so many lanes that is kept as full as the depth allows; units take 1 ms alone. `sorts`: it also gets
/// faster, by a tenth for each doubling of what it may choose from.
class LanesDisk {
public:
    LanesDisk(FairDepth& depth, unsigned lanes, bool sorts = false) : depth_(depth), lanes_(lanes), sorts_(sorts) {}

    void run(TimeNs span) {
        for (const TimeNs end = now_ + span; now_ < end;) {
            const unsigned in_flight = depth_.limit();
            const double speed = std::min(in_flight, lanes_) * (sorts_ ? 1 + 0.1 * std::log2(in_flight) : 1.0);
            now_ += static_cast<TimeNs>(1e6 / speed);
            depth_.passed(now_, in_flight, true);
            depth_.completed(1e6, 4096, in_flight == 1, now_);
            deepest_ = std::max(deepest_, in_flight);
        }
    }
    unsigned deepest_ = 0;

private:
    FairDepth& depth_;
    const unsigned lanes_;
    const bool sorts_;
    TimeNs now_ = 0;
};

TEST(FairDepth, ADiskArmNeedsOneUnitAndOneThatWaits) {
    FairDepth depth;
    LanesDisk(depth, 1).run(10'000 * kMs);
    EXPECT_NEAR(depth.parallelism(), 1, 0.01);
    EXPECT_EQ(depth.spare(), 1u);
    EXPECT_EQ(depth.limit(), 2u);
}

TEST(FairDepth, LanesAreFoundSoonAndNoMoreThanThereAre) {
    FairDepth depth;
    LanesDisk disk(depth, 32);
    disk.run(1'000 * kMs);
    EXPECT_NEAR(depth.parallelism(), 32, 1);
    disk.run(20'000 * kMs);
    EXPECT_NEAR(depth.parallelism(), 32, 1);
    EXPECT_LE(depth.limit(), 50u);
}

TEST(FairDepth, WhoIsAloneMayHaveWhatIsDoneInTwoMilliseconds) {
    const auto backlog_limit = [](double disk_time, TimeNs took) {
        FairDepth depth;
        TimeNs now = 0;
        for (int i = 0; i < 5000; ++i) {
            now += took;
            depth.issued(disk_time);
            depth.passed(now, 1, false);
            depth.completed(disk_time, 4096, true, now);
        }
        return depth.backlog_limit();
    };
    EXPECT_EQ(backlog_limit(3.2e6, 3'200'000), 1u);
    EXPECT_NEAR(backlog_limit(40e3, 40'000), 50, 1);
    EXPECT_NEAR(backlog_limit(40e3, 160'000), 12, 1) << "a disk that is slower than its units say";

    FairDepth depth;  // one that works on three at a time
    TimeNs now = 0;
    for (int i = 0; i < 5000; ++i) {
        now += depth.probing() ? 150'000 : 50'000;
        depth.issued(150e3);
        depth.passed(now, depth.probing() ? 1 : 4, !depth.probing());
        depth.completed(150e3, 128 << 10, depth.probing(), now);
    }
    EXPECT_NEAR(depth.backlog_limit(), 40, 1);
}

TEST(FairDepth, ADiskThatSortsIsGivenMoreToChooseFrom) {
    FairDepth depth;
    LanesDisk disk(depth, 1, true);
    disk.run(60'000 * kMs);
    EXPECT_GE(depth.limit(), 8u);
}

TEST(FairDepth, ADiskThatLostItsLanesIsGivenLess) {
    FairDepth depth;
    LanesDisk(depth, 8).run(5'000 * kMs);
    ASSERT_GE(depth.limit(), 8u);
    FairDepth same = depth;
    LanesDisk slow(same, 1);
    slow.run(60'000 * kMs);
    EXPECT_EQ(same.spare(), 1u);
}

TEST(FairDepth, AMistakenParallelismIsCorrectedThoughNobodyHasToWait) {
    FairDepth depth;
    TimeNs now = 0;
    const auto run = [&](double disk_time, unsigned in_flight, bool held, TimeNs each) {
        for (int i = 0; i < 2000; ++i) {
            now += each;
            depth.passed(now, depth.probing() ? 1 : in_flight, held);
            depth.completed(disk_time, 131072, depth.probing(), now);
        }
    };
    run(2e6, 2, true, kMs);  // units taken to last 2 ms, when they last 1: looks like two lanes
    ASSERT_EQ(depth.spare(), 2u);
    run(1e6, 2, false, kMs);
    EXPECT_EQ(depth.spare(), 1u);
}

TEST(FairDepth, SomebodyWhoAsksNowAndThenKeepsTrialsRare) {
    unsigned deep[2];
    for (const bool shallow : {false, true}) {
        FairDepth depth;
        unsigned count = 0;
        TimeNs now = 0;
        for (int i = 0; i < 5000; ++i) {
            now += kMs;
            if (shallow) depth.keep_shallow(now, 0);
            depth.passed(now, depth.limit(), true);
            depth.completed(1e6, 4096, depth.limit() == 1, now);
            count += depth.limit() > 2;
        }
        deep[shallow] = count;
    }
    EXPECT_GT(deep[0], 0u);
    EXPECT_EQ(deep[1], 0u);
}

/// A disk of 40 us for each unit, the way to which takes 0.2 ms for one that is alone and 0.5 ms among others. Returns
/// the average number of units in flight in the last second of three, when somebody asks now and then who was idle for
/// so long, and the others have at most so many.
double depth_beside(TimeNs idle, bool hog_was_alone, unsigned most = 1000) {
    FairDepth depth;
    TimeNs now = 0;
    double in_flight_time = 0;
    const auto run = [&](TimeNs until, auto&& limit) {
        in_flight_time = 0;
        const TimeNs begin = now;
        while (now < until) {
            const unsigned in_flight = depth.probing() ? 1 : std::min(limit(), most);
            const TimeNs took = in_flight == 1 ? 240'000 : std::max<TimeNs>(500'000 / in_flight, 40'000);
            now += took;
            in_flight_time += static_cast<double>(took * in_flight);
            depth.issued(240e3);
            depth.passed(now, in_flight, true);
            depth.completed(240e3, 128 << 10, in_flight == 1, now);
        }
        return in_flight_time / static_cast<double>(now - begin);
    };
    if (hog_was_alone) run(1'000 * kMs, [&] { return depth.backlog_limit(); });
    const auto beside = [&] {
        depth.keep_shallow(now, idle);
        return std::max(depth.limit(), depth.rarely(now) ? depth.enough() : 1);
    };
    run(now + 2'000 * kMs, beside);
    return run(now + 1'000 * kMs, beside);
}

TEST(FairDepth, WhoAsksRarelyWaitsForAsManyUnitsAsTheDiskNeeds) {
    for (const bool hog_was_alone : {true, false}) {
        EXPECT_NEAR(depth_beside(20 * kMs, hog_was_alone), 13, 2) << "500 us over 40, and a little more";
        EXPECT_LT(depth_beside(kMs, hog_was_alone), 9) << "who asks often waits for fewer";
        EXPECT_GT(depth_beside(20 * kMs, hog_was_alone, 16), 11) << "that is seen with 16 as well";
    }
}

/// Serves 3 ms of disk time at a time and comes back after `think`.
TimeNs patience_after(FairThink& think, int rounds, TimeNs pause) {
    TimeNs now = 0;
    for (int i = 0; i < rounds; ++i) {
        think.served(3e6);
        think.went(now);
        now += pause;
        think.came(now);
        now += 3 * kMs;
    }
    think.served(3e6);
    return think.went(now) - now;
}

TEST(FairThink, WhoComesBackQuicklyIsExpected) {
    FairThink think;
    const TimeNs patience = patience_after(think, 20, 100'000);
    EXPECT_EQ(patience, 1'500'000) << "half of what it had";
}

TEST(FairThink, WhoIsSometimesLateIsWaitedForNoLongerThanUsual) {
    FairThink think;
    patience_after(think, 20, 100'000);
    patience_after(think, 2, 50 * kMs);
    const TimeNs patience = patience_after(think, 1, 100'000);
    EXPECT_GT(patience, 100'000);
    EXPECT_LT(patience, 500'000);
}

TEST(FairThink, WhoTakesItsTimeIsNotWaitedFor) {
    FairThink think;
    EXPECT_EQ(patience_after(think, 20, 10 * kMs), 0);
}

TEST(FairThink, NobodyIsWaitedForLongerThanTheBound) {
    FairThink think;
    EXPECT_LE(patience_after(think, 20, FairThink::kLongest - 1), FairThink::kLongest);
}

TEST(FairThink, AShortServiceIsNotWorthALongWait) {
    FairThink think;
    TimeNs now = 0;
    for (int i = 0; i < 20; ++i) {
        think.served(50'000);
        think.went(now);
        think.came(now += 60'000);
    }
    think.served(50'000);
    EXPECT_EQ(think.went(now), now);
}

TEST(FairThink, OneLateReturnIsForgivenThreeAreNot) {
    FairThink think;
    patience_after(think, 20, 100'000);
    think.came(100 * kMs);
    EXPECT_GT(patience_after(think, 1, 100'000), 0);
    EXPECT_EQ(patience_after(think, 4, 50 * kMs), 0);
    EXPECT_GT(patience_after(think, 20, 100'000), 0) << "and a good name can be won back";
}

class FairLimitsTest : public ::testing::Test {
protected:
    void TearDown() override {
        for (FairLimit* limit : {&a_, &b_}) limits_.move(*limit, FairLimitPlace::none);
    }
    FairLimits limits_;
    FairLimit a_, b_;
};

TEST_F(FairLimitsTest, ACeilingIsARateToTheUnit) {
    limits_.set(a_, 0, 1e6, 0);
    std::uint64_t bytes = 0;
    for (TimeNs now = 0; now < 10'000 * kMs; now += 7 * kMs) {  // somebody who looks only now and then
        while (a_.ceiling_free <= now) {
            limits_.charge(a_, 10'000, now);
            bytes += 10'000;
        }
    }
    EXPECT_NEAR(static_cast<double>(bytes), 10e6, 10e6 * 0.003);
}

TEST_F(FairLimitsTest, ACeilingIsNotSavedUp) {
    limits_.set(a_, 0, 1e6, 0);
    std::uint64_t bytes = 0;
    for (; a_.ceiling_free <= 60'000 * kMs; bytes += 1000) limits_.charge(a_, 1000, 60'000 * kMs);
    EXPECT_LE(bytes, 1e6 * FairLimits::kCeilingSlack / 1e9 + 1000);
}

TEST_F(FairLimitsTest, NothingIsDueForEverHoweverMuchPassedBeside) {
    limits_.set(a_, 1, 1, 0);
    for (int i = 0; i < 200'000; ++i) limits_.charge(a_, 128 << 10, i * kMs);
    EXPECT_GT(a_.ceiling_free, 200'000 * kMs);
    EXPECT_LT(a_.ceiling_free, 4'000'000 * kMs);
    EXPECT_GT(a_.floor_due, 200'000 * kMs);
    EXPECT_LT(a_.floor_due, 4'000'000 * kMs);
}

TEST_F(FairLimitsTest, TheFloorThatIsDueFirstComesFirst) {
    limits_.set(a_, 1e6, 0, 0);
    limits_.set(b_, 3e6, 0, 0);
    int of_b = 0;
    for (FairLimit* limit : {&a_, &b_}) limits_.move(*limit, FairLimitPlace::ready);
    for (int i = 0; i < 400; ++i) {
        FairLimit* const due = limits_.first_due(kNever);
        of_b += due == &b_;
        limits_.charge(*due, 1000, i * 250'000);
    }
    EXPECT_NEAR(of_b, 300, 1);
}

TEST_F(FairLimitsTest, FloorsThatAreTooMuchAreScaledAlike) {
    limits_.add_to_floors(90e6);
    EXPECT_EQ(limits_.scale(), 1) << "the disk is not known";
    limits_.set_capacity(45e6);
    EXPECT_NEAR(limits_.scale() * limits_.floors(), 45e6 * FairLimits::kOfCapacity, 1);
    limits_.add_to_floors(-60e6);
    EXPECT_EQ(limits_.scale(), 1);
}

TEST(FairKin, ChildrenShareWhatTheirParentGets) {
    const auto a = std::make_shared<FairKin>(100, nullptr), b = std::make_shared<FairKin>(300, nullptr);
    FairKin a0(100, a), a1(300, a), b0(7, b);
    for (FairKin* each : {&a0, &a1, &b0}) each->set_busy(true);
    EXPECT_DOUBLE_EQ(a0.effective(), 25);
    EXPECT_DOUBLE_EQ(a1.effective(), 75);
    EXPECT_DOUBLE_EQ(b0.effective(), 300);
    a1.set_busy(false);
    EXPECT_DOUBLE_EQ(a0.effective(), 100) << "what one child does not want its siblings get";
    EXPECT_DOUBLE_EQ(a1.effective(), 75) << "and it has its own when it comes back";
}

TEST(FairKin, UnitsOfTheParentTakePartWithItsOwnWeight) {
    const auto a = std::make_shared<FairKin>(100, nullptr);
    FairKin child(300, a);
    child.set_busy(true);
    a->set_busy(true);
    EXPECT_DOUBLE_EQ(a->effective(), 25);
    EXPECT_DOUBLE_EQ(child.effective(), 75);
}

TEST(FairKin, AnyDepthAndAnyWeightAtAnyTime) {
    auto node = std::make_shared<FairKin>(50, nullptr);
    for (int depth = 0; depth < 20; ++depth) node = std::make_shared<FairKin>(3 + depth, node);
    node->set_busy(true);
    EXPECT_DOUBLE_EQ(node->effective(), 50) << "nobody beside it on any level";
    FairKin sibling(10, node);
    sibling.set_busy(true);
    node->set_weight(10);
    EXPECT_DOUBLE_EQ(node->effective(), 25);
    sibling.set_weight(40);
    EXPECT_DOUBLE_EQ(node->effective(), 10);
}

TEST(FairKin, AFloorIsSharedByWhoHasSomethingToDo) {
    const auto a = std::make_shared<FairKin>(100, nullptr);
    FairKin a0(300, a), a1(100, a), a2(1, a);
    EXPECT_DOUBLE_EQ(a->set_floor(20), 20);
    EXPECT_DOUBLE_EQ(a2.set_floor(8), 0) << "a part of its parent's";
    a0.set_busy(true);
    EXPECT_DOUBLE_EQ(a0.own_floor(), 20);
    a1.set_busy(true);
    EXPECT_DOUBLE_EQ(a0.own_floor(), 15);
    EXPECT_DOUBLE_EQ(a1.own_floor(), 5);
    a2.set_busy(true);
    EXPECT_DOUBLE_EQ(a0.own_floor() + a1.own_floor() + a2.own_floor(), 20);
    EXPECT_GE(a2.own_floor(), 8);
    EXPECT_DOUBLE_EQ(a0.own_floor(), 3 * a1.own_floor());
    EXPECT_DOUBLE_EQ(a2.set_floor(25), 5) << "the parent's grows";
    EXPECT_DOUBLE_EQ(a0.own_floor(), 0);
    EXPECT_DOUBLE_EQ(a2.own_floor(), 25);
    a2.set_busy(false);
    EXPECT_DOUBLE_EQ(a0.own_floor(), 15 * 25 / 20.0);
    EXPECT_DOUBLE_EQ(a2.set_floor(0) + a->set_floor(0), -25);
    EXPECT_DOUBLE_EQ(a0.own_floor(), 0);
}

TEST(FairKin, EveryCeilingAboveIsShared) {
    const auto a = std::make_shared<FairKin>(100, nullptr), a0 = std::make_shared<FairKin>(300, a);
    FairKin a00(10, a0), a01(30, a0), a1(100, a);
    EXPECT_TRUE(std::isinf(a00.own_ceiling()));
    a->set_ceiling(40);
    for (FairKin* each : {&a00, &a01, &a1}) each->set_busy(true);
    EXPECT_DOUBLE_EQ(a1.own_ceiling(), 10);
    EXPECT_DOUBLE_EQ(a01.own_ceiling(), 22.5);
    a0->set_ceiling(4);
    EXPECT_DOUBLE_EQ(a00.own_ceiling(), 1);
    a1.set_ceiling(2);
    EXPECT_DOUBLE_EQ(a1.own_ceiling(), 2);
}

TEST_F(FairLimitsTest, WhoHadMoreOfACommonCeilingWaitsAMoment) {
    FairLimit above;
    limits_.set(above, 0, 1e6, 0);
    FairLimits::charge_ceiling(above, 100'000, 0);
    EXPECT_EQ(FairLimits::free_at(0, above), above.ceiling_free);
    EXPECT_LT(above.ceiling_free, FairLimits::free_at(5 * kMs, above));
    EXPECT_LT(FairLimits::free_at(5 * kMs, above), FairLimits::free_at(50 * kMs, above));
    EXPECT_LT(FairLimits::free_at(50 * kMs, above), above.ceiling_free + FairLimits::kYield);
    above.turn = 50 * kMs;
    EXPECT_EQ(FairLimits::free_at(50 * kMs, above), above.ceiling_free);
}

TEST_F(FairLimitsTest, WhoSharesACeilingIsTaggedByItsPart) {
    FairLimit above;
    TimeNs heavy = 0, light = 0;
    int of_light = 0;
    for (int i = 0; i < 400; ++i) {
        const bool second = light < heavy;
        of_light += second;
        FairLimits::charge_part(second ? light : heavy, above, 1000, second ? 1e5 : 3e5);
    }
    EXPECT_NEAR(of_light, 100, 2);
    TimeNs newcomer = 0;
    FairLimits::charge_part(newcomer, above, 1000, 1e5);
    EXPECT_GE(newcomer, above.turn - FairLimits::kFloorSlack) << "no claim to what it did not take";
    TimeNs worthless = 0;
    for (int i = 0; i < 10; ++i) FairLimits::charge_part(worthless, above, 1 << 20, 1e-12);
    EXPECT_GT(worthless, 0) << "and it does not overflow";
}

void completed(FairRuns& runs, FairBatch& batch, const Unit& unit, TimeNs now) {
    if (batch.ended(now)) {
        runs.learn(batch);
        batch.begin(unit, now);
    }
    batch.add(unit, 1e6);
    runs.completed(unit);
}

/// A disk that does one unit at a time, and two requests that want to be served in turns; a unit that does not follow
/// one of its own request takes `factor` times as long.
unsigned longest_run(FairRuns& runs, double factor, int units) {
    std::vector<Unit> pool(static_cast<std::size_t>(units));
    const Unit* last = nullptr;
    unsigned length = 0, longest = 0;
    TimeNs now = 0;
    FairBatch batch;
    for (int i = 0; i < units; ++i) {
        Unit& unit = pool[static_cast<std::size_t>(i)];
        unit.arrived = last != nullptr ? last->arrived : 0;
        unit.sequence = static_cast<std::uint64_t>(i) + 1;
        const bool follows = last != nullptr && runs.go_on(unit);
        if (!follows) unit.arrived = i + 1;
        length = follows ? length + 1 : 1;
        longest = std::max(longest, length);
        unit.issued_at = now;
        runs.issued(unit);
        now += static_cast<TimeNs>(1e6 * (follows ? 1 : factor));
        completed(runs, batch, unit, now);
        last = &unit;
    }
    return longest;
}

TEST(FairRuns, RequestsRunOnWhereThatPaysAndOnlySoFar) {
    FairRuns runs;
    EXPECT_EQ(longest_run(runs, 5, 2000), FairRuns::kUnits);
    EXPECT_TRUE(runs.pay());
}

TEST(FairRuns, WhereItDoesNotPayThereAreOnlyTrials) {
    FairRuns runs;
    longest_run(runs, 1.1, 2000);
    EXPECT_FALSE(runs.pay());
    Unit unit, next;
    unit.sequence = 10'001;
    unit.arrived = next.arrived = 1;
    runs.issued(unit);
    unsigned went_on = 0;
    for (int request = 2; request < 1602; ++request) {
        unit.arrived = next.arrived = request;
        runs.issued(unit);
        went_on += runs.go_on(next);
    }
    EXPECT_NEAR(went_on, 1600u / FairRuns::kLaterEvery, 1);
}

/// Requests of one unit, and of two that are one call to the disk, done in the same moment; the first takes `factor`
/// ms, the other one.
bool pays_in_one(double factor) {
    FairRuns runs;
    FairBatch batch;
    TimeNs now = 0;
    std::uint64_t sequence = 0;
    for (int request = 1; request < 200; ++request) {
        std::array<Unit, 2> units;
        const std::size_t count = 1 + request % 2;
        for (Unit& unit : std::span(units).first(count)) {
            unit.arrived = request;
            unit.sequence = ++sequence;
            unit.issued_at = now;
            runs.issued(unit);
        }
        now += static_cast<TimeNs>(1e6 * (factor + static_cast<double>(count) - 1));
        for (Unit& unit : std::span(units).first(count)) completed(runs, batch, unit, now);
    }
    return runs.pay();
}

TEST(FairRuns, WhatIsDoneInOneSharesTheTimeOfIt) {
    EXPECT_FALSE(pays_in_one(1)) << "a disk that does not seek";
    EXPECT_TRUE(pays_in_one(5)) << "one that does";
}

TEST(FairRuns, OnlyUnitsOfOneRequestFollowEachOther) {
    FairRuns runs;
    longest_run(runs, 5, 2000);
    Unit unit, next;
    unit.arrived = next.arrived = 7;
    runs.issued(unit);
    EXPECT_TRUE(runs.go_on(next));
    next.direction = Direction::write;
    EXPECT_FALSE(runs.go_on(next));
    next.direction = Direction::read;
    next.arrived = 8;
    EXPECT_FALSE(runs.go_on(next));
}

}  // namespace
}  // namespace bandfs
