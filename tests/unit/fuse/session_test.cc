// A real mount, served by this process: data as POSIX has it, held requests, the end of a mount.
#define FUSE_USE_VERSION 314

#include "fuse/session.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include <fuse_lowlevel.h>

#include "mounted.h"

namespace bandfs {
namespace {

namespace fs = std::filesystem;

constexpr uid_t kNobody = 65534;

/// One unit at a time: the second request is held while the first is at the disk.
constexpr DeviceGroupSettings kOneAtATime{.io_throttle = 1, .io_limit = 1};

std::string pattern_of(std::size_t bytes) {
    std::string text(bytes, '\0');
    for (std::size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>('a' + (i * 7 + i / 4096) % 26);
    return text;
}

struct AlignedMemory {
    explicit AlignedMemory(std::size_t bytes) : data(static_cast<char*>(std::aligned_alloc(4096, bytes))) {}
    ~AlignedMemory() { std::free(data); }
    AlignedMemory(const AlignedMemory&) = delete;
    char* const data;
};

using SessionTest = MountedTest;

TEST_F(SessionTest, WhatIsWrittenIsReadHereAndBelow) {
    mount({});
    const std::string text = pattern_of(3'000'001);
    write_contents(in_mount("file"), text);
    EXPECT_TRUE(contents(in_mount("file")) == text);
    EXPECT_TRUE(contents(below("file")) == text);

    evict("file");
    const int reads = disk_.reads();
    const UniqueFd file(::open(in_mount("file").c_str(), O_RDONLY | O_DIRECT));
    ASSERT_TRUE(file);
    const AlignedMemory memory(1u << 20);
    EXPECT_EQ(::pread(file.get(), memory.data, 1u << 20, 2u << 20), 3'000'001 - (2 << 20)) << std::strerror(errno);
    EXPECT_EQ(std::string_view(memory.data, 1000), std::string_view(text).substr(2u << 20, 1000));
    EXPECT_EQ(::pread(file.get(), memory.data, 4096, 4u << 20), 0) << "past the end of the file";
    EXPECT_GT(disk_.reads(), reads);
}

TEST_F(SessionTest, ListsWhatIsThere) {
    mount({});
    for (const char* name : {"one", "two", "three"}) write_contents(below(name), name);
    fs::create_directory(in_mount("directory"));
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(in_mount(""))) names.insert(entry.path().filename());
    EXPECT_EQ(names, (std::set<std::string>{"one", "two", "three", "directory"}));
}

/// Counts requests by name, from what libfuse logs with its option `debug`.
class RequestCount {
public:
    RequestCount() {
        counts().clear();
        fuse_set_log_func([](enum fuse_log_level, const char* format, va_list arguments) {
            char line[512];
            std::vsnprintf(line, sizeof(line), format, arguments);
            if (const char* name = std::strstr(line, "opcode: ")) {
                const std::lock_guard lock(mutex_);
                name += std::strlen("opcode: ");
                ++counts()[std::string(name, std::strcspn(name, " "))];
            }
        });
    }
    ~RequestCount() { fuse_set_log_func(nullptr); }

