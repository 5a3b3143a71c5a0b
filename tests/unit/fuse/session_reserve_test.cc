#include "fuse/session_reserve.h"

#include <atomic>
#include <thread>

#include <gtest/gtest.h>

namespace bandfs {
namespace {

void send(ReceiverDemand& demand, unsigned messages, bool left) {
    for (unsigned i = 0; i < messages; ++i) demand.note(left);
}

TEST(ReceiverDemand, WhoLeavesReadsToWorkersAsksForMore) {
    ReceiverDemand demand;
    unsigned more = 0;
    for (unsigned i = 0; i < 100 * ReceiverDemand::kWindow; ++i) more += demand.note(true);
    EXPECT_EQ(more, ReceiverReserve::kKept);
    EXPECT_EQ(demand.wanted(), ReceiverReserve::kKept);
    send(demand, 20 * ReceiverDemand::kWindow, false);
    EXPECT_EQ(demand.wanted(), 0u) << "there is always one who waits";
}

TEST(ReceiverDemand, WhatIsEnoughStays) {
    ReceiverDemand demand;
    send(demand, 4 * ReceiverDemand::kWindow, true);
    const unsigned wanted = demand.wanted();
    for (unsigned i = 0; i < 100 * ReceiverDemand::kWindow; ++i) demand.note(i % (ReceiverDemand::kWindow / 2) == 1);
    EXPECT_NEAR(demand.wanted(), wanted, 1);
}

/// Somebody in the reserve.
class Waiting {
public:
    explicit Waiting(ReceiverReserve& reserve) : thread_([this, &reserve] { turn_ = reserve.wait(); }) {}
    ReceiverReserve::Turn end() {
        thread_.join();
        return turn_;
    }

private:
    ReceiverReserve::Turn turn_ = ReceiverReserve::Turn::closed;
    std::thread thread_;
};

TEST(ReceiverReserve, OneIsSummonedAndTheLastStays) {
    const std::atomic<int> waiting{1};
    ReceiverReserve reserve(waiting);
    Waiting one(reserve), other(reserve);
    while (!reserve.summon()) std::this_thread::yield();  // until both are there
    EXPECT_FALSE(reserve.summon());
    reserve.close();
    const ReceiverReserve::Turn turns[] = {one.end(), other.end()};
    EXPECT_NE(turns[0], turns[1]);
    for (const ReceiverReserve::Turn turn : turns)
        EXPECT_TRUE(turn == ReceiverReserve::Turn::needed || turn == ReceiverReserve::Turn::closed);
}

}  // namespace
}  // namespace bandfs
