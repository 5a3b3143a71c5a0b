#include "gate/gate.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <functional>
#include <new>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "support/waiting.h"

namespace bandfs {
namespace {

using test::Door;
using test::eventually;

constexpr std::uint32_t kUnitBytes = 4096;

/// What happened to a job, kept when the job is gone.
struct Fate {
    std::mutex mutex;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> pieces;
    std::atomic<std::uint64_t> performed_bytes{0};
    std::atomic<std::uint64_t> stopped_at{0};
    std::atomic<int> finished{0};
    std::atomic<int> cancelled{0};
    std::atomic<int> kept{0};
    std::atomic<int> started{0};
    std::thread::id thread;

    bool done() const { return finished == 1; }
};

/// Of so many units; of none, an errand.
class TestJob : public Job {
public:
    TestJob(Fate& fate, std::uint64_t units, Door* door = nullptr, pid_t tid = 0)
        : Job(Direction::read, units * kUnitBytes, kUnitBytes, tid), fate_(fate), door_(door) {}

    bool perform(std::uint64_t begin, std::uint64_t end) override {
        if (door_ != nullptr) door_->pass();
        const std::lock_guard lock(fate_.mutex);
        fate_.pieces.emplace_back(begin, end);
        fate_.performed_bytes += end - begin;
        fate_.thread = std::this_thread::get_id();
        return end < stop_at;
    }
    bool overlaps() const override { return overlapping; }
    bool stop_short(std::uint64_t byte) override {
        if (stoppable) fate_.stopped_at = byte;
        return stoppable;
    }
    bool starts() const override { return starting != Starting::never; }
    bool start() override {
        fate_.started += starting == Starting::now;
        return starting == Starting::now;
    }
    const void* stream() const override { return of; }
    std::uint64_t place() const override { return at; }
    void finish(JobOutcome outcome) override {
        if (outcome == JobOutcome::cancelled) ++fate_.cancelled;
        ++fate_.finished;
    }
    void kept() override {
        ++fate_.kept;
        if (when_kept) when_kept();
    }

    enum class Starting { never, refused, now };
    Starting starting = Starting::never;
    std::function<void()> when_kept;
    std::uint64_t stop_at = UINT64_MAX;
    const void* of = nullptr;
    std::uint64_t at = 0;
    bool overlapping = false;
    bool stoppable = false;

private:
    Fate& fate_;
    Door* const door_;
};

class GateTest : public ::testing::Test {
protected:
    explicit GateTest(std::uint32_t io_limit = 1)
        : gate_(DeviceGroup::create({.io_throttle = io_limit, .io_limit = io_limit}, "weight")) {
        gate_.with([&](DeviceGroup& group) { groups_ = std::make_unique<MountGroups>(group, 100); });
        gate_.enter(*groups_);
    }
    ~GateTest() override {
        door_.open();
        EXPECT_TRUE(gate_.drain(*groups_, now_ns() + 20 * kSecond));
        gate_.leave(*groups_);
        gate_.with([&](DeviceGroup&) { groups_.reset(); });
    }

    TestJob& submit(std::unique_ptr<TestJob> job, bool may_inline = false) {
        TestJob& submitted = *job;
        gate_.submit(std::move(job), *groups_, {}, may_inline);
        return submitted;
    }
    /// Of so many units, which pass the door.
    TestJob& submit_stoppable(Fate& fate, std::uint64_t units) {
        auto job = std::make_unique<TestJob>(fate, units, &door_);
        job->stoppable = true;
        return submit(std::move(job));
    }
    std::uint32_t issued() {
        return gate_.with([](DeviceGroup& group) { return group.issued(); });
    }
    std::uint32_t blocked() {
        return gate_.with([](DeviceGroup& group) { return group.blocked(); });
    }
    /// Fills the disk: a job that stays in perform() until the door is opened.
    void occupy() {
        door_.shut();
        submit(std::make_unique<TestJob>(occupant_, 1, &door_));
        ASSERT_TRUE(door_.reached(1));
    }

