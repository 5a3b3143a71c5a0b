#include "sys/thread_setup.h"

#include <sched.h>

#include <thread>

#include <gtest/gtest.h>

namespace bandfs {
namespace {

cpu_set_t processors() {
    cpu_set_t set;
    CPU_ZERO(&set);
    sched_getaffinity(0, sizeof set, &set);
    return set;
}

TEST(ThreadSetup, WhoIsStartedByAThreadThatIsKeptSomewhereIsNot) {
    const cpu_set_t all = processors();
    if (CPU_COUNT(&all) < 2) GTEST_SKIP() << "there is one processor";
    cpu_set_t of_kept, of_started;
    std::thread([&] {
        set_up_thread("kept");
        unsigned first = 0;
        while (!CPU_ISSET(first, &all)) ++first;
        keep_thread_on(first);
        of_kept = processors();
        std::thread([&] {
            set_up_thread("started");
            of_started = processors();
        }).join();
    }).join();
    EXPECT_EQ(CPU_COUNT(&of_kept), 1);
    EXPECT_TRUE(CPU_EQUAL(&of_started, &all));
}

}  // namespace
}  // namespace bandfs
