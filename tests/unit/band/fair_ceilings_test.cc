// Random trees of groups with ceilings under the policy `fair`: each ceiling is kept by all below it together and used
// up by who has enough to do, and nobody waits for ever (seeds.h).
#include <algorithm>
#include <memory>
#include <queue>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "band/fair_limits.h"
#include "bandfs/device_group.h"
#include "seeds.h"

namespace bandfs {
namespace {

constexpr TimeNs kSecond = 1'000'000'000;
constexpr TimeNs kNsPerByte = 1;  // 1 GB/s
constexpr TimeNs kFor = 2 * kSecond;

/// Groups with callers that send the next unit as soon as one is done, on a disk that does one at a time.
class CappedTree {
public:
    CappedTree(std::uint64_t seed, bool changes) : random_(seed), changes_(changes) {
        device_group_ = DeviceGroup::create({.io_throttle = 1 + below(4), .io_limit = 8 + below(64)}, "fair");
        mount_ = std::make_unique<MountGroups>(*device_group_, 100);
        const unsigned groups = 2 + below(30);
        for (unsigned i = 0; i < groups; ++i) {
            const bool top = i == 0 || below(6) == 0;
            Member member{.above = top ? -1 : static_cast<int>(below(i))};
            Group* const parent = top ? nullptr : members_[static_cast<unsigned>(member.above)].group;
            EXPECT_EQ(mount_->attach(i, 1 + below(1000), parent), Error::none);
            member.group = mount_->find(i);
            // What all at the top may do together is less than the disk does: it is they who are waited for.
            if (top || below(3) == 0) member.ceiling = 100'000 + below(20'000'000);
            EXPECT_EQ(device_group_->set_ceiling(*member.group, member.ceiling), Error::none);
            members_.push_back(member);
        }
        units_.resize(groups * kUnitsOfEach);
        for (std::size_t i = 0; i < units_.size(); ++i) {
            units_[i].group = members_[i / kUnitsOfEach].group;
            units_[i].bytes = 4096u << below(6);
        }
    }

    void run() {
        for (Unit& unit : units_) send(unit);
        while (!::testing::Test::HasFailure() && outstanding() > 0) {
            if (changes_ && now_ < kFor && below(20) == 0) change();
            pump();
            if (in_flight_.empty()) {
                const TimeNs wakes = device_group_->wakes_at();
                ASSERT_NE(wakes, kNever) << "units are held, and nothing will let them go";
                now_ = std::max(now_, std::min(wakes, now_ + (now_ < kFor ? 1'000'000 : 100'000'000)));
            } else {
                complete();
            }
            ASSERT_LT(now_, kFor + 4000 * kSecond) << "some unit waits for ever";
        }
        if (!changes_) check_rates();
    }

private:
    static constexpr unsigned kUnitsOfEach = 3;

    struct Member {
        int above;
        Group* group = nullptr;
        std::uint64_t ceiling = 0;
        double bytes = 0;  ///< of it and all below, until kFor
    };

    unsigned below(unsigned n) { return static_cast<unsigned>(random_() % n); }
    std::size_t outstanding() const { return in_flight_.size() + device_group_->blocked(); }

    void send(Unit& unit) {
        if (device_group_->admit(unit, now_) == Admission::immediate) issued(unit);
    }

    void pump() {
        while (Unit* const unit = device_group_->release_next(now_)) issued(*unit);
    }

    void issued(Unit& unit) {
        in_flight_.push(&unit);
        if (now_ >= kFor) return;
        for (int at = static_cast<int>(unit.group->id()); at >= 0; at = members_[static_cast<unsigned>(at)].above)
            members_[static_cast<unsigned>(at)].bytes += unit.bytes;
    }

    void complete() {
        Unit& unit = *in_flight_.front();
        in_flight_.pop();
        now_ += unit.bytes * kNsPerByte;
        device_group_->complete(unit, now_);
        if (now_ < kFor) send(unit);
    }