    Gate gate_;
    std::unique_ptr<MountGroups> groups_;
    Door door_;
    Fate occupant_;
};

class DeepGateTest : public GateTest {
protected:
    DeepGateTest() : GateTest(64) {}
};

TEST_F(DeepGateTest, UnitsAdmittedTogetherAreOnePerform) {
    Fate fate;
    submit(std::make_unique<TestJob>(fate, 8));
    ASSERT_TRUE(eventually([&] { return fate.done(); }));
    EXPECT_EQ(fate.pieces, (std::vector<std::pair<std::uint64_t, std::uint64_t>>{{0, 8 * kUnitBytes}}));
    EXPECT_NE(fate.thread, std::this_thread::get_id());
    EXPECT_EQ(issued(), 0u);
}

TEST_F(DeepGateTest, TheNextPieceBeginsBeforeTheLastHasEnded) {
    Fate fate;
    door_.shut();
    auto job = std::make_unique<TestJob>(fate, 8, &door_);
    job->overlapping = true;
    submit(std::move(job));
    ASSERT_TRUE(door_.reached(2)) << "halves, or the disk would have nothing to do between";
    EXPECT_EQ(issued(), 8u);
    door_.let(1);
    ASSERT_TRUE(eventually([&] { return issued() == 4; }));
    EXPECT_FALSE(fate.done());
    door_.open();
    ASSERT_TRUE(eventually([&] { return fate.done(); }));
    EXPECT_EQ(fate.performed_bytes, 8 * kUnitBytes);
    EXPECT_EQ(fate.pieces.size(), 2u);
}

TEST_F(DeepGateTest, AJobThatStopsEndsWhenItsLastPieceDoes) {
    Fate fate;
    door_.shut();
    auto job = std::make_unique<TestJob>(fate, 8, &door_);
    job->overlapping = true;
    job->stop_at = 1;
    submit(std::move(job));
    ASSERT_TRUE(door_.reached(2));
    door_.let(1);
    ASSERT_TRUE(eventually([&] { return issued() == 4; }));
    EXPECT_FALSE(fate.done());
    door_.open();
    ASSERT_TRUE(eventually([&] { return fate.done(); }));
    EXPECT_EQ(issued(), 0u);
}

TEST_F(GateTest, WhatHasNotBegunWhenAJobStopsIsDropped) {
    Fate fate;
    occupy();
    auto job = std::make_unique<TestJob>(fate, 8);
    job->overlapping = true;
    job->stop_at = 1;
    submit(std::move(job));
    door_.open();
    ASSERT_TRUE(eventually([&] { return fate.done(); }));
    EXPECT_EQ(fate.performed_bytes, kUnitBytes);
    EXPECT_EQ(issued(), 0u);
    EXPECT_EQ(blocked(), 0u);
}

TEST_F(DeepGateTest, InlineIsPerformedByTheSubmitter) {
    Fate fate;
    submit(std::make_unique<TestJob>(fate, 3), true);
    EXPECT_TRUE(fate.done());
    EXPECT_EQ(fate.thread, std::this_thread::get_id());
    EXPECT_EQ(fate.kept, 0);
    EXPECT_EQ(issued(), 0u);
}

TEST_F(DeepGateTest, WhatIsStartedGoesOnWithoutAThread) {
    Fate fate;
    auto job = std::make_unique<TestJob>(fate, 3);
    job->starting = TestJob::Starting::now;
    TestJob& started = submit(std::move(job));
    EXPECT_EQ(fate.started, 1);
    EXPECT_EQ(fate.kept, 0);
    EXPECT_EQ(issued(), 3u);
    EXPECT_FALSE(gate_.cancel(started)) << "nothing of it waits";
    EXPECT_FALSE(gate_.drain(*groups_, now_ns())) << "it is under way";
    std::thread([&] { gate_.performed(started, true); }).join();
    EXPECT_TRUE(fate.done());
    EXPECT_EQ(fate.performed_bytes, 0u);
    EXPECT_EQ(issued(), 0u);
}

TEST_F(DeepGateTest, WhatCannotBeStartedIsPerformed) {
    Fate fate;
    auto job = std::make_unique<TestJob>(fate, 3);
    job->starting = TestJob::Starting::refused;
    submit(std::move(job));
    EXPECT_TRUE(fate.done());
    EXPECT_EQ(fate.thread, std::this_thread::get_id());
    EXPECT_EQ(fate.performed_bytes, 3 * kUnitBytes);
}

TEST_F(GateTest, WhatHasToWaitIsKeptAndNotStarted) {
    occupy();
    Fate fate;
    auto job = std::make_unique<TestJob>(fate, 1);
    job->starting = TestJob::Starting::now;
    submit(std::move(job));
    EXPECT_EQ(fate.kept, 1);
    door_.open();
    EXPECT_TRUE(eventually([&] { return fate.done(); }));
    EXPECT_EQ(fate.started, 0);
    EXPECT_EQ(fate.performed_bytes, kUnitBytes);
}

TEST_F(GateTest, AJobThatWaitsIsKeptOnce) {
    occupy();
    Fate asked_for_inline, other;
    submit(std::make_unique<TestJob>(asked_for_inline, 1), true);
    submit(std::make_unique<TestJob>(other, 1), false);
    EXPECT_EQ(asked_for_inline.kept, 1);
    EXPECT_EQ(other.kept, 1);
    door_.open();
    ASSERT_TRUE(eventually([&] { return asked_for_inline.done() && other.done(); }));
    EXPECT_EQ(asked_for_inline.kept, 1);
}

TEST_F(GateTest, RequestsOfAStreamAreDoneInItsOrderWhoeverIsQuicker) {
    occupy();
    const int stream = 0, other = 0;
    std::array<Fate, 6> fates;
    Door each;
    each.shut();
    const auto hand_in = [&](std::size_t fate, const void* of, std::uint64_t at) {
        auto job = std::make_unique<TestJob>(fates[fate], 2, &each);
        job->of = of;
        job->at = at;
        submit(std::move(job));
    };
    hand_in(3, &stream, 30);
    hand_in(1, &stream, 10);
    hand_in(4, &other, 5);
    hand_in(2, &stream, 20);
    hand_in(5, nullptr, 0);
    hand_in(0, &stream, 0);
    door_.open();
    const std::array<std::size_t, 6> wanted{0, 1, 4, 2, 5, 3};
    for (const std::size_t next : wanted) {
        each.let(2);
        EXPECT_TRUE(eventually([&] { return fates[next].done(); })) << next;
    }
    each.open();
}

TEST_F(GateTest, WhatIsReleasedWhileAJobIsKeptIsPerformed) {
    occupy();
    Fate fate;
    auto job = std::make_unique<TestJob>(fate, 2);
    job->when_kept = [&] {
        door_.open();
        ASSERT_TRUE(eventually([&] { return occupant_.done() && issued() == 1; })) << "the job's own first unit";
        EXPECT_EQ(fate.performed_bytes, 0u) << "not before it is kept";
    };
    submit(std::move(job), true);
    ASSERT_TRUE(eventually([&] { return fate.done(); }));
    EXPECT_EQ(fate.performed_bytes, 2 * kUnitBytes);
}

TEST_F(GateTest, AJobThatCannotBeKeptIsWithdrawn) {
    occupy();
    Fate fate, next;
    auto job = std::make_unique<TestJob>(fate, 3);
    job->when_kept = [] { throw std::bad_alloc(); };
    EXPECT_THROW(submit(std::move(job), true), std::bad_alloc);
    EXPECT_EQ(fate.finished, 0);
    EXPECT_EQ(blocked(), 0u);
    EXPECT_EQ(gate_.report().waiting, 0u);
    submit(std::make_unique<TestJob>(next, 1), true);
    door_.open();
    ASSERT_TRUE(eventually([&] { return next.done(); }));
}

TEST_F(GateTest, NothingIsInlineWhileSomethingWaits) {
    occupy();
    Fate waiting, next;
    submit(std::make_unique<TestJob>(waiting, 1), true);
    submit(std::make_unique<TestJob>(next, 1), true);
    EXPECT_FALSE(waiting.done());
    EXPECT_EQ(gate_.report().waiting, 2u);
    door_.open();
    ASSERT_TRUE(eventually([&] { return waiting.done() && next.done(); }));
    EXPECT_NE(next.thread, std::this_thread::get_id());
}

TEST_F(GateTest, ReleasedPieceByPieceWithoutGaps) {
    Fate fate;
    submit(std::make_unique<TestJob>(fate, 5));
    ASSERT_TRUE(eventually([&] { return fate.done(); }));
    std::uint64_t at = 0;
    for (const auto& [begin, end] : fate.pieces) {
        EXPECT_EQ(begin, at);
        at = end;
    }
    EXPECT_EQ(at, 5 * kUnitBytes);
    EXPECT_GT(fate.pieces.size(), 1u);
}

TEST_F(GateTest, AJobThatStopsCompletesItsUnits) {
    Fate fate;
    auto job = std::make_unique<TestJob>(fate, 6);
    job->stop_at = 1;
    submit(std::move(job));
    ASSERT_TRUE(eventually([&] { return fate.done(); }));
    EXPECT_EQ(fate.pieces.size(), 1u);
    EXPECT_EQ(fate.cancelled, 0);
    EXPECT_EQ(issued(), 0u);
    EXPECT_EQ(blocked(), 0u);
}

TEST_F(GateTest, ControlReleasesWhatItLetsPass) {
    occupy();
    Fate fate;
    submit(std::make_unique<TestJob>(fate, 1));
    EXPECT_EQ(blocked(), 1u);
    gate_.with([](DeviceGroup& group) { group.suspend(); });
    EXPECT_TRUE(eventually([&] { return fate.done(); }));
}

TEST_F(GateTest, TheLineageChoosesTheGroup) {
    gate_.with([&](DeviceGroup&) { ASSERT_EQ(groups_->attach(7, 10), Error::none); });
    const std::vector<GroupId> lineage{5, 7, 9};
    EXPECT_EQ(gate_.payer(*groups_, lineage).id, std::optional<GroupId>(7));
    EXPECT_EQ(gate_.payer(*groups_, {}).id, std::nullopt);
    Fate fate;
    gate_.submit(std::make_unique<TestJob>(fate, 2), *groups_, lineage, true);
    gate_.with([&](DeviceGroup&) {
        EXPECT_EQ(groups_->find(7)->statistics().of(Direction::read).requests, 2u);
        EXPECT_EQ(groups_->default_group().statistics().of(Direction::read).requests, 0u);
    });
    ASSERT_TRUE(eventually([&] { return fate.done(); }));
}

TEST_F(GateTest, AHeldJobCanBeTakenBack) {
    occupy();
    Fate fate;
    TestJob& job = submit(std::make_unique<TestJob>(fate, 4));
    EXPECT_TRUE(gate_.cancel(job));
    ASSERT_TRUE(eventually([&] { return fate.done(); }));
    EXPECT_EQ(fate.cancelled, 1);
    EXPECT_TRUE(fate.pieces.empty());
    EXPECT_EQ(blocked(), 0u);
    EXPECT_EQ(gate_.report().cancelled, 1u);
}

TEST_F(GateTest, APartlyPerformedJobPassesInsteadOfBeingTakenBack) {
    Fate fate, other;
    door_.shut();
    TestJob& job = submit(std::make_unique<TestJob>(fate, 4, &door_));
    ASSERT_TRUE(door_.reached(1));
    EXPECT_TRUE(gate_.cancel(job));
    door_.open();
    ASSERT_TRUE(eventually([&] { return fate.done(); }));
    EXPECT_EQ(fate.cancelled, 0);
    EXPECT_EQ(fate.performed_bytes, 4 * kUnitBytes);
}

TEST_F(GateTest, APartlyPerformedJobThatCanBeIsStoppedShort) {
    Fate fate;
    door_.shut();
    TestJob& job = submit_stoppable(fate, 4);
    ASSERT_TRUE(door_.reached(1));
    EXPECT_TRUE(gate_.cancel(job));
    EXPECT_FALSE(fate.done()) << "a piece is being performed";
    EXPECT_EQ(blocked(), 0u);
    door_.open();
    ASSERT_TRUE(eventually([&] { return fate.done(); }));
    EXPECT_EQ(fate.stopped_at, kUnitBytes);
    EXPECT_EQ(fate.performed_bytes, kUnitBytes);
    EXPECT_EQ(gate_.report().cancelled, 1u);
    EXPECT_EQ(issued(), 0u);
}

TEST_F(GateTest, AJobThatWaitsForItsNextPieceIsStoppedShortAndEnded) {
    Fate fate;
    door_.shut();
    TestJob& job = submit_stoppable(fate, 3);
    ASSERT_TRUE(door_.reached(1));
    // What has been let pass goes before the rest of the job.
    Fate other;
    Door others;
    others.shut();
    gate_.expedite(submit(std::make_unique<TestJob>(other, 1, &others)));
    door_.let(1);
    ASSERT_TRUE(others.reached(1));
    ASSERT_TRUE(eventually([&] { return fate.performed_bytes == kUnitBytes && issued() == 1; }));
    EXPECT_TRUE(gate_.cancel(job));
    ASSERT_TRUE(eventually([&] { return fate.done(); })) << "no piece of it is being performed";
    EXPECT_EQ(fate.cancelled, 1);
    EXPECT_EQ(fate.performed_bytes, kUnitBytes);
    EXPECT_FALSE(other.done());
    others.open();
    ASSERT_TRUE(eventually([&] { return other.done(); }));
}

TEST_F(DeepGateTest, AJobOfWhichNothingWaitsIsNotTakenBack) {
    Fate fate;
    door_.shut();
    TestJob& job = submit(std::make_unique<TestJob>(fate, 4, &door_));
    ASSERT_TRUE(door_.reached(1));
    EXPECT_FALSE(gate_.cancel(job));
    door_.open();
    ASSERT_TRUE(eventually([&] { return fate.done(); }));
    EXPECT_EQ(fate.cancelled, 0);
}

TEST_F(GateTest, JobsOfDyingCallersAreTakenBack) {
    std::atomic<int> asked{0};
    gate_.set_dying([&](pid_t tid) {
        ++asked;
        return tid == 7;
    });
    occupy();
    Fate dies, lives, nobodys;
    submit(std::make_unique<TestJob>(dies, 2, nullptr, 7));
    submit(std::make_unique<TestJob>(lives, 2, nullptr, 8));
    submit(std::make_unique<TestJob>(nobodys, 2, nullptr, 0));
    ASSERT_TRUE(eventually([&] { return dies.done(); }));
    EXPECT_EQ(dies.cancelled, 1);
    EXPECT_GT(asked, 0);
    EXPECT_FALSE(lives.done());
    EXPECT_FALSE(nobodys.done());
    door_.open();
    ASSERT_TRUE(eventually([&] { return lives.done() && nobodys.done(); }));
}

TEST_F(GateTest, WhatWaitsTooLongPasses) {
    gate_.set_longest_hold(20 * kMillisecond);
    occupy();
    Fate fate;
    submit(std::make_unique<TestJob>(fate, 3));
    ASSERT_TRUE(eventually([&] { return fate.done(); }));
    EXPECT_FALSE(occupant_.done());
    EXPECT_EQ(gate_.report().passed_over_age, 1u);
}

TEST_F(GateTest, ExpediteLetsAJobPass) {
    occupy();
    Fate first, fate;
    submit(std::make_unique<TestJob>(first, 1));
    TestJob& job = submit(std::make_unique<TestJob>(fate, 3));
    gate_.expedite(job);
    ASSERT_TRUE(eventually([&] { return fate.done(); }));
    EXPECT_FALSE(first.done());
    door_.open();
    ASSERT_TRUE(eventually([&] { return first.done(); }));
}

TEST_F(GateTest, AnErrandPassesTheFullDisk) {
    occupy();
    Fate fate;
    gate_.submit(std::make_unique<TestJob>(fate, 0), *groups_, {}, false);
    ASSERT_TRUE(eventually([&] { return fate.done(); }));
    EXPECT_EQ(fate.pieces.size(), 1u);
}

TEST_F(GateTest, AParkedErrandWaitsToBeUnparked) {
    Fate fate, other;
    auto parked = std::make_unique<TestJob>(fate, 0);
    TestJob& job = *parked;
    gate_.park(std::move(parked), *groups_);
    submit(std::make_unique<TestJob>(other, 1));
    ASSERT_TRUE(eventually([&] { return other.done(); }));
    EXPECT_FALSE(fate.done());
    gate_.unpark(job);
    ASSERT_TRUE(eventually([&] { return fate.done(); }));
}

TEST_F(GateTest, AParkedErrandCanBeTakenBack) {
    Fate fate;
    auto parked = std::make_unique<TestJob>(fate, 0);
    TestJob& job = *parked;
    gate_.park(std::move(parked), *groups_);
    EXPECT_TRUE(gate_.cancel(job));
    ASSERT_TRUE(eventually([&] { return fate.done(); }));
    EXPECT_EQ(fate.cancelled, 1);
    EXPECT_TRUE(fate.pieces.empty());
}

TEST_F(GateTest, DrainWaitsForWhatRunsAndLetsTheRestPass) {
    occupy();
    Fate held, parked;
    submit(std::make_unique<TestJob>(held, 3));
    gate_.park(std::make_unique<TestJob>(parked, 0), *groups_);
    EXPECT_FALSE(gate_.drain(*groups_, now_ns() + 10 * kMillisecond));
    ASSERT_TRUE(eventually([&] { return held.done() && parked.done(); }));
    door_.open();
    EXPECT_TRUE(gate_.drain(*groups_, now_ns() + 20 * kSecond));
    EXPECT_TRUE(occupant_.done());
}

TEST_F(GateTest, TenThousandHeldJobsNeedNoThread) {
    EXPECT_LE(sizeof(TestJob), 512u);
    occupy();
    const unsigned workers = gate_.report().workers;
    std::vector<Fate> fates(10'000);
    for (Fate& fate : fates) submit(std::make_unique<TestJob>(fate, 1, nullptr, 1));
    EXPECT_EQ(gate_.report().workers, workers);
    EXPECT_EQ(gate_.report().waiting, 10'000u);
    door_.open();
    ASSERT_TRUE(eventually([&] { return std::ranges::all_of(fates, &Fate::done); }));
}

// A group over its ceiling is held while the disk is idle: time alone releases it, from the timer and from workers.
TEST(FairGateTest, WhatIsHeldForATimeIsReleasedWhenItComes) {
    Gate gate(DeviceGroup::create({.io_throttle = 1, .io_limit = 4}, "fair"));
    std::unique_ptr<MountGroups> groups;
    gate.with([&](DeviceGroup& group) {
        groups = std::make_unique<MountGroups>(group, 100);
        ASSERT_EQ(group.set_ceiling(groups->default_group(), 256 * kUnitBytes), Error::none);
    });
    gate.enter(*groups);
    unsigned held = 0;
    const TimeNs begin = now_ns();
    for (int round = 0; round < 16; ++round) {
        std::array<Fate, 4> fates;  // more than one at a time, so that on a busy machine too there is one to wait for
        for (Fate& fate : fates) gate.submit(std::make_unique<TestJob>(fate, 1), *groups, {}, false);
        held += gate.report().waiting != 0 ? 1 : 0;
        ASSERT_TRUE(eventually([&] { return std::ranges::all_of(fates, &Fate::done); }));
    }
    EXPECT_GT(held, 8u);
    // Each was due after 4 ms. By the timer's checks of those who wait, every 100 ms, it would have taken 6 s.
    EXPECT_LT(now_ns() - begin, 3 * kSecond);
    EXPECT_TRUE(gate.drain(*groups, now_ns() + 20 * kSecond));
    gate.leave(*groups);
    gate.with([&](DeviceGroup&) { groups.reset(); });
}

// Many threads submit, cancel and change settings at once: every job is finished exactly once, and none is forgotten.
TEST_F(DeepGateTest, EveryJobIsFinishedOnce) {
    constexpr unsigned kThreads = 4;
    constexpr unsigned kJobs = 400;
    gate_.with([](DeviceGroup& group) {
        ASSERT_EQ(group.set_io_throttle(2), Error::none);
        ASSERT_EQ(group.set_io_limit(4), Error::none);
    });
    gate_.set_dying([](pid_t tid) { return tid % 5 == 0; });
    std::vector<Fate> fates(kThreads * kJobs);
    std::vector<std::thread> threads;
    for (unsigned t = 0; t != kThreads; ++t) {
        threads.emplace_back([&, t] {
            std::mt19937 random(t);
            for (unsigned i = 0; i != kJobs; ++i) {
                Fate& fate = fates[t * kJobs + i];
                const auto units = random() % 6;
                const auto tid = static_cast<pid_t>(1 + random() % 50);
                submit(std::make_unique<TestJob>(fate, units, nullptr, tid), random() % 2 == 0);
                if (random() % 16 == 0) gate_.with([](DeviceGroup& group) { group.suspend(); });
                if (random() % 16 == 0) gate_.with([](DeviceGroup& group) { group.resume(); });
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    ASSERT_TRUE(gate_.drain(*groups_, now_ns() + 20 * kSecond));
    for (const Fate& fate : fates) ASSERT_EQ(fate.finished, 1);
    EXPECT_EQ(issued(), 0u);
    EXPECT_EQ(blocked(), 0u);
}

}  // namespace
}  // namespace bandfs
