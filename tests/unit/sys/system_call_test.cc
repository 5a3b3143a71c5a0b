#include "sys/system_call.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <thread>

#include <gtest/gtest.h>

namespace bandfs {
namespace {

using namespace std::chrono_literals;

TEST(SystemCall, IsToldOfAThreadThatTakesItsTimeToGetThere) {
    const std::string folder = testing::TempDir() + "system-call-" + std::to_string(getpid());
    const std::string fifo = folder + "/fifo";
    ASSERT_TRUE(std::filesystem::create_directory(folder));
    ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
    std::atomic<pid_t> tid{0};
    // As one that others keep from the processor: it runs on until well after it was first looked at.
    std::jthread caller([&] {
        tid = gettid();
        tid.notify_one();
        for (const auto until = std::chrono::steady_clock::now() + 300ms; std::chrono::steady_clock::now() < until;) {
        }
        close(open(fifo.c_str(), O_WRONLY | O_CLOEXEC));
    });
    tid.wait(0);
    EXPECT_EQ(waits_in(tid), WaitsIn::name);
    const int reader = open(fifo.c_str(), O_RDONLY | O_CLOEXEC);
    caller.join();
    close(reader);
    std::filesystem::remove_all(folder);
}

TEST(SystemCall, IsUnknownOfNobody) {
    EXPECT_EQ(waits_in(0), WaitsIn::unknown);
}

}  // namespace
}  // namespace bandfs
