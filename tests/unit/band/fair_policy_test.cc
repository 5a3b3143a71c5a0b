// The policy `fair` behind a device group: what only shows when the pieces are together.
#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "bandfs/device_group.h"

namespace bandfs {
namespace {

constexpr TimeNs kMillisecond = 1'000'000;

/// A disk that does one unit at a time, of 1 ms unless it is told otherwise, and groups that always have units.
class FairPolicyTest : public ::testing::Test {
protected:
    FairPolicyTest() : device_(DeviceGroup::create({}, "fair")), mount_(std::make_unique<MountGroups>(*device_, 100)) {}

    ~FairPolicyTest() override {
        mount_->go_down();
        busy_.clear();
        pump();
        while (device_->issued() + device_->blocked() > 0) step();
    }

    Group& attach(GroupId id, std::uint64_t weight, Group* parent = nullptr) {
        EXPECT_EQ(mount_->attach(id, weight, parent), Error::none);
        return *mount_->find(id);
    }
    /// The group has `depth` units on its way until it is kept no longer.
    void keep_busy(Group& group, unsigned depth) {
        busy_.insert(&group);
        for (unsigned i = 0; i < depth; ++i) {
            units_.push_back(std::make_unique<Unit>());
            units_.back()->group = &group;
            units_.back()->bytes = 131072;
            admit(*units_.back());
        }
        pump();
    }
    void run(int units) {
        done_.clear();
        for (int i = 0; i < units; ++i) step();
    }
    void step() {
        ASSERT_FALSE(disk_.empty());
        Unit& unit = *disk_.front();
        disk_.erase(disk_.begin());
        now_ += unit_ns_;
        Group& group = *unit.group;
        device_->complete(unit, now_);
        ++done_[&group];
        if (busy_.contains(&group)) admit(unit);
        pump();
    }
    void admit(Unit& unit) {
        if (device_->admit(unit, now_) == Admission::immediate) disk_.push_back(&unit);
    }
    void pump() {
        while (Unit* unit = device_->release_next(now_)) disk_.push_back(unit);
    }
    double figure(const std::string& name) {
        double found = -1;
        device_->policy_figures([&](std::string_view each, double value) {
            if (each == name) found = value;
        });
        return found;
    }

