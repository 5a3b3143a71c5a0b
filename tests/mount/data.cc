// What is written through a real mount: with few descriptors, with a server that is killed, by several who append.
#include <fcntl.h>
#include <linux/falloc.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "oracle.h"
#include "rig.h"

namespace bandfs::mount_test {
namespace {

using namespace std::chrono_literals;

constexpr uid_t kUsers[] = {2001, 2002};

/// A child process of an ordinary user that exits with what `body` returns: 0 when all is well.
pid_t start_as(uid_t user, const std::function<int()>& body) {
    const pid_t child = fork();
    if (child != 0) return child;
    if (setresgid(user, user, user) != 0 || setresuid(user, user, user) != 0) _exit(255);
    _exit(body());
}

/// The exit code of a child; -1 when it was killed, or takes longer than two minutes and is.
int end_of(pid_t child) {
    int status = 0;
    if (!wait_until([&] { return waitpid(child, &status, WNOHANG) == child; }, 120s)) {
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/// Memory that children share, zeroed.
template <typename T>
class Shared {
public:
    Shared()
        : value_(static_cast<T*>(mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {
    }
    ~Shared() { munmap(value_, sizeof(T)); }
    Shared(const Shared&) = delete;
    T* operator->() const { return value_; }

private:
    T* const value_;
};

class Data : public testing::Test {
protected:
    void SetUp() override {
        if (const std::string reason = why_no_mounts(); !reason.empty()) GTEST_SKIP() << reason;
        janitor_ = std::make_unique<Janitor>();
    }
    void TearDown() override {
        mount_.reset();
        if (!janitor_) return;
        EXPECT_TRUE(wait_until([] { return daemons().empty(); })) << "a daemon is left";
        disk_.reset();
        backing_.reset();
        janitor_.reset();
    }
    void mount(const std::string& source, const std::string& options, const std::vector<std::string>& run_by = {}) {
        mount_.reset();
        mount_ = std::make_unique<BandfsMount>(*janitor_, source,
                                               "allow_other,default_permissions,type=user," + options, run_by);
    }
    std::string path(const std::string& name) const { return mount_->path() + "/" + name; }
    std::uint64_t sectors_written() const { return sectors_in(mount_->control("status"), Column::written); }

    std::unique_ptr<Janitor> janitor_;
    std::unique_ptr<BackingFs> backing_;
    std::unique_ptr<SlowDisk> disk_;
    std::unique_ptr<BandfsMount> mount_;
};

// Few descriptors.

/// Runs a command without the right to raise its limits, with so many descriptors.
std::vector<std::string> with_descriptors(int count) {
    const std::string limit = std::to_string(count);
    return {"setpriv", "--bounding-set", "-sys_resource", "prlimit", "--nofile=" + limit + ":" + limit};
}

constexpr int kFilesOfUser = 2500;

std::string small_content(uid_t user, int i) {
    return pattern(1 + static_cast<std::size_t>(i) * 37 % 8000, static_cast<unsigned>(user) * 10000 + i);
}

/// Makes small files, as unpacking an archive does, and now and then makes sure of one. The number of the first that
/// cannot be made, and why, as an exit code: 0 when all could.
int unpack(const std::string& directory, uid_t user) {
    if (::mkdir(directory.c_str(), 0755) != 0) return 1;
    for (int i = 0; i < kFilesOfUser; ++i) {
        const int f =
            open((directory + "/" + std::to_string(i)).c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (f < 0) return errno;
        const std::string text = small_content(user, i);
        if (write(f, text.data(), text.size()) != static_cast<ssize_t>(text.size())) return errno;
        if (i % 100 == 99 && fsync(f) != 0) return errno;
        if (close(f) != 0) return errno;
    }
    return 0;
}

TEST_F(Data, ManySmallFilesNeedFewDescriptors) {
    disk_ = std::make_unique<SlowDisk>(*janitor_, 384);
    mount(disk_->path(), "devgroup=few", with_descriptors(256));
    ASSERT_EQ(daemons().size(), 1u);
    const std::string limits = content_of("/proc/" + std::to_string(daemons().front()) + "/limits");
    ASSERT_NE(limits.find("Max open files            256                  256"), std::string::npos) << limits;
    for (const uid_t user : kUsers) ASSERT_EQ(mount_->message("attach", std::to_string(user)), 0);
    disk_->set_speed(20);
    std::vector<pid_t> children;
    for (const uid_t user : kUsers)
        children.push_back(start_as(user, [&] { return unpack(path("u" + std::to_string(user)), user); }));
    for (const pid_t child : children) {
        const int code = end_of(child);
        EXPECT_EQ(code, 0) << (code > 0 ? strerror(code) : "killed");
    }
    disk_->set_speed(0);
    mount(disk_->path(), "devgroup=few");
    for (const uid_t user : kUsers) {
        int wrong = 0;
        for (int i = 0; i < kFilesOfUser; ++i)
            wrong += content_of(path("u" + std::to_string(user) + "/" + std::to_string(i))) != small_content(user, i);
        EXPECT_EQ(wrong, 0) << "files of user " << user;
    }
}

// A server that is killed.

constexpr int kWriters = 4;
constexpr std::size_t kMostRecords = 100000;

/// What the writers were told is on the disk.
struct Promises {
    std::atomic<std::size_t> appended[kWriters];  ///< bytes of the writer's log
    std::atomic<int> made[kWriters];              ///< files
};

std::string log_piece(int writer, std::size_t at) {
    return pattern(1 + at % 20000, static_cast<unsigned>(writer) * 1000 + static_cast<unsigned>(at % 977));
}

/// Appends to a log and makes files, and after each fsync puts down what can be relied on; until the mount is gone.
int write_and_sync(const std::string& directory, int writer, Promises& promises) {
    const std::string name = directory + "/" + std::to_string(writer);
    const int flags = writer % 2 == 0 ? 0 : O_DSYNC;
    const int log = open((name + ".log").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0644);
    if (log < 0) return 1;
    std::size_t at = 0;
    for (int i = 0; i < static_cast<int>(kMostRecords); ++i) {
        const std::string piece = log_piece(writer, at);
        if (pwrite(log, piece.data(), piece.size(), static_cast<off_t>(at)) != static_cast<ssize_t>(piece.size()))
            return 0;
        if (flags == 0 && (i % 2 == 0 ? fsync(log) : fdatasync(log)) != 0) return 0;
        promises.appended[writer] = at += piece.size();
        const int file = open((name + "." + std::to_string(i)).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        const std::string text = pattern(3000, static_cast<unsigned>(i));
        if (file < 0 || write(file, text.data(), text.size()) != static_cast<ssize_t>(text.size()) || fsync(file) != 0)
            return 0;
        close(file);
        promises.made[writer] = i + 1;
    }
    return 2;
}

/// Writes without ever making sure, so that there is something to lose.
int write_carelessly(const std::string& directory) {
    const std::string text = pattern(1 << 20, 5);
    const int f = open((directory + "/careless").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    for (off_t at = 0;; at = (at + (1 << 20)) % (32 << 20)) {
        if (pwrite(f, text.data(), text.size(), at) < 0) return 0;
    }
}

TEST_F(Data, AKilledServerLosesNothingThatWasFsynced) {
    backing_ = std::make_unique<BackingFs>(*janitor_, "ext4");
    // Only what an fsync has asked for is on the disk when it is looked at.
    output_of({"mount", "-o", "remount,commit=300", backing_->path()});
    const std::string image = backing_->path().substr(0, backing_->path().rfind('/')) + "/image";
    const std::string copy = image + ".copy", copied = image + ".mounted";
    ::mkdir(copied.c_str(), 0755);
    for (int round = 0; round < 4; ++round) {
        SCOPED_TRACE(round);
        const std::string directory = "round" + std::to_string(round);
        mount(backing_->below(), "devgroup=killed");
        ASSERT_EQ(::mkdir(path(directory).c_str(), 0755), 0);
        ASSERT_EQ(::chmod(path(directory).c_str(), 0777), 0);
        Shared<Promises> promises;
        std::vector<pid_t> children;
        for (int writer = 0; writer < kWriters; ++writer)
            children.push_back(start_as(
                kUsers[writer % 2], [&] { return write_and_sync(path(directory), writer, *promises.operator->()); }));
        children.push_back(start_as(kUsers[0], [&] { return write_carelessly(path(directory)); }));
        const auto all_wrote = [&] {
            for (const auto& made : promises->made) {
                if (made < 10 + 7 * round) return false;
            }
            return true;
        };
        EXPECT_TRUE(wait_until(all_wrote, 30s));
        ASSERT_EQ(daemons().size(), 1u);
        const pid_t daemon = daemons().front();
        kill(daemon, SIGKILL);
        EXPECT_TRUE(wait_until([&] { return has_ended(daemon); }));
        for (const pid_t child : children) EXPECT_EQ(end_of(child), 0);
        EXPECT_EQ(umount2(mount_->path().c_str(), MNT_DETACH), 0);
        mount_->forget();

        // The disk as a power cut would leave it.
        output_of({"cp", "--sparse=always", image, copy});
        janitor_->on_end({"umount", "-l", copied});
        output_of({"mount", "-o", "loop", copy, copied});
        for (int writer = 0; writer < kWriters; ++writer) {
            const std::string name = copied + "/below/" + directory + "/" + std::to_string(writer);
            const std::string log = content_of(name + ".log");
            const std::size_t promised = promises->appended[writer];
            ASSERT_GE(log.size(), promised);
            for (std::size_t at = 0; at < promised;) {
                const std::string piece = log_piece(writer, at);
                ASSERT_TRUE(log.compare(at, piece.size(), piece) == 0) << "writer " << writer << " at " << at;
                at += piece.size();
            }
            for (int i = 0; i < promises->made[writer]; ++i)
                ASSERT_TRUE(content_of(name + "." + std::to_string(i)) == pattern(3000, static_cast<unsigned>(i)))
                    << "file " << i << " of writer " << writer;
        }
        EXPECT_EQ(umount2(copied.c_str(), 0), 0);
    }
    // The next server takes what the killed one has left in its runtime directory, and leaves nothing.
    mount(backing_->below(), "devgroup=killed");
    mount_.reset();
    EXPECT_TRUE(wait_until([] { return access("/run/bandfs/killed.lock", F_OK) != 0; }));
    EXPECT_NE(access("/run/bandfs/killed.sock", F_OK), 0);
}

// Appending.

struct Counts {
    std::atomic<int> done;   ///< writers that have finished
    std::atomic<int> looks;  ///< readings of the whole file
    std::atomic<int> zeros;  ///< of these, with a byte that nobody wrote
    std::atomic<int> torn;   ///< with the beginning of a record that is not whole
};

constexpr int kAppenders = 3;
constexpr int kRecords = 400;

/// A record of the letter `who` between its head and its end: as long as it likes.
std::string record(char who, int i) {
    return "<" + std::string(static_cast<std::size_t>(i) * 131 % 9000 + 1, who) + ">";
}

int append_records(const std::string& path, int writer, Counts& counts) {
    const int f = open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
    for (int i = 0; i < kRecords; ++i) {
        const std::string text = record(static_cast<char>('a' + writer), i);
        if (write(f, text.data(), text.size()) != static_cast<ssize_t>(text.size())) return 1;
    }
    ++counts.done;
    return 0;
}

int read_records(const std::string& path, Counts& counts) {
    bool last = false;
    while (!last) {
        last = counts.done == kAppenders;
        const std::string text = content_of(path);
        ++counts.looks;
        if (text.find('\0') != std::string::npos) ++counts.zeros;
        std::size_t at = 0;
        while (at < text.size() && text[at] == '<') {
            const std::size_t end = text.find_first_not_of(text[at + 1], at + 1);
            if (end == std::string::npos || text[end] != '>') break;
            at = end + 1;
        }
        if (at != text.size()) ++counts.torn;
    }
    return 0;
}

/// Several append to one file while others read all of it.
void append_and_read(const std::string& path, Counts& counts) {
    close(creat(path.c_str(), 0666));
    chmod(path.c_str(), 0666);
    std::vector<pid_t> children;
    for (int writer = 0; writer < kAppenders; ++writer)
        children.push_back(start_as(kUsers[writer % 2], [&] { return append_records(path, writer, counts); }));
    for (int reader = 0; reader < 2; ++reader)
        children.push_back(start_as(kUsers[reader], [&] { return read_records(path, counts); }));
    for (const pid_t child : children) EXPECT_EQ(end_of(child), 0);
}

class Append : public Data, public testing::WithParamInterface<const char*> {};

TEST_P(Append, ReadersSeeWholeRecordsOrNoneAsOnTheBareDirectory) {
    backing_ = std::make_unique<BackingFs>(*janitor_, GetParam());
    mount(backing_->below(), "devgroup=append");
    Shared<Counts> bare, mounted;
    append_and_read(backing_->bare() + "/log", *bare.operator->());
    append_and_read(path("log"), *mounted.operator->());
    RecordProperty("bare", std::to_string(bare->torn) + " torn of " + std::to_string(bare->looks));
    RecordProperty("mounted", std::to_string(mounted->torn) + " torn of " + std::to_string(mounted->looks));
    EXPECT_EQ(bare->zeros, 0);
    EXPECT_EQ(mounted->zeros, 0);
    // ext4 lets readers see a write page by page; through the mount nobody does.
    EXPECT_EQ(mounted->torn, 0) << "of " << mounted->looks << "; bare " << bare->torn << " of " << bare->looks;
    std::size_t bytes = 0;
    for (int i = 0; i < kRecords; ++i) bytes += kAppenders * record('a', i).size();
    EXPECT_EQ(content_of(path("log")).size(), bytes);
}

INSTANTIATE_TEST_SUITE_P(Backing, Append, testing::Values("ext4", "xfs"),
                         [](const auto& it) { return std::string(it.param); });

// What moves data without a write.

TEST_F(Data, ACopyIsChargedForWhatItMoves) {
    backing_ = std::make_unique<BackingFs>(*janitor_, "xfs");  // where the file system could share the blocks
    mount(backing_->below(), "devgroup=copy");
    const std::string text = pattern(8 << 20, 3);
    const int from = open(path("from").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    const int to = open(path("to").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    ASSERT_EQ(write(from, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    ASSERT_EQ(fsync(from), 0);
    const std::uint64_t before = sectors_written();
    off_t in = 0, out = 0;
    while (in < static_cast<off_t>(text.size())) ASSERT_GT(copy_file_range(from, &in, to, &out, text.size(), 0), 0);
    ASSERT_EQ(fsync(to), 0);
    EXPECT_GE(sectors_written() - before, text.size() / 512);
    EXPECT_TRUE(content_of(path("to")) == text);
    close(from);
    close(to);
}

TEST_F(Data, ZeroingIsChargedForWhatItHasWritten) {
    backing_ = std::make_unique<BackingFs>(*janitor_, "xfs");  // it writes what is dirty of the range first
    mount(backing_->below(), "devgroup=zero,dirty=64");
    const std::string text = pattern(1 << 20, 3);
    const int f = open(path("file").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    ASSERT_EQ(write(f, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    const std::uint64_t before = sectors_written();
    ASSERT_EQ(fallocate(f, FALLOC_FL_ZERO_RANGE, 0, static_cast<off_t>(text.size())), 0);
    EXPECT_EQ(sectors_written() - before, text.size() / 512);
    ASSERT_EQ(fsync(f), 0);
    EXPECT_EQ(sectors_written() - before, text.size() / 512) << "what is zeroed is not written again";
    EXPECT_TRUE(content_of(path("file")) == std::string(text.size(), 0));
    close(f);
}

// A disk that fills up.

struct Room {
    std::uint64_t for_all = 0;   ///< bytes that everybody may have
    std::uint64_t for_root = 0;  ///< and those that are kept
};

Room room_on(const std::string& path) {
    struct statvfs now {};
    if (statvfs(path.c_str(), &now) != 0) return {};
    return {now.f_bavail * now.f_frsize, (now.f_bfree - now.f_bavail) * now.f_frsize};
}

using Growth = std::function<bool(int fd, off_t at, std::size_t bytes)>;

/// Makes a file longer until that fails: with what, as an exit code.
int fill(const std::string& path, int flags, const Growth& grow) {
    const int f = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0644);
    if (f < 0) return 1;
    constexpr std::size_t kStep = 1 << 20;
    for (off_t at = 0; at < (1 << 30); at += kStep) {
        if (!grow(f, at, kStep)) return errno;
    }
    return 0;
}

TEST_F(Data, TheLastBlocksAreRoots) {
    backing_ = std::make_unique<BackingFs>(*janitor_, "ext4");
    mount(backing_->below(), "devgroup=full");
    constexpr std::uint64_t kLeft = 16 << 20;
    const Room before = room_on(backing_->path());
    ASSERT_GT(before.for_root, kLeft);
    const int ballast = open((backing_->path() + "/ballast").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    ASSERT_EQ(fallocate(ballast, 0, 0, static_cast<off_t>(before.for_all - kLeft)), 0);
    close(ballast);
    void* const memory = std::aligned_alloc(4096, 1 << 20);
    memset(memory, 7, 1 << 20);
    const Growth write = [&](int f, off_t at, std::size_t bytes) { return pwrite(f, memory, bytes, at) > 0; };
    const Growth allocate = [](int f, off_t at, std::size_t bytes) {
        return fallocate(f, 0, at, static_cast<off_t>(bytes)) == 0;
    };
    struct Way {
        const char* name;
        int flags;
        const Growth* grow;
    };
    for (const Way& way : {Way{"buffered", 0, &write}, Way{"direct", O_DIRECT, &write}, Way{"durable", O_DSYNC, &write},
                           Way{"allocated", 0, &allocate}}) {
        SCOPED_TRACE(way.name);
        EXPECT_EQ(end_of(start_as(kUsers[0], [&] { return fill(path("file"), way.flags, *way.grow); })), ENOSPC);
        const Room full = room_on(backing_->path());
        EXPECT_LT(full.for_all, 1u << 20);
        EXPECT_GT(full.for_root + (1u << 20), before.for_root);
        const int f = open(path("file").c_str(), O_WRONLY | O_CLOEXEC | way.flags);
        EXPECT_TRUE((*way.grow)(f, 64 << 20, 1 << 20)) << "root may have them";
        close(f);
        EXPECT_EQ(unlink(path("file").c_str()), 0);
        EXPECT_TRUE(wait_until([&] { return room_on(backing_->path()).for_all > kLeft / 2; }));
    }
    std::free(memory);
}

}  // namespace
}  // namespace bandfs::mount_test
