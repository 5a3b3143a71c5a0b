// What the kernel keeps of files that change: it sees what others write, and loses nothing that is written through it.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <utility>

#include "mounted.h"
#include "sys/clock.h"
#include "sys/unique_fd.h"

namespace bandfs {
namespace {

constexpr std::size_t kPage = 4096;

class KeptPagesTest : public MountedTest {
protected:
    void before_start() override {
        filesystem_.options.kept_pages = KeptPages::unchanged_by_others;
        filesystem_.options.attr_timeout_s = timeout_s_;
        filesystem_.options.entry_timeout_s = entry_timeout_s_;
    }
    void serve(double attr_timeout_s, double entry_timeout_s = 3600, const DeviceGroupSettings& settings = {}) {
        timeout_s_ = attr_timeout_s;
        entry_timeout_s_ = entry_timeout_s;
        mount(settings);
    }
    /// Has the kernel ask for attributes.
    static void ask(int file) {
        struct statx facts {};
        ASSERT_EQ(::statx(file, "", AT_EMPTY_PATH | AT_STATX_FORCE_SYNC, STATX_MTIME, &facts), 0);
    }

    std::shared_ptr<FileData> file_of(const std::string& name) const {
        struct stat facts {};
        if (::stat(below(name).c_str(), &facts) != 0) return nullptr;
        return filesystem_.data->files().find(FileKey{.device = facts.st_dev, .inode = facts.st_ino});
    }
    /// Changes a file below the mount, so long after its last change that the clock tells them apart.
    void change_below(const std::string& name, const std::string& text) const {
        settle(name);
        const UniqueFd file(::open(below(name).c_str(), O_WRONLY));
        ASSERT_EQ(::pwrite(file.get(), text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
    }
    /// Waits until the file's last change is so old that another has another time.
    void settle(const std::string& name) const {
        ASSERT_TRUE(eventually([&] {
            struct stat facts {};
            return ::stat(below(name).c_str(), &facts) == 0 &&
                   time_of_day_ns() - nanoseconds_of(facts.st_ctim) > 100 * kMillisecond;
        }));
    }

private:
    double timeout_s_ = 1;
    double entry_timeout_s_ = 3600;
};

std::string first_of(int file, std::size_t bytes) {
    std::string text(bytes, '?');
    text.resize(static_cast<std::size_t>(std::max<ssize_t>(::pread(file, text.data(), bytes, 0), 0)));
    return text;
}

// The page that an append is in is read anew before the append has come below: by who opens the file then.
TEST_F(KeptPagesTest, AnAppendIsSeenThoughItsPageWasReadMeanwhile) {
    serve(1);
    if (filesystem_.kernel.rings) GTEST_SKIP() << "a write that is stopped would stop what its processor asks";
    const UniqueFd log(::open(in_mount("log").c_str(), O_WRONLY | O_APPEND | O_CREAT, 0644));
    ASSERT_EQ(::write(log.get(), "old ", 4), 4);
    const UniqueFd reader(::open(in_mount("log").c_str(), O_RDONLY));
    ASSERT_EQ(first_of(reader.get(), 8), "old ");
    ASSERT_EQ(::write(log.get(), "and ", 4), 4);

    disk_.stop_all();
    std::thread writer([&] { EXPECT_EQ(::write(log.get(), "new ", 4), 4); });
    EXPECT_TRUE(eventually([&] { return disk_.waiting() == 1; }));
    EXPECT_EQ(contents(in_mount("log")), "old and ");
    disk_.go();
    writer.join();
    EXPECT_EQ(first_of(reader.get(), 12), "old and new ");
    EXPECT_EQ(contents(in_mount("log")), "old and new ");
}

// A write that is held has its bytes in a page that a change by others has the kernel drop.
TEST_F(KeptPagesTest, AHeldWriteIsSeenThoughOthersChangedTheFileMeanwhile) {
    serve(3600, 3600, {.io_throttle = 1, .io_limit = 1});
    write_contents(below("busy"), std::string(kPage, 'x'));
    evict("busy");
    write_contents(in_mount("file"), "one and more");
    const UniqueFd file(::open(in_mount("file").c_str(), O_RDWR | O_DSYNC));
    if (!file_of("file")->changes().tells_ours()) GTEST_SKIP() << "not on a disk of this machine";
    ASSERT_EQ(first_of(file.get(), 12), "one and more");
    disk_.stop();
    const pid_t reader = in_child(0, [this] { return contents(in_mount("busy")).size() == kPage ? 0 : 1; });
    ASSERT_TRUE(eventually([&] { return disk_.waiting() == 1; }));
    std::thread writer([&] { EXPECT_EQ(::pwrite(file.get(), "LESS", 4, 8), 4); });
    EXPECT_TRUE(
        eventually([&] { return filesystem_.gate->with([](DeviceGroup& group) { return group.blocked(); }) == 1; }));
    change_below("file", "two");
    ask(file.get());
    EXPECT_TRUE(eventually([&] { return first_of(file.get(), 12) == "two and more"; }));
    disk_.go();
    writer.join();
    EXPECT_EQ(exit_status(reader), 0);
    EXPECT_TRUE(eventually([&] { return first_of(file.get(), 12) == "two and LESS"; }));
}

TEST_F(KeptPagesTest, WhatWasWrittenHereIsReadWithoutAskingBelow) {
    serve(1);
    write_contents(in_mount("file"), std::string(2 * kPage, 'x'));
    if (!file_of("file") || !file_of("file")->changes().tells_ours()) GTEST_SKIP() << "not on a disk of this machine";
    EXPECT_EQ(contents(in_mount("file")), std::string(2 * kPage, 'x'));
    EXPECT_EQ(disk_.cached_reads(), 1) << "the byte that sets the time of access";
}

TEST_F(KeptPagesTest, WhatIsDoneThroughTheMountIsOurs) {
    serve(3600);
    const std::string path = in_mount("file");
    const UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT, 0644));
    if (!file_of("file")->changes().tells_ours()) GTEST_SKIP() << "not on a disk of this machine";
    const auto store = [&] {  // not in the process of the server, which would wait for itself
        return exit_status(in_child(0, [&] {
                   const int own = ::open(path.c_str(), O_RDWR);
                   void* const page = ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, own, 0);
                   if (page == MAP_FAILED) return errno;
                   *static_cast<volatile char*>(page) = 's';
                   return ::msync(page, kPage, MS_SYNC) == 0 ? 0 : errno;
               })) == 0;
    };
    const auto truncate_by_open = [&] { return UniqueFd(::open(path.c_str(), O_WRONLY | O_TRUNC)).get() >= 0; };
    const std::pair<const char*, std::function<bool()>> ways[] = {
        {"write", [&] { return ::pwrite(file.get(), "one", 3, 0) == 3; }},
        {"durable write",
         [&] { return ::pwrite(UniqueFd(::open(path.c_str(), O_WRONLY | O_DSYNC)).get(), "two", 3, 0) == 3; }},
        {"store", store},
        {"truncate", [&] { return ::truncate(path.c_str(), 100) == 0; }},
        {"ftruncate", [&] { return ::ftruncate(file.get(), 200) == 0; }},
        {"fallocate", [&] { return ::fallocate(file.get(), 0, 0, 10000) == 0 || errno == EOPNOTSUPP; }},
        {"chmod", [&] { return ::chmod(path.c_str(), 0640) == 0; }},
        {"utimensat", [&] { return ::utimensat(AT_FDCWD, path.c_str(), nullptr, 0) == 0; }},
        {"setxattr", [&] { return ::setxattr(path.c_str(), "user.x", "y", 1, 0) == 0 || errno == EOPNOTSUPP; }},
        {"link", [&] { return ::link(path.c_str(), in_mount("other").c_str()) == 0; }},
        {"removexattr", [&] { return ::removexattr(path.c_str(), "user.x") == 0 || errno == EOPNOTSUPP; }},
        {"O_TRUNC", truncate_by_open},
    };
    for (const auto& [name, way] : ways) {
        SCOPED_TRACE(name);
        settle("file");
        EXPECT_TRUE(way()) << std::strerror(errno);
        EXPECT_FALSE(file_of("file")->look().changed_by_others);
    }
}

TEST_F(KeptPagesTest, AFileThatWasClosedAndGivenAnotherModeIsStillKnown) {
    serve(1);
    {
        const UniqueFd file(::open(in_mount("file").c_str(), O_RDWR | O_CREAT, 0600));
        ASSERT_EQ(::write(file.get(), std::string(kPage, 'x').data(), kPage), static_cast<ssize_t>(kPage));
        if (!file_of("file")->changes().tells_ours()) GTEST_SKIP() << "not on a disk of this machine";
        ASSERT_EQ(::fsync(file.get()), 0);
    }
    ASSERT_TRUE(eventually([&] { return file_of("file") == nullptr; }));
    settle("file");
    ASSERT_EQ(::chmod(in_mount("file").c_str(), 0644), 0);
    // Opened for writing, which sets no time of access.
    const UniqueFd file(::open(in_mount("file").c_str(), O_WRONLY));
    EXPECT_FALSE(file_of("file")->look().changed_by_others);
    ASSERT_EQ(::chmod(below("file").c_str(), 0640), 0);
    EXPECT_TRUE(file_of("file")->look().changed_by_others);
}

TEST_F(KeptPagesTest, WhatOthersChangeIsSeenAtTheNextOpen) {
    serve(3600);
    write_contents(in_mount("file"), "one");
    ASSERT_EQ(contents(in_mount("file")), "one");
    change_below("file", "two");
    EXPECT_EQ(contents(in_mount("file")), "two");
    write_contents(below("file"), "TWO");  // perhaps in the same tick of the clock
    EXPECT_EQ(contents(in_mount("file")), "TWO");
}

TEST_F(KeptPagesTest, WhatOthersChangeBetweenTwoWritesIsSeen) {
    serve(3600);
    const UniqueFd file(::open(in_mount("file").c_str(), O_RDWR | O_CREAT, 0644));
    ASSERT_EQ(::write(file.get(), "one one one", 11), 11);
    ASSERT_EQ(first_of(file.get(), 11), "one one one");
    change_below("file", "two");
    settle("file");
    ASSERT_EQ(::pwrite(file.get(), "ONE", 3, 8), 3);
    EXPECT_EQ(contents(in_mount("file")), "two one ONE");
}

TEST_F(KeptPagesTest, WhatOthersChangeIsSeenInAnOpenFileWithItsAttributes) {
    serve(3600);
    write_contents(in_mount("file"), "one");
    const UniqueFd file(::open(in_mount("file").c_str(), O_RDONLY));
    ASSERT_EQ(first_of(file.get(), 3), "one");
    change_below("file", "two");
    ASSERT_EQ(first_of(file.get(), 3), "one") << "nobody has asked";
    ask(file.get());
    EXPECT_TRUE(eventually([&] { return first_of(file.get(), 3) == "two"; }));
}

TEST_F(KeptPagesTest, WhatOthersChangeIsSeenInAnOpenFileBeforeLong) {
    serve(0.1);
    write_contents(in_mount("file"), "one and more");
    const UniqueFd file(::open(in_mount("file").c_str(), O_RDONLY));
    ASSERT_EQ(first_of(file.get(), 3), "one");
    change_below("file", "two");
    EXPECT_TRUE(eventually([&] { return first_of(file.get(), 3) == "two"; })) << "nobody asks for attributes";
}

// The kernel drops its pages of what is written directly before that is written, and not every one does so again after.
TEST_F(KeptPagesTest, ADirectWriteIsSeenThoughItsPageWasReadMeanwhile) {
    serve(0.1);
    if (!filesystem_.kernel.parallel_direct_writes) GTEST_SKIP() << "this kernel has no parallel direct writes";
    write_contents(below("file"), std::string(2 * kPage, 'a'));
    const UniqueFd reader(::open(in_mount("file").c_str(), O_RDONLY));
    ASSERT_EQ(first_of(reader.get(), 1), "a");
    disk_.stop();
    const pid_t writer = in_child(0, [this] {
        void* const memory = std::aligned_alloc(kPage, kPage);
        std::fill_n(static_cast<char*>(memory), kPage, 'b');
        const int file = ::open(in_mount("file").c_str(), O_WRONLY | O_DIRECT);
        return ::pwrite(file, memory, kPage, 0) == static_cast<ssize_t>(kPage) ? 0 : errno;
    });
    if (!eventually([&] { return disk_.waiting() == 1; })) {
        disk_.go();
        ASSERT_EQ(exit_status(writer), EINVAL) << "there is O_DIRECT, and the write does not come";
        GTEST_SKIP() << "no O_DIRECT here";
    }
    EXPECT_EQ(first_of(reader.get(), 1), "a");
    disk_.go();
    EXPECT_EQ(exit_status(writer), 0);
    EXPECT_TRUE(eventually([&] { return first_of(reader.get(), 1) == "b"; }));
}

TEST_F(KeptPagesTest, WhatIsReadOutOfThePagesOfAWriterIsAccessed) {
    serve(3600);
    write_contents(in_mount("file"), std::string(kPage, 'x'));
    struct statvfs flags {};
    ASSERT_EQ(::statvfs(below("file").c_str(), &flags), 0);
    if ((flags.f_flag & ST_NOATIME) != 0) GTEST_SKIP() << "no times of access here";
    struct stat written {
    }, read{};
    ASSERT_EQ(::stat(below("file").c_str(), &written), 0);
    settle("file");
    EXPECT_EQ(contents(in_mount("file")).size(), kPage);
    ASSERT_EQ(::stat(below("file").c_str(), &read), 0);
    EXPECT_GT(nanoseconds_of(read.st_atim), nanoseconds_of(written.st_mtim));
    struct stat shown {};
    ASSERT_EQ(::stat(in_mount("file").c_str(), &shown), 0);
    EXPECT_EQ(nanoseconds_of(shown.st_atim), nanoseconds_of(read.st_atim)) << "although attributes are kept for longer";
}

TEST_F(KeptPagesTest, NobodyWaitsForPagesThatWaitForADisk) {
    serve(0.1, 0);
    write_contents(below("file"), std::string(4 * kPage, 'a'));
    settle("file");
    evict("file");
    disk_.stop();
    const pid_t reader = in_child(0, [this] {
        const int file = ::open(in_mount("file").c_str(), O_RDONLY);
        return first_of(file, kPage).size() == kPage ? 0 : errno;
    });
    ASSERT_TRUE(eventually([&] { return disk_.waiting() == 1; }));
    ASSERT_EQ(::chmod(below("file").c_str(), 0600), 0);
    // Several at a time: as many as there are who receive.
    std::vector<pid_t> askers;
    for (int i = 0; i < 8; ++i)
        askers.push_back(in_child(0, [this] {
            struct stat facts {};
            return eventually(
                       [&] { return ::stat(in_mount("file").c_str(), &facts) == 0 && (facts.st_mode & 0777) == 0600; })
                       ? 0
                       : 1;
        }));
    for (const pid_t asker : askers) EXPECT_EQ(exit_status(asker), 0);
    EXPECT_EQ(disk_.waiting(), 1);
    disk_.go();
    EXPECT_EQ(exit_status(reader), 0);
}

}  // namespace
}  // namespace bandfs
