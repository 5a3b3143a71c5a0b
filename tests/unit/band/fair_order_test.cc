// The order of the policy `fair`, alone: no groups, no device group, no clock.
#include "band/fair_order.h"

#include <map>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

namespace bandfs {
namespace {

class FairOrderTest : public ::testing::Test {
protected:
    FairNode& add(double weight) {
        nodes_.emplace_back(std::make_unique<FairNode>());
        nodes_.back()->weight = weight;
        order_.add(*nodes_.back());
        return *nodes_.back();
    }
    /// Serves whoever is next, who then has another unit of that cost.
    FairNode& serve_next(double cost = 1000) {
        FairNode* node = order_.first_ready();
        if (node == nullptr) node = order_.first_ahead();
        order_.serve(*node, node->cost);
        order_.set_ready(*node, cost);
        return *node;
    }
    void TearDown() override {
        for (auto& node : nodes_) order_.remove(*node);
        EXPECT_EQ(order_.active_weight(), 0);
        EXPECT_EQ(order_.credits_used(), 0u);
    }

    FairOrder order_;
    std::vector<std::unique_ptr<FairNode>> nodes_;
};

TEST_F(FairOrderTest, BusyGroupsAreServedByWeightToTheUnit) {
    FairNode &forty = add(40), &twenty = add(20), &ten = add(10);
    for (FairNode* node : {&forty, &twenty, &ten}) order_.set_ready(*node, 1000);
    std::map<FairNode*, int> served;
    for (int i = 1; i <= 7000; ++i) {
        ++served[&serve_next()];
        for (FairNode* node : {&forty, &twenty, &ten})
            EXPECT_NEAR(served[node], i * node->weight / 70, 1) << "after " << i;
    }
}

TEST_F(FairOrderTest, AHeavyGroupIsNotServedInOneGo) {
    FairNode& heavy = add(8);
    order_.set_ready(heavy, 1000);
    for (int i = 0; i < 8; ++i) order_.set_ready(add(1), 1000);
    for (int i = 0; i < 160; ++i) serve_next();  // until nobody has just woken
    for (int i = 0; i < 16; i += 2) {
        const bool first = &serve_next() == &heavy, second = &serve_next() == &heavy;
        EXPECT_NE(first, second) << "every other unit is the heavy group's";
    }
}

TEST_F(FairOrderTest, AGroupThatSleptHasNoClaimToWhatItDidNotTake) {
    FairNode &busy = add(1), &sleeper = add(1);
    order_.set_ready(busy, 1000);
    for (int i = 0; i < 100; ++i) serve_next();
    order_.set_ready(sleeper, 1000);
    int of_sleeper = 0;
    for (int i = 0; i < 10; ++i) of_sleeper += &serve_next() == &sleeper;
    EXPECT_EQ(of_sleeper, 5);
}

TEST_F(FairOrderTest, AGroupThatWakesGoesFirst) {
    FairNode &heavy = add(1000), &light = add(1);
    order_.set_ready(heavy, 1000);
    for (int i = 0; i < 5; ++i) serve_next();
    order_.set_ready(light, 1000);
    EXPECT_EQ(order_.first_ready(), &light);
    order_.serve(light, 1000);
    EXPECT_EQ(order_.credits_used(), 1u);
    order_.set_idle(light);
    EXPECT_EQ(light.place, FairPlace::lingering) << "it has had more than its share";
    order_.set_ready(light, 1000);
    EXPECT_EQ(order_.first_ready(), &heavy) << "sleeping does not make good for it";
    for (int i = 0; i < 1001; ++i) serve_next();
    EXPECT_EQ(order_.credits_used(), 0u) << "its turn has come";
}

TEST_F(FairOrderTest, WakingGroupsGoFirstOnlyWithinTheCredit) {
    for (int i = 0; i < 100; ++i) order_.set_ready(add(10), 1000);
    for (int i = 0; i < 1000; ++i) serve_next();
    for (unsigned i = 0; i < FairOrder::kCredits + 5; ++i) {
        FairNode& light = add(1);
        order_.set_ready(light, 1000);
        FairNode* const next = order_.first_ready();
        EXPECT_EQ(next == &light, i < FairOrder::kCredits) << i;
        if (next == &light) order_.serve(light, 1000);
        order_.set_idle(light);
    }
}

TEST_F(FairOrderTest, WhoIsExpectedStandsInTheOrder) {
    FairNode &heavy = add(3), &light = add(1);
    order_.set_ready(heavy, 1000);
    order_.set_ready(light, 1000);
    for (FairNode* node : {&light, &heavy}) {
        order_.serve(*node, 1000);
        order_.set_expected(*node, 1000);
    }
    order_.set_ready(light, 1000);
    EXPECT_EQ(order_.first_expected(), &heavy) << "it has had a quarter of its share";
    EXPECT_EQ(order_.first_ready(), nullptr);
    EXPECT_EQ(order_.first_ahead(), &light);
    EXPECT_TRUE(FairOrder::goes_before(heavy, light));
}

TEST_F(FairOrderTest, WhatIsOwedToAGroupThatLeavesIsNoDebt) {
    FairNode &gone = add(100), &light = add(1), &late = add(1);
    order_.set_ready(gone, 1000);
    order_.set_ready(light, 1000);
    order_.serve(light, 1000);
    order_.set_ready(light, 1000);
    EXPECT_EQ(light.place, FairPlace::ready_ahead) << "a hundred units behind `gone`";
    order_.set_idle(gone);
    EXPECT_EQ(light.place, FairPlace::ready);
    order_.set_ready(late, 1000);
    int of_light = 0;
    for (int i = 0; i < 10; ++i) of_light += &serve_next() == &light;
    EXPECT_EQ(of_light, 5);
}

TEST_F(FairOrderTest, ANewWeightIsNeitherAGiftNorAFine) {
    FairNode &a = add(1), &b = add(1);
    order_.set_ready(a, 1000);
    order_.set_ready(b, 1000);
    for (int i = 0; i < 101; ++i) serve_next();
    order_.set_weight(a, 4);
    int of_a = 0;
    for (int i = 0; i < 100; ++i) of_a += &serve_next() == &a;
    EXPECT_NEAR(of_a, 80, 1);
    order_.set_weight(a, 1);
    of_a = 0;
    for (int i = 0; i < 100; ++i) of_a += &serve_next() == &a;
    EXPECT_NEAR(of_a, 50, 1);
}

TEST_F(FairOrderTest, SmallWeightsAndCostsAreNotRoundedAway) {
    FairNode &a = add(1'000'000), &b = add(1);
    order_.set_ready(a, 512);
    order_.set_ready(b, 512);
    int of_b = 0;
    for (int i = 0; i < 3'000'003; ++i) of_b += &serve_next(512) == &b;
    EXPECT_NEAR(of_b, 3, 1);
}

TEST_F(FairOrderTest, ANewEraChangesNothing) {
    constexpr double kHuge = 1e10;  // an era lasts some 80 of these units
    FairNode &forty = add(4), &twenty = add(2), &ten = add(1), &late = add(1);
    for (FairNode* node : {&forty, &twenty, &ten, &late}) order_.set_ready(*node, kHuge);
    for (int i = 0; i < 4; ++i) serve_next(kHuge);
    order_.set_expected(late, kHuge);
    std::map<FairNode*, int> served;
    unsigned eras = 0;
    for (int i = 1; i <= 7000; ++i) {
        const VirtualTime before = order_.now();
        order_.set_ready(late, kHuge);
        order_.set_expected(late, kHuge);  // gets nothing, and is never more than its claim behind
        ++served[&serve_next(kHuge)];
        eras += order_.now() < before;
        for (FairNode* node : {&forty, &twenty, &ten}) ASSERT_NEAR(served[node], i * node->weight / 7, 2) << i;
    }
    EXPECT_GT(eras, 10u);
    EXPECT_LT(order_.ahead(late), 0);
    EXPECT_GT(order_.ahead(late), -(FairOrder::kLagUnits + 2) * kHuge);
}

TEST_F(FairOrderTest, AUnitThatPassesAsideIsOwed) {
    FairNode &a = add(1), &b = add(1);
    order_.set_ready(a, 1000);
    order_.set_ready(b, 1000);
    for (int i = 0; i < 3; ++i) {
        order_.serve_aside(a, 1000);
        order_.set_ready(a, 1000);
    }
    for (int i = 0; i < 3; ++i) EXPECT_EQ(&serve_next(), &b);
}

}  // namespace
}  // namespace bandfs
