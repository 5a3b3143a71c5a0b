// What happens to requests that are held: on a slow disk, with one unit in flight.
#include <fcntl.h>
#include <libaio.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "oracle.h"
#include "rig.h"

namespace bandfs::mount_test {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kMiB = 1 << 20;

/// A page-aligned buffer.
std::unique_ptr<char, void (*)(void*)> aligned(std::size_t bytes) {
    return {static_cast<char*>(std::aligned_alloc(4096, bytes)), std::free};
}

/// A child process that runs `body` and exits with what it returns.
class Child {
public:
    template <typename Body>
    explicit Child(Body body) : pid_(fork()) {
        if (pid_ == 0) _exit(body());
    }
    Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
    ~Child() {
        if (pid_ > 0) kill(pid_, SIGKILL);
        if (pid_ > 0) ends_within(30s);
    }
    void send(int signal) const { kill(pid_, signal); }
    /// True when it ended in time; then status() is its wait status.
    bool ends_within(std::chrono::seconds limit) {
        return wait_until([this] { return !running(); }, limit);
    }
    bool running() {
        if (pid_ > 0 && waitpid(pid_, &status_, WNOHANG) == pid_) pid_ = -1;
        return pid_ > 0;
    }
    int status() const { return status_; }
    pid_t process() const { return pid_; }

private:
    pid_t pid_;
    int status_ = 0;
};

/// bandfs over a slow disk with a file of 64 MiB in it.
class Held : public testing::TestWithParam<const char*> {
protected:
    void SetUp() override {
        if (const std::string reason = why_no_mounts(); !reason.empty()) GTEST_SKIP() << reason;
        janitor_ = std::make_unique<Janitor>();
        disk_ = std::make_unique<SlowDisk>(*janitor_);
        const int f = open((disk_->path() + "/file").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        ASSERT_EQ(write(f, content_.data(), content_.size()), static_cast<ssize_t>(content_.size()));
        ASSERT_EQ(fsync(f), 0);
        close(f);
        disk_->drop_caches();
        mount_ = std::make_unique<BandfsMount>(
            *janitor_, disk_->path(),
            std::string("allow_other,type=user,io_throttle=1,io_limit=2,policy=") + GetParam());
    }
    void TearDown() override {
        if (disk_) disk_->set_speed(0);
        mount_.reset();
        if (!janitor_) return;
        EXPECT_TRUE(wait_until([] { return daemons().empty(); })) << "a daemon is left";
        disk_.reset();
        janitor_.reset();
    }

    std::string file() const { return mount_->path() + "/file"; }

    /// A process that reads the MiB number `index` with O_DIRECT; exit code 0 when it is what was written.
    Child reader(int index) {
        return Child([this, index] {
            const int f = open(file().c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC);
            const auto buffer = aligned(kMiB);
            if (pread(f, buffer.get(), kMiB, static_cast<off_t>(index) * static_cast<off_t>(kMiB)) !=
                static_cast<ssize_t>(kMiB))
                return 1;
            return memcmp(buffer.get(), content_.data() + static_cast<std::size_t>(index) * kMiB, kMiB) == 0 ? 0 : 2;
        });
    }
    std::vector<Child> readers(int count) {
        std::vector<Child> all;
        for (int i = 0; i < count; ++i) all.push_back(reader(i));
        return all;
    }
    /// Waits until this many read requests of 1 MiB have arrived, and with the slow disk most of them are held.
    void wait_for_arrivals(int requests) {
        const std::uint64_t sectors = static_cast<std::uint64_t>(requests) * kMiB / 512;
        ASSERT_TRUE(wait_until([&] { return sectors_read() >= sectors; })) << mount_->control("status");
    }
    void hold_ten_thousand(Column column, std::size_t bytes);
    std::uint64_t sectors_read() const { return sectors_in(mount_->control("status"), Column::read); }

    static inline const std::string content_ = pattern(64 * kMiB, 42);
    std::unique_ptr<Janitor> janitor_;
    std::unique_ptr<SlowDisk> disk_;
    std::unique_ptr<BandfsMount> mount_;
};

TEST_P(Held, KilledReaderIsGoneLongBeforeItsTurn) {
    disk_->set_speed(1);  // the queue below lasts for 12 seconds
    std::vector<Child> others = readers(11);
    wait_for_arrivals(11);
    auto fastest = Clock::duration::max();
    for (int victims = 0; victims < 3; ++victims) {  // the machine may be busy in one of them
        Child victim = reader(20 + victims);
        wait_for_arrivals(12 + victims);
        const auto start = Clock::now();
        victim.send(SIGKILL);
        ASSERT_TRUE(victim.ends_within(2s));
        EXPECT_TRUE(WIFSIGNALED(victim.status()));
        fastest = std::min(fastest, Clock::now() - start);
    }
    EXPECT_LE(fastest, 250ms) << "native it is not before the disk has answered";
    disk_->set_speed(0);
    for (Child& other : others) {
        EXPECT_TRUE(other.ends_within(20s));
        EXPECT_EQ(other.status(), 0);
    }
}

TEST_P(Held, KilledCallerWaitsForNoMoreThanTheDiskHas) {
    disk_->set_speed(2);  // a request takes half a second, and the two units that the disk may have an eighth
    auto fastest_reader = Clock::duration::max(), fastest_writer = Clock::duration::max();
    const auto killed_after = [&](Child victim, Column column, std::uint64_t before) {
        EXPECT_TRUE(wait_until([&] { return sectors_in(mount_->control("status"), column) > before; }));
        const auto start = Clock::now();
        victim.send(SIGKILL);
        EXPECT_TRUE(victim.ends_within(2s));
        EXPECT_TRUE(WIFSIGNALED(victim.status()));
        return Clock::now() - start;
    };
    for (int victims = 0; victims < 3; ++victims) {
        fastest_reader = std::min(fastest_reader, killed_after(reader(victims), Column::read, sectors_read()));
        const std::uint64_t written = sectors_in(mount_->control("status"), Column::written);
        Child writer([this] {
            const int f = open(file().c_str(), O_WRONLY | O_DIRECT | O_CLOEXEC);
            const auto buffer = aligned(kMiB);
            memset(buffer.get(), 'w', kMiB);
            return pwrite(f, buffer.get(), kMiB, 20 * kMiB) == kMiB ? 0 : 1;
        });
        fastest_writer = std::min(fastest_writer, killed_after(std::move(writer), Column::written, written));
    }
    EXPECT_LE(fastest_reader, 250ms);
    EXPECT_LE(fastest_writer, 250ms);
    disk_->set_speed(0);
    const std::string now = content_of(file());
    EXPECT_EQ(now.size(), content_.size());
    EXPECT_EQ(now.compare(20 * kMiB + kMiB / 2, std::string::npos, content_, 20 * kMiB + kMiB / 2), 0)
        << "what was held has been written all the same";
    EXPECT_TRUE(reader(0).ends_within(20s));
}

/// Under a policy that has them.
class HeldWithFloors : public Held {};

TEST_P(HeldWithFloors, WhatASlowerDiskCannotGiveIsSaid) {
    ASSERT_EQ(mount_->message("attach", "2001"), 0);
    ASSERT_EQ(mount_->message("min", "2001:8M"), 0);
    disk_->set_speed(12);
    std::vector<Child> busy;
    for (const uid_t user : {2001U, 2001U, 0U, 0U}) {
        busy.emplace_back([this, user] {
            if (setresuid(user, user, user) != 0) return 1;
            const int f = open(file().c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC);
            const auto buffer = aligned(kMiB);
            for (off_t at = 0;; at = (at + 5 * kMiB) % (64 * kMiB))
                if (pread(f, buffer.get(), kMiB, at) != kMiB) return 2;
        });
    }
    const auto says = [this](const char* what) { return mount_->control("log").find(what) != std::string::npos; };
    ASSERT_TRUE(wait_until([&] { return sectors_read() > 12 * kMiB / 512; }));
    disk_->set_speed(3);
    EXPECT_TRUE(wait_until([&] { return says("are more than the disk does"); }, 40s)) << mount_->control("log");
    EXPECT_FALSE(says("given in full"));
    disk_->set_speed(0);
    EXPECT_TRUE(wait_until([&] { return says("given in full"); }, 40s)) << mount_->control("log");
    for (const Child& one : busy) one.send(SIGKILL);
    for (Child& one : busy) EXPECT_TRUE(one.ends_within(5s));
}

TEST_P(Held, HandledSignalChangesNothing) {
    disk_->set_speed(1);
    std::vector<Child> others = readers(6);
    wait_for_arrivals(6);
    Child victim([this] {
        struct sigaction action {};
        action.sa_handler = [](int) {};
        sigaction(SIGUSR1, &action, nullptr);
        const int f = open(file().c_str(), O_RDONLY | O_CLOEXEC);
        std::string text(4096, 0);
        const ssize_t n = pread(f, text.data(), text.size(), 30 * kMiB);
        return n == 4096 && memcmp(text.data(), content_.data() + 30 * kMiB, 4096) == 0 ? 0 : 1;
    });
    ASSERT_TRUE(wait_until([&] { return sectors_read() > 6 * kMiB / 512; }));
    for (int i = 0; i < 10; ++i) victim.send(SIGUSR1);
    EXPECT_TRUE(victim.running());
    disk_->set_speed(0);
    EXPECT_TRUE(victim.ends_within(20s));
    EXPECT_EQ(victim.status(), 0);
    for (Child& other : others) EXPECT_TRUE(other.ends_within(20s) && other.status() == 0);
}

TEST_P(Held, OthersDoNotNotice) {
    ASSERT_EQ(mount_->message("attach", "2001"), 0);
    disk_->set_speed(1);
    std::vector<Child> hogs = readers(10);
    wait_for_arrivals(10);
    // Metadata of the same mount is answered while ten seconds of data are held.
    const auto start = Clock::now();
    struct stat attr {};
    for (int i = 0; i < 50; ++i) {
        const std::string name = mount_->path() + "/new" + std::to_string(i);
        const int f = open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        ASSERT_GE(f, 0);
        ASSERT_EQ(fstat(f, &attr), 0);
        ASSERT_EQ(close(f), 0);
        ASSERT_EQ(unlink(name.c_str()), 0);
    }
    EXPECT_TRUE(hogs.back().running()) << "the disk was faster than the test";
    RecordProperty("milliseconds", static_cast<int>((Clock::now() - start) / 1ms));
    disk_->set_speed(0);
    for (Child& hog : hogs) EXPECT_TRUE(hog.ends_within(20s) && hog.status() == 0);
}

/// The number of the system call that a process sleeps in; -1: it runs, or is gone.
long sleeps_in(pid_t process) {
    long number = -1;
    std::ifstream("/proc/" + std::to_string(process) + "/syscall") >> number;
    return number;
}

TEST_P(Held, WhoSyncsDirectoriesKeepsNobodyFromLookingUpNames) {
    std::vector<int> directories;  // of one, the kernel asks for one fsync at a time
    for (int i = 0; i < 24; ++i) {
        const std::string path = mount_->path() + "/directory" + std::to_string(i);
        ASSERT_EQ(mkdir(path.c_str(), 0777), 0);
        directories.push_back(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        ASSERT_GE(directories.back(), 0);
    }
    disk_->set_speed(0.001);  // a block takes seconds
    std::vector<Child> syncs;
    for (const int directory : directories) syncs.emplace_back([directory] { return fsync(directory) == 0 ? 0 : 1; });
    for (Child& one : syncs) {
        EXPECT_TRUE(wait_until([&] { return !one.running() || sleeps_in(one.process()) == SYS_fsync; }));
        EXPECT_TRUE(one.running()) << "its fsync did not have to wait";
    }
    Child looks([this] {
        struct stat attr {};
        for (int i = 0; i < 200; ++i)
            if (stat((mount_->path() + "/none" + std::to_string(i)).c_str(), &attr) != -1 || errno != ENOENT) return 1;
        return 0;
    });
    EXPECT_TRUE(looks.ends_within(60s));
    EXPECT_EQ(looks.status(), 0);
    EXPECT_TRUE(std::ranges::all_of(syncs, &Child::running)) << "names are looked up when the disk has answered";
    disk_->set_speed(0);
    for (Child& one : syncs) EXPECT_TRUE(one.ends_within(60s) && one.status() == 0);
    for (const int directory : directories) close(directory);
}

TEST_P(Held, UnmountedLazilyAllFinishes) {
    disk_->set_speed(2);
    std::vector<Child> all = readers(8);
    wait_for_arrivals(8);
    ASSERT_EQ(umount2(mount_->path().c_str(), MNT_DETACH), 0);
    mount_->forget();
    disk_->set_speed(0);
    for (Child& one : all) {
        EXPECT_TRUE(one.ends_within(20s));
        EXPECT_EQ(one.status(), 0);
    }
    EXPECT_TRUE(wait_until([] { return daemons().empty(); })) << "the daemon does not leave";
}

TEST_P(Held, TerminatedFinishesWhatItHolds) {
    disk_->set_speed(4);
    std::vector<Child> all = readers(8);
    wait_for_arrivals(8);
    const std::string acknowledged = pattern(3 * kMiB, 7);
    const int f = open((mount_->path() + "/written").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    ASSERT_EQ(write(f, acknowledged.data(), acknowledged.size()), static_cast<ssize_t>(acknowledged.size()));
    close(f);
    ASSERT_EQ(daemons().size(), 1u);
    kill(daemons().front(), SIGTERM);
    for (Child& one : all) {
        EXPECT_TRUE(one.ends_within(30s));
        EXPECT_EQ(one.status(), 0);
    }
    EXPECT_TRUE(wait_until([] { return daemons().empty(); }));
    mount_->forget();
    EXPECT_NE(run({"mountpoint", "-q", mount_->path()}), 0) << "still mounted";
    EXPECT_TRUE(content_of(disk_->path() + "/written") == acknowledged) << "an acknowledged write is lost";
}

TEST_P(Held, TerminatedLeavesThoughCallersGoOn) {
    disk_->set_speed(20);
    std::vector<Child> all;
    for (int i = 0; i < 8; ++i) {
        all.emplace_back([this, i] {
            const int f = open(file().c_str(), O_RDWR | O_DIRECT | O_CLOEXEC);
            alignas(4096) static char block[kMiB];
            // Every second one writes what is there.
            ssize_t done = kMiB;
            for (bool writes = false; done > 0; writes = i % 2 == 1 && !writes) {
                done = writes ? pwrite(f, block, kMiB, i * 4 * kMiB) : pread(f, block, kMiB, i * 4 * kMiB);
            }
            return done < 0 && (errno == ENOTCONN || errno == ECONNABORTED) ? 0 : 1;
        });
    }
    wait_for_arrivals(16);
    const auto start = Clock::now();
    kill(daemons().front(), SIGTERM);
    EXPECT_TRUE(wait_until([] { return daemons().empty(); }, 60s));
    EXPECT_LE(Clock::now() - start, 25s) << "three seconds more, and what came by then; not thirty";
    mount_->forget();
    for (Child& one : all) EXPECT_TRUE(one.ends_within(20s) && one.status() == 0) << one.status();
}

TEST_P(Held, TerminatedTwiceLeavesAtOnce) {
    disk_->set_speed(1);  // the queue below lasts for 40 seconds
    std::vector<Child> all = readers(40);
    wait_for_arrivals(40);
    ASSERT_EQ(daemons().size(), 1u);
    const pid_t daemon = daemons().front();
    // Two that are pending at once are one to the kernel, so they are repeated. What the disk is working on cannot be
    // taken back; the kernel lets the process go when that is done.
    const auto gone = [daemon] {
        kill(daemon, SIGTERM);
        return daemons().empty();
    };
    EXPECT_TRUE(wait_until(gone, 20s));
    mount_->forget();
    umount2(mount_->path().c_str(), MNT_DETACH);
    disk_->set_speed(0);
    for (Child& one : all) EXPECT_TRUE(one.ends_within(20s));
}

TEST_P(Held, TenThousandReadsWithoutAThread) {
    hold_ten_thousand(Column::read, 4096);
}

TEST_P(Held, TenThousandWritesWithoutAThread) {
    hold_ten_thousand(Column::written, 4096);
}

TEST_P(Held, TenThousandSmallWritesWithoutAThread) {
    hold_ten_thousand(Column::written, 512);
}

void Held::hold_ten_thousand(Column column, std::size_t bytes) {
    // Over rings the kernel lets no more of those be under way that no caller waits for.
    const int requests = over_rings() ? 1000 : 10000;
    const bool reads = column == Column::read;
    disk_->set_speed(0.1);
    const pid_t daemon = daemons().front();
    const long threads = status_field(daemon, "Threads"), memory = status_field(daemon, "VmRSS");
    Child hog([&] {
        const int f = open(file().c_str(), O_RDWR | O_DIRECT | O_CLOEXEC);
        io_context_t context{};
        const auto buffer = aligned(4096);
        if (io_setup(requests, &context) != 0) return 1;
        for (int i = 0; i < requests; ++i) {
            iocb request{};
            iocb* list[] = {&request};
            (reads ? io_prep_pread : io_prep_pwrite)(&request, f, buffer.get(), bytes, i % 16000 * 4096LL);
            if (io_submit(context, 1, list) != 1) return 2;
        }
        pause();
        return 0;
    });
    const std::uint64_t sectors = requests * (bytes / 512) * 99 / 100;
    ASSERT_TRUE(wait_until([&] { return sectors_in(mount_->control("status"), column) >= sectors; }, 60s))
        << mount_->control("status");
    const long payload = reads ? 0 : static_cast<long>(requests * bytes / 1024);
    const long grown = status_field(daemon, "VmRSS") - memory - payload;
    RecordProperty("KiB", static_cast<int>(grown));
    if (!kSanitized) {
        EXPECT_LE(status_field(daemon, "Threads"), threads + 2) << "io_limit is 2: two workers at most are new";
        EXPECT_LE(grown, 16 * 1024) << "KiB";
    }
    hog.send(SIGKILL);
    EXPECT_TRUE(hog.ends_within(10s)) << "its requests are cancelled, or exit waits for 400 seconds of disk";
    disk_->set_speed(0);
}

INSTANTIATE_TEST_SUITE_P(Policies, Held, testing::Values("weight", "default"),
                         [](const auto& it) { return std::string(it.param); });
INSTANTIATE_TEST_SUITE_P(Policies, HeldWithFloors, testing::Values("default"),
                         [](const auto& it) { return std::string(it.param); });

}  // namespace
}  // namespace bandfs::mount_test