    std::unique_ptr<DeviceGroup> device_;
    std::unique_ptr<MountGroups> mount_;
    std::vector<std::unique_ptr<Unit>> units_;
    std::vector<Unit*> disk_;
    std::set<Group*> busy_;
    std::map<Group*, int> done_;
    TimeNs unit_ns_ = kMillisecond;
    TimeNs now_ = 0;
};

TEST_F(FairPolicyTest, IsWhatDefaultMeans) {
    EXPECT_EQ(DeviceGroup::create({}, "default")->policy_name(), "fair");
    EXPECT_EQ(DeviceGroup::create({}, "range-bw")->policy_name(), "range-bw");
}

TEST_F(FairPolicyTest, AGroupAloneIsNeverHeldBelowIoThrottle) {
    Group& alone = attach(1, 100);
    keep_busy(alone, 16);
    run(200);
    EXPECT_GE(disk_.size(), device_->io_throttle());
}

TEST_F(FairPolicyTest, AGroupAloneIsNotHeldWhereTheDiskIsQuick) {
    unit_ns_ = kMillisecond / 20;
    keep_busy(attach(1, 100), 64);
    run(2000);
    EXPECT_NEAR(static_cast<double>(disk_.size()), 40, 2);
    keep_busy(attach(2, 100), 16);
    run(200);
    EXPECT_EQ(disk_.size(), 2u) << "with somebody beside it, it is";
}

TEST_F(FairPolicyTest, TwoGroupsOnADiskThatDoesOneAtATimeHaveTwoUnitsInFlight) {
    keep_busy(attach(1, 300), 16);
    keep_busy(attach(2, 100), 16);
    run(200);
    EXPECT_EQ(disk_.size(), 2u);
    EXPECT_NEAR(figure("parallelism"), 1, 0.1);
}

TEST_F(FairPolicyTest, AGroupThatGoesDownPassesAtOnceAndIsNotWaitedFor) {
    Group &down = attach(1, 1), &heavy = attach(2, 1000);
    keep_busy(heavy, 8);
    keep_busy(down, 32);
    busy_.erase(&down);
    bool gone = false;
    EXPECT_EQ(mount_->detach(1, now_, [&] { gone = true; }), Error::none);
    pump();
    EXPECT_EQ(device_->blocked(), heavy.held());
    for (int i = 0; i < 100 && !gone; ++i) step();
    EXPECT_TRUE(gone);
}

TEST_F(FairPolicyTest, WhoWaitsForACeilingAboveGoesOnWhenThatIsLifted) {
    Group& parent = attach(1, 100);
    Group &a = attach(2, 300, &parent), &b = attach(3, 100, &parent);
    ASSERT_EQ(device_->set_ceiling(parent, 1000), Error::none);
    keep_busy(a, 2);
    keep_busy(b, 2);
    while (!disk_.empty()) step();
    EXPECT_EQ(device_->issued(), 0u);
    EXPECT_GT(a.held() + b.held(), 0u);
    EXPECT_GT(device_->wakes_at(), now_ + 1000 * kMillisecond);
    ASSERT_EQ(device_->set_ceiling(parent, 100'000'000), Error::none);
    pump();
    EXPECT_GT(device_->issued(), 0u);
    for (int i = 0; i < 400; ++i) {  // and what each had of the old one is nothing against it
        now_ = std::max(now_, std::min(device_->wakes_at(), now_ + kMillisecond));
        pump();
        if (!disk_.empty()) step();
    }
    EXPECT_NEAR(static_cast<double>(done_[&a]) / done_[&b], 3, 0.3);
}

TEST_F(FairPolicyTest, ItsOtherNameKeepsKinAndLimits) {
    Group& parent = attach(1, 100);
    Group &a = attach(2, 300, &parent), &b = attach(3, 100, &parent), &other = attach(4, 100);
    for (GroupId id = 5; id < 40; ++id) attach(id, 100, id % 2 == 0 ? &parent : nullptr);
    ASSERT_EQ(device_->set_ceiling(parent, 20'000'000), Error::none);
    ASSERT_EQ(device_->set_ceiling(a, 10'000'000), Error::none);
    ASSERT_EQ(device_->set_floor(b, 1'000'000), Error::none);
    for (Group* group : {&a, &b, &other}) keep_busy(*group, 8);
    for (const char* name : {"range-bw", "fair", "range-bw"}) {
        ASSERT_EQ(device_->set_policy(name, now_), Error::none);
        pump();
        run(1000);
        EXPECT_NEAR(done_[&a] + done_[&b], 153, 12) << "20 of 131 MB/s";
        EXPECT_NEAR(done_[&a], 76, 8);
    }
}

TEST_F(FairPolicyTest, AFloorAboveHelpsWhoWaitsAlready) {
    Group &parent = attach(1, 1), &hog = attach(2, 1'000'000);
    Group& child = attach(3, 1, &parent);
    keep_busy(hog, 8);
    keep_busy(child, 4);
    run(1000);
    ASSERT_EQ(device_->set_floor(parent, 40'000'000), Error::none);
    run(10);
    EXPECT_GE(done_[&child], 2) << "of ten, 131 MB/s in all";
    run(1000);
    EXPECT_NEAR(done_[&child], 320, 20) << "305, and 31 that it may make good";
}

TEST_F(FairPolicyTest, WhoHadMoreThanHisFloorHasItAgainAtOnce) {
    Group &floor = attach(1, 1), &hog = attach(2, 1000);
    ASSERT_EQ(device_->set_floor(floor, 20'000'000), Error::none);
    keep_busy(floor, 4);
    run(10'000);  // alone: six times that
    keep_busy(hog, 16);
    run(400);
    EXPECT_GT(done_[&floor], 30) << "of the 61 that are guaranteed";
}

TEST_F(FairPolicyTest, NoUnitIsLostWhateverHappensToKinAndLimits) {
    for (unsigned seed = 1; seed <= 3; ++seed) {
        SCOPED_TRACE(testing::Message() << "seed " << seed);
        std::mt19937 random(seed);
        const auto below = [&random](unsigned n) { return static_cast<unsigned>(random() % n); };
        std::vector<GroupId> ids;
        const auto any_group = [&]() -> Group& {
            Group* const found = ids.empty() ? nullptr : mount_->find(ids[below(static_cast<unsigned>(ids.size()))]);
            return found != nullptr ? *found : mount_->default_group();
        };
        constexpr std::uint64_t kRates[] = {0, 1, 1000, 1'000'000, 50'000'000};
        GroupId next = seed * 100'000;
        for (int i = 0; i < 4000; ++i) {
            switch (below(20)) {
                case 0:
                    ids.push_back(++next);
                    attach(next, 1 + below(1000), below(2) == 0 ? nullptr : &any_group());
                    break;
                case 1:
                    if (below(3) == 0) (void)mount_->detach(any_group().id(), now_, [] {});
                    break;
                case 2:
                    (void)device_->set_ceiling(any_group(), kRates[below(5)]);
                    break;
                case 3:
                    (void)device_->set_floor(any_group(), kRates[below(5)]);
                    break;
                case 4:
                    (void)device_->set_weight(any_group(), 1 + below(1'000'000));
                    break;
                case 5:
                    if (below(10) == 0) {
                        EXPECT_EQ(device_->set_policy(below(2) == 0 ? "fair" : "range-bw", now_), Error::none);
                    }
                    break;
                case 6:
                    now_ += below(50) * kMillisecond;
                    break;
                case 7:
                case 8:
                case 9:
                case 10:
                    if (!disk_.empty()) step();
                    break;
                default:
                    units_.push_back(std::make_unique<Unit>());
                    units_.back()->group = &any_group();
                    units_.back()->bytes = 1 + below(131072);
                    admit(*units_.back());
            }
            pump();
        }
        mount_->for_each([&](Group& group) { EXPECT_EQ(device_->set_ceiling(group, 0), Error::none); });
        for (int i = 0; i < 100'000 && device_->issued() + device_->blocked() > 0; ++i) {
            if (disk_.empty()) now_ = std::max(now_, device_->wakes_at());
            pump();
            if (!disk_.empty()) step();
        }
        ASSERT_EQ(device_->blocked(), 0u);
        ASSERT_EQ(device_->issued(), 0u);
    }
}

TEST_F(FairPolicyTest, RefusesWhatItCannotPromise) {
    Group &a = attach(1, 100), &b = attach(2, 100);
    EXPECT_EQ(device_->set_ceiling(a, 1'000'000), Error::none);
    EXPECT_EQ(device_->set_floor(a, 2'000'000), Error::invalid) << "above its ceiling";
    EXPECT_EQ(device_->set_floor(b, 60'000'000), Error::none) << "the disk is not known yet";
    keep_busy(a, 4);
    keep_busy(b, 4);
    run(500);
    EXPECT_NEAR(figure("bytes_per_second"), 131.072e6, 5e6);
    EXPECT_EQ(device_->set_floor(b, 140'000'000), Error::invalid) << "more than the disk does";
    EXPECT_EQ(b.floor(), 60'000'000u);
    EXPECT_EQ(device_->set_floor(b, 120'000'000), Error::none);
    EXPECT_EQ(device_->set_floor(b, 0), Error::none);
}

TEST_F(FairPolicyTest, TakesBothTypesOfCostAndNothingElse) {
    EXPECT_EQ(device_->set_policy_parameter("cost", "time"), Error::none);
    EXPECT_EQ(device_->set_policy_parameter("cost", "bytes"), Error::none);
    EXPECT_EQ(device_->set_policy_parameter("cost", "money"), Error::invalid);
    EXPECT_EQ(device_->set_policy_parameter("colour", "time"), Error::invalid);
}

TEST_F(FairPolicyTest, ChildrenComeAndGoUnderLoad) {
    Group &a = attach(1, 100), &b = attach(2, 100);
    Group &a0 = attach(3, 300, &a), &a1 = attach(4, 100, &a);
    keep_busy(b, 4);
    keep_busy(a0, 4);
    keep_busy(a1, 4);
    run(800);
    EXPECT_NEAR(done_[&a0], 300, 6);
    EXPECT_NEAR(done_[&a1], 100, 6);
    EXPECT_EQ(device_->set_weight(a1, 300), Error::none);
    EXPECT_EQ(device_->set_weight(a, 300), Error::none);
    run(800);
    EXPECT_NEAR(done_[&a0], 300, 6);
    EXPECT_NEAR(done_[&b], 200, 6);
    EXPECT_EQ(device_->set_policy("weight", now_), Error::busy) << "knows no hierarchy";
    EXPECT_EQ(device_->set_policy("range-bw", now_), Error::none);
    busy_.erase(&a0);
    EXPECT_EQ(mount_->detach(3, now_, [] {}), Error::none);
    pump();
    run(50);
    run(800);
    EXPECT_NEAR(done_[&a1], 600, 8);
}

}  // namespace
}  // namespace bandfs
