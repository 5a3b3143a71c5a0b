#include "fuse/uring_helpers.h"

#include <array>
#include <atomic>
#include <set>

#include <gtest/gtest.h>

#include "fuse/uring_queue.h"
#include "support/waiting.h"

namespace bandfs {
namespace {

using test::Door;
using test::eventually;

TEST(UringHelpers, WhoSleepsKeepsNobodyWaiting) {
    constexpr int kRequests = 20;
    std::array<RingEntry, kRequests> entries;
    Door door;
    door.shut();
    std::atomic<int> handled{0};
    UringHelpers helpers([&](RingEntry& entry) {
        if (&entry != &entries.back()) door.pass();
        ++handled;
    });
    for (RingEntry& entry : entries) ASSERT_TRUE(helpers.take(entry));
    EXPECT_TRUE(eventually([&] { return handled == 1; })) << "all others sleep, and there may be more threads";
    door.open();
    EXPECT_TRUE(eventually([&] { return handled == kRequests; }));
}

TEST(UringHelpers, FewDoWhatIsQuick) {
    std::array<RingEntry, 1000> entries;
    std::atomic<unsigned> handled{0};
    std::mutex mutex;
    std::set<std::thread::id> threads;
    {
        UringHelpers helpers([&](RingEntry&) {
            const std::lock_guard lock(mutex);
            threads.insert(std::this_thread::get_id());
            ++handled;
        });
        for (RingEntry& entry : entries) {
            ASSERT_TRUE(helpers.take(entry));
            ASSERT_TRUE(eventually([&, before = &entry - entries.data()] { return handled > before; }));
        }
    }
    EXPECT_LT(threads.size(), 8u) << "one, and another where the machine is slow";
}

}  // namespace
}  // namespace bandfs