    static std::map<std::string, int> now() {
        const std::lock_guard lock(mutex_);
        return counts();
    }

private:
    static std::map<std::string, int>& counts() {
        static std::map<std::string, int> the_counts;
        return the_counts;
    }
    static inline std::mutex mutex_;
};

TEST_F(SessionTest, NoRequestCarriesNothing) {
    const RequestCount count;
    mount({}, {"debug"});
    write_contents(in_mount("file"), "");
    const UniqueFd file(::open(in_mount("file").c_str(), O_RDWR));
    const auto before = RequestCount::now();
    for (int i = 0; i < 100; ++i) ASSERT_EQ(::pwrite(file.get(), "text", 4, i * 4), 4);
    for (int i = 0; i < 10; ++i) {
        const UniqueFd other(::open(in_mount("file").c_str(), O_RDWR));
        ASSERT_EQ(::pwrite(other.get(), "text", 4, 0), 4);
    }
    auto requests = RequestCount::now();
    for (const auto& [name, times] : before) requests[name] -= times;
    EXPECT_EQ(requests["WRITE"], 110);
    EXPECT_EQ(requests["OPEN"], 10);
    EXPECT_LE(requests["GETXATTR"], 2) << "asked before each write whether it must clear capabilities";
    EXPECT_EQ(requests["FLUSH"], 0);
    EXPECT_LE(requests["GETATTR"], 2) << "attributes are good for a second";
}

TEST_F(SessionTest, WhatIsWrittenThroughAMappingArrives) {
    mount({});
    write_contents(below("file"), std::string(3 * 4096, '.'));
    // In another process: a fault of ours would wait, with our address space locked, for threads that may need it.
    const bool parallel = filesystem_.kernel.parallel_direct_writes;
    EXPECT_EQ(exit_status(in_child(0,
                                   [&] {
                                       for (const int flags : {O_RDWR, O_RDWR | O_DIRECT}) {
                                           const UniqueFd file(::open(in_mount("file").c_str(), flags));
                                           void* memory = ::mmap(nullptr, 3 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED,
                                                                 file.get(), 0);
                                           if (memory == MAP_FAILED) return 1;
                                           char* text = static_cast<char*>(memory);
                                           text[5000] = flags == O_RDWR ? 'a' : 'b';
                                           if (::msync(memory, 3 * 4096, MS_SYNC) != 0) return 2;
                                           if (contents(below("file"))[5000] != text[5000]) return 3;
                                           text[1] = flags == O_RDWR ? 'A' : 'B';
                                           if (::munmap(memory, 3 * 4096) != 0) return 4;
                                           if (!parallel) break;
                                       }
                                       return 0;
                                   })),
              0);
    const auto written = [&] { return contents(below("file"))[1]; };
    EXPECT_TRUE(eventually([&] { return written() == 'B' || written() == 'A'; }));
    EXPECT_GT(filesystem_.data->counters().mapped_writes, 0u);
}

TEST_F(SessionTest, AppendsAtTheEndThatTheFileHasNow) {
    mount({});
    write_contents(below("log"), "one ");
    const UniqueFd file(::open(in_mount("log").c_str(), O_WRONLY | O_APPEND));
    ASSERT_TRUE(file);
    ASSERT_EQ(::write(file.get(), "two ", 4), 4);
    {
        const UniqueFd other(::open(below("log").c_str(), O_WRONLY | O_APPEND));
        ASSERT_EQ(::write(other.get(), "three ", 6), 6);  // the kernel's half of the mount has not heard of it
    }
    ASSERT_EQ(::write(file.get(), "four", 4), 4);
    EXPECT_EQ(contents(below("log")), "one two three four");
}

TEST_F(SessionTest, TruncatesOnOpenAndReachesBeyondFourGigabytes) {
    mount({});
    write_contents(below("file"), pattern_of(10000));
    constexpr off_t kFar = (off_t{5} << 30) + 123;
    const UniqueFd file(::open(in_mount("file").c_str(), O_RDWR | O_TRUNC));
    ASSERT_TRUE(file);
    EXPECT_EQ(fs::file_size(below("file")), 0u);
    ASSERT_EQ(::pwrite(file.get(), "far", 3, kFar), 3);
    std::array<char, 8> read{};
    EXPECT_EQ(::pread(file.get(), read.data(), read.size(), kFar - 2), 5);
    EXPECT_EQ(std::string_view(read.data(), 5), std::string_view("\0\0far", 5));
    EXPECT_EQ(::lseek(file.get(), 0, SEEK_DATA), kFar / 4096 * 4096);
    ASSERT_EQ(::fallocate(file.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, kFar / 4096 * 4096, 8192), 0);
    EXPECT_EQ(::pread(file.get(), read.data(), 3, kFar), 3);
    EXPECT_EQ(std::string_view(read.data(), 3), std::string_view("\0\0\0", 3));
    EXPECT_EQ(::fsync(file.get()), 0);
}

TEST_F(SessionTest, SetIdBitsFallWhenAnOrdinaryUserWritesOrTruncates) {
    mount({});
    for (const char* name : {"written", "opened", "rooted"}) {
        write_contents(below(name), "x");
        ASSERT_EQ(::chmod(below(name).c_str(), 06777), 0);
    }
    const auto mode_of = [](const fs::path& path) {
        struct stat file {};
        return ::stat(path.c_str(), &file) == 0 ? file.st_mode & 07777 : 0;
    };
    EXPECT_EQ(mode_of(in_mount("written")), 06777u);
    const pid_t child = in_child(kNobody, [&] {
        const int written = ::open(in_mount("written").c_str(), O_WRONLY);
        if (::write(written, "y", 1) != 1) return 1;
        if (::open(in_mount("opened").c_str(), O_WRONLY | O_TRUNC) < 0) return 2;
        return 0;
    });
    ASSERT_EQ(exit_status(child), 0);
    EXPECT_EQ(mode_of(in_mount("written")), 0777u);
    EXPECT_EQ(mode_of(below("written")), 0777u);
    EXPECT_EQ(mode_of(below("opened")), 0777u);

    const UniqueFd file(::open(in_mount("rooted").c_str(), O_WRONLY));
    ASSERT_EQ(::write(file.get(), "y", 1), 1);
    EXPECT_EQ(mode_of(below("rooted")), 06777u) << "root keeps them, as on every file system";
}

TEST_F(SessionTest, OrdinaryUsersAreLetInWhereTheFileSystemHasNoAcls) {
    use_file_system("ramfs");
    mount({});
    write_contents(below("file"), "text");
    ASSERT_EQ(::chmod(below("").c_str(), 0755), 0);
    ASSERT_EQ(::chmod(below("file").c_str(), 0644), 0);
    const pid_t child = in_child(kNobody, [&] {
        std::array<char, 4> text;
        const int file = ::open(in_mount("file").c_str(), O_RDONLY);
        if (file < 0) return errno;
        return ::read(file, text.data(), text.size()) == 4 ? 0 : errno;
    });
    EXPECT_EQ(exit_status(child), 0) << "its errno";
}

TEST_F(SessionTest, KeepsPagesOfAFileThatHasNotChanged) {
    mount({});
    write_contents(below("file"), pattern_of(100000));
    const auto old = fs::file_time_type::clock::now() - std::chrono::hours(1);
    const auto settle = [&] {  // ctime cannot be set, so the file has to be as old as it takes
        ASSERT_TRUE(eventually([&, start = std::chrono::steady_clock::now()] {
            return std::chrono::steady_clock::now() - start > std::chrono::milliseconds(50);
        }));
    };
    fs::last_write_time(below("file"), old);
    settle();
    EXPECT_TRUE(contents(in_mount("file")) == pattern_of(100000));
    const int reads = disk_.cached_reads();
    EXPECT_GT(reads, 0);
    EXPECT_TRUE(contents(in_mount("file")) == pattern_of(100000));
    EXPECT_EQ(disk_.cached_reads(), reads) << "read again although nothing changed";

    write_contents(below("file"), "changed");
    EXPECT_TRUE(contents(in_mount("file")) == "changed");
    write_contents(below("file"), "CHANGED");  // the same length, and perhaps the same tick of the clock
    EXPECT_EQ(contents(in_mount("file")), "CHANGED");
}

/// A child that reads the file's first page from the disk; exits 0 when it got it, the errno otherwise.
pid_t reader_of(const fs::path& path) {
    return in_child(0, [path] {
        std::array<char, 4096> page;
        const int file = ::open(path.c_str(), O_RDONLY);
        if (file < 0) return errno;
        return ::read(file, page.data(), page.size()) == static_cast<ssize_t>(page.size()) ? 0 : errno;
    });
}

TEST_F(SessionTest, AKilledReaderLeavesThoughItsRequestIsHeld) {
    mount(kOneAtATime);
    for (const char* name : {"first", "second"}) {
        write_contents(below(name), pattern_of(4096));
        evict(name);
    }
    disk_.stop();
    const pid_t first = reader_of(in_mount("first"));
    ASSERT_TRUE(eventually([&] { return disk_.waiting() == 1; }));
    const pid_t second = reader_of(in_mount("second"));
    const auto blocked = [&] { return filesystem_.gate->with([](DeviceGroup& group) { return group.blocked(); }); };
    ASSERT_TRUE(eventually([&] { return blocked() > 0; }));

    // A second file can still be opened, and stays readable in what is cached.
    EXPECT_TRUE(fs::exists(in_mount("first")));
    ::kill(second, SIGKILL);
    EXPECT_EQ(exit_status(second), -1);
    EXPECT_TRUE(eventually([&] { return blocked() == 0; })) << "its unit is still held";
    EXPECT_EQ(disk_.waiting(), 1) << "the other one went on waiting for the disk";
    disk_.go();
    EXPECT_EQ(exit_status(first), 0);
}

// A crash here, or a race that the thread sanitizer sees: the answer unregisters what the interrupt looks at.
TEST_F(SessionTest, SignalsComeWhileReadsAreAnswered) {
    mount(kOneAtATime);
    write_contents(below("file"), pattern_of(64 * 4096));
    struct sigaction handles {};
    struct sigaction before {};
    handles.sa_handler = [](int) {};
    handles.sa_flags = SA_RESTART;
    ASSERT_EQ(::sigaction(SIGUSR1, &handles, &before), 0);
    constexpr int kReaders = 4;
    constexpr int kReads = 500;
    std::atomic<int> wrong{0};
    std::atomic<int> ended{0};
    std::vector<std::thread> readers;
    for (int reader = 0; reader < kReaders; ++reader)
        readers.emplace_back([&] {
            const AlignedMemory memory(4096);
            const UniqueFd file(::open(in_mount("file").c_str(), O_RDONLY | O_DIRECT));
            for (int i = 0; i < kReads; ++i) wrong += ::pread(file.get(), memory.data, 4096, i % 64 * 4096) != 4096;
            ++ended;
        });
    while (ended < kReaders) {
        for (std::thread& reader : readers) ::pthread_kill(reader.native_handle(), SIGUSR1);
    }
    for (std::thread& reader : readers) reader.join();
    ::sigaction(SIGUSR1, &before, nullptr);
    EXPECT_EQ(wrong, 0) << "a signal that is handled ends no read";
}

TEST_F(SessionTest, AHeldDirectWriteKeepsItsPayload) {
    mount(kOneAtATime);
    write_contents(below("blocker"), pattern_of(4096));
    evict("blocker");
    disk_.stop();
    const pid_t blocker = reader_of(in_mount("blocker"));
    ASSERT_TRUE(eventually([&] { return disk_.waiting() == 1; }));

    constexpr std::size_t kSmall = 4096;
    constexpr std::size_t kLarge = 1u << 20;
    const auto writer = [&](const char* name, std::size_t bytes) {
        return in_child(0, [this, name, bytes] {
            const AlignedMemory memory(bytes);
            pattern_of(bytes).copy(memory.data, bytes);
            const int file = ::open(in_mount(name).c_str(), O_WRONLY | O_CREAT | O_DIRECT, 0644);
            return ::write(file, memory.data, bytes) == static_cast<ssize_t>(bytes) ? 0 : 1;
        });
    };
    const pid_t small = writer("small", kSmall);
    const pid_t large = writer("large", kLarge);
    ASSERT_TRUE(
        eventually([&] { return filesystem_.gate->with([](DeviceGroup& group) { return group.blocked(); }) >= 2; }));
    for (int i = 0; i < 50; ++i) write_contents(in_mount("other"), "what receivers get next goes to other buffers");
    disk_.go();
    EXPECT_EQ(exit_status(blocker), 0);
    EXPECT_EQ(exit_status(small), 0);
    EXPECT_EQ(exit_status(large), 0);
    EXPECT_TRUE(contents(below("small")) == pattern_of(kSmall));
    EXPECT_TRUE(contents(below("large")) == pattern_of(kLarge));
}

TEST_F(SessionTest, DirectWritesToOneFileGoToTheDiskTogether) {
    mount({});
    if (!filesystem_.kernel.parallel_direct_writes) GTEST_SKIP() << "this kernel has no parallel direct writes";
    write_contents(below("file"), std::string(64 * 4096, '\0'));
    disk_.stop();
    std::vector<pid_t> writers;
    for (int i = 0; i < 4; ++i)
        writers.push_back(in_child(0, [this, i] {
            const AlignedMemory memory(4096);
            std::fill_n(memory.data, 4096, static_cast<char>('0' + i));
            const int file = ::open(in_mount("file").c_str(), O_WRONLY | O_DIRECT);
            return ::pwrite(file, memory.data, 4096, i * 4096) == 4096 ? 0 : 1;
        }));
    EXPECT_TRUE(eventually([&] { return disk_.waiting() == 4; })) << "one writer waited for another";
    disk_.go();
    for (const pid_t writer : writers) EXPECT_EQ(exit_status(writer), 0);
}

TEST_F(SessionTest, AnOpenReturnsWhileDirectWritesAreHeld) {
    mount(kOneAtATime);
    if (!filesystem_.kernel.cached_opens_wait) GTEST_SKIP() << "this kernel has no open wait for direct writes";
    write_contents(below("file"), std::string(64 * 4096, '\0'));
    disk_.stop();
    std::vector<pid_t> writers;
    for (int i = 0; i < 4; ++i)
        writers.push_back(in_child(0, [this] {
            const AlignedMemory memory(4096);
            const int file = ::open(in_mount("file").c_str(), O_WRONLY | O_DIRECT);
            return ::pwrite(file, memory.data, 4096, 0) == 4096 ? 0 : 1;
        }));
    struct stat facts {};
    ASSERT_EQ(::stat(below("file").c_str(), &facts), 0);
    ASSERT_TRUE(eventually([&] {
        const auto file = filesystem_.data->files().find(FileKey{.device = facts.st_dev, .inode = facts.st_ino});
        return file && file->writes_wait_long(now_ns());
    }));
    const pid_t reader = in_child(0, [this] { return contents(in_mount("file")).size() == 64 * 4096 ? 0 : 1; });
    EXPECT_EQ(exit_status(reader), 0);
    disk_.go();
    for (const pid_t writer : writers) EXPECT_EQ(exit_status(writer), 0);
}

TEST_F(SessionTest, WhatIsInFlightEndsBeforeALazyUnmountDoes) {
    mount({});
    write_contents(below("file"), pattern_of(4096));
    evict("file");
    disk_.stop();
    const pid_t reader = reader_of(in_mount("file"));
    ASSERT_TRUE(eventually([&] { return disk_.waiting() == 1; }));
    unmount(MNT_DETACH);
    EXPECT_EQ(ended_, 0);
    disk_.go();
    EXPECT_EQ(exit_status(reader), 0);
    EXPECT_TRUE(eventually([&] { return ended_ == 1; }));
    EXPECT_EQ(filesystem_.handles.count(), 0u);
    session_->stop();
    EXPECT_EQ(ended_, 1);
}

TEST_F(SessionTest, StopClosesWhatCallersHaveOpen) {
    mount({});
    write_contents(below("file"), "text");
    const UniqueFd file(::open(in_mount("file").c_str(), O_RDONLY));
    ASSERT_TRUE(file);
    const UniqueFd directory(::open(in_mount("").c_str(), O_RDONLY | O_DIRECTORY));
    ASSERT_TRUE(directory);
    EXPECT_GE(filesystem_.handles.count(), 2u);
    session_->stop();
    EXPECT_EQ(ended_, 1);
    EXPECT_EQ(filesystem_.handles.count(), 0u);
    session_.reset();  // closes the connection: whoever still asks gets an error
    char byte = 0;
    EXPECT_EQ(::pread(file.get(), &byte, 1, 0), -1);
    session_.reset();
}

}  // namespace
}  // namespace bandfs