    void change() {
        Member& member = members_[below(static_cast<unsigned>(members_.size()))];
        switch (below(4)) {
            case 0:
                EXPECT_EQ(device_group_->set_weight(*member.group, 1 + below(1000)), Error::none);
                break;
            case 1:
                EXPECT_EQ(device_group_->set_ceiling(*member.group, below(2) == 0 ? 0 : 100'000 + below(20'000'000)),
                          Error::none);
                break;
            case 2: {  // as an fsync does
                Unit& unit = units_[below(static_cast<unsigned>(units_.size()))];
                if (unit.state == UnitState::held) device_group_->expedite(unit, now_);
                break;
            }
            case 3:
                EXPECT_EQ(device_group_->set_policy(below(2) == 0 ? "fair" : "range-bw", now_), Error::none);
                break;
        }
    }

    void check_rates() {
        constexpr double kSeconds = static_cast<double>(kFor) / kSecond;
        constexpr double kLate = static_cast<double>(FairLimits::kCeilingSlack) / kSecond;
        for (const Member& member : members_) {
            if (member.ceiling == 0) continue;
            const auto ceiling = static_cast<double>(member.ceiling);
            EXPECT_LE(member.bytes, ceiling * (kSeconds + kLate) + (128 << 10)) << member.group->id();
            if (member.above >= 0) continue;
            EXPECT_GE(member.bytes, ceiling * kSeconds * 0.97 - (128 << 10)) << "its own callers would use it up alone";
        }
    }

    std::mt19937_64 random_;
    const bool changes_;
    std::unique_ptr<DeviceGroup> device_group_;
    std::unique_ptr<MountGroups> mount_;
    std::vector<Member> members_;
    std::vector<Unit> units_;
    std::queue<Unit*> in_flight_;
    TimeNs now_ = 0;
};

/// Q's is free only in an hour when it is raised, and R's not yet: who waits for both is not to go by Q's old one.
TEST(FairCeilings, OneThatIsRaisedInTheMiddleLetsGo) {
    const auto device_group = DeviceGroup::create({.io_throttle = 4, .io_limit = 64}, "fair");
    MountGroups mount(*device_group, 100);
    enum : GroupId { kR, kQ, kA, kOne, kTwo, kOther };
    Group* parent = nullptr;
    for (const GroupId id : {kR, kQ, kA}) {
        ASSERT_EQ(mount.attach(id, 100, parent), Error::none);
        parent = mount.find(id);
        ASSERT_EQ(device_group->set_ceiling(*parent, id == kQ ? 1 : 1'000'000), Error::none);
    }
    ASSERT_EQ(mount.attach(kOne, 100, parent), Error::none);
    ASSERT_EQ(mount.attach(kTwo, 100, parent), Error::none);
    ASSERT_EQ(mount.attach(kOther, 100, mount.find(kR)), Error::none);

    TimeNs now = kSecond;
    std::vector<Unit> units(8);
    for (std::size_t i = 0; i < units.size(); ++i) {
        units[i].group = mount.find(i % 2 == 0 ? kOne : kTwo);
        units[i].bytes = 128 << 10;
    }
    ASSERT_EQ(device_group->admit(units[0], now), Admission::immediate);  // Q has had enough for a day
    device_group->complete(units[0], now += 1'000'000);
    for (std::size_t i = 1; i < units.size(); ++i)
        ASSERT_EQ(device_group->admit(units[i], now += 1'000'000), Admission::held);
    // R is free: those below wait for Q alone, each in its queue.
    while (Unit* const unit = device_group->release_next(now += 100'000'000)) ADD_FAILURE() << unit->group->id();
    Unit large;
    large.group = mount.find(kOther);
    large.bytes = 1 << 20;
    ASSERT_EQ(device_group->admit(large, now), Admission::immediate);  // and now R is not
    ASSERT_EQ(device_group->set_ceiling(*mount.find(kQ), 50'000'000), Error::none);
    device_group->complete(large, now += 1000);
    unsigned released = 0;
    for (int i = 0; i < 5000 && released < units.size() - 1; ++i, now += 1'000'000) {
        while (Unit* const unit = device_group->release_next(now)) {
            ++released;
            device_group->complete(*unit, now);
        }
    }
    EXPECT_EQ(released, units.size() - 1) << "five seconds passed";
}

TEST(FairCeilings, AreKeptAndUsedUpInAnyTree) {
    for_each_seed(30, [](std::uint64_t seed) { CappedTree(seed, false).run(); });
}

TEST(FairCeilings, HoldNobodyForEverWhateverChanges) {
    for_each_seed(30, [](std::uint64_t seed) { CappedTree(seed, true).run(); });
}

}  // namespace
}  // namespace bandfs
