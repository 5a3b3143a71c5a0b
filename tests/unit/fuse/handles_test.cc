// The registry of open handles.
#include "fuse/handles.h"

#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace bandfs {
namespace {

struct CountedHandle final : Handle {
    explicit CountedHandle(int& closed) : closed_count(closed) {}
    ~CountedHandle() override { ++closed_count; }
    int& closed_count;
};

TEST(Handles, ClosesOnRemovalAndTheRestAtTheEnd) {
    int closed = 0;
    {
        Handles handles;
        const std::uint64_t first = handles.add(std::make_unique<CountedHandle>(closed));
        const std::uint64_t second = handles.add(std::make_unique<CountedHandle>(closed));
        EXPECT_NE(first, second);
        EXPECT_EQ(handles.count(), 2u);
        EXPECT_EQ(&Handles::get<CountedHandle>(first).closed_count, &closed);
        handles.remove(first);
        EXPECT_EQ(closed, 1);
        EXPECT_EQ(handles.count(), 1u);
    }
    EXPECT_EQ(closed, 2);
}

TEST(Handles, ClosesEachOnceWhenManyThreadsOpenAndRelease) {
    Handles handles;
    std::vector<std::thread> threads;
    std::vector<int> closed(4, 0);
    for (int& count : closed)
        threads.emplace_back([&handles, &count] {
            for (int i = 0; i < 1000; ++i) {
                const std::uint64_t fh = handles.add(std::make_unique<CountedHandle>(count));
                if (i % 2 == 0) handles.remove(fh);
            }
        });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(handles.count(), 2000u);
    handles.close_all();
    EXPECT_EQ(handles.count(), 0u);
    EXPECT_EQ(closed, std::vector<int>(4, 1000));
}

}  // namespace
}  // namespace bandfs
