// The command: mounting as root and as a user, what the mount table says, errors and exit codes, several mounts.
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "oracle.h"
#include "rig.h"

namespace bandfs::mount_test {
namespace {

using namespace std::chrono_literals;

/// The line of the mount table for a mount point, empty when there is none.
std::string mount_line(const std::string& path) {
    std::ifstream mounts("/proc/self/mounts");
    for (std::string line; std::getline(mounts, line);) {
        if (line.find(" " + path + " ") != std::string::npos) return line;
    }
    return "";
}

/// An ordinary user with an account, which fusermount3 asks for.
const User kNobody{"nobody", 65534, 65534, {65534}};

/// Gives this process a mount namespace of its own, in which /dev/fuse is open to everyone, as udev makes it.
void open_fuse_to_all(const std::string& node) {
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        mknod(node.c_str(), S_IFCHR | 0666, makedev(10, 229)) != 0 || chmod(node.c_str(), 0666) != 0 ||
        mount(node.c_str(), "/dev/fuse", nullptr, MS_BIND, nullptr) != 0) {
        _exit(99);
    }
}

/// What is written to a shared mapping leaves set-id bits, however the kernel's half of FUSE writes it back.
bool mapping_leaves_setid(const std::string& file) {
    const int fd = open(file.c_str(), O_RDWR);
    if (fchmod(fd, 06755) != 0) return false;
    void* const memory = mmap(nullptr, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) return false;
    *static_cast<char*>(memory) = 'O';
    const bool written = msync(memory, 1, MS_SYNC) == 0;
    munmap(memory, 1);
    close(fd);
    return written;
}

/// Whether the requests of a mount come that way.
bool comes_by(const BandfsMount& mount, const std::string& way) {
    return mount.control("status.json").find("\"transport\": \"" + way + "\"") != std::string::npos;
}

class Commands : public testing::Test {
protected:
    void SetUp() override {
        if (const std::string reason = why_no_mounts(); !reason.empty()) GTEST_SKIP() << reason;
        backing_ = std::make_unique<BackingFs>(janitor_, "tmpfs");
        std::ofstream(backing_->below() + "/file") << "content";
    }
    void TearDown() override {
        if (!backing_) return;
        EXPECT_TRUE(wait_until([] { return daemons().empty(); })) << "a daemon is left";
        backing_.reset();
    }
    std::unique_ptr<BandfsMount> mounted(const std::string& options) {
        return std::make_unique<BandfsMount>(janitor_, backing_->below(), options);
    }
    /// What a mount that must fail says.
    std::string refusal(const std::string& options) {
        try {
            mounted(options);
        } catch (const std::runtime_error& error) {
            return error.what();
        }
        return "it was mounted";
    }

    Janitor janitor_;
    std::unique_ptr<BackingFs> backing_;
};

TEST_F(Commands, MountTable) {
    {
        const auto mount = mounted("allow_other");
        const std::string line = mount_line(mount->path());
        EXPECT_TRUE(line.starts_with(backing_->below() + " " + mount->path() + " fuse.bandfs rw,nosuid,nodev")) << line;
        EXPECT_NE(line.find("default_permissions"), std::string::npos) << line;
        EXPECT_NE(line.find("allow_other"), std::string::npos) << line;
    }
    const auto mount = mounted("ro,noexec,noatime,fsname=scratch,x-systemd.automount,_netdev,nofail,comment=what");
    const std::string line = mount_line(mount->path());
    EXPECT_TRUE(line.starts_with("scratch " + mount->path() + " fuse.bandfs ro,")) << line;
    EXPECT_NE(line.find("noexec"), std::string::npos) << line;
    EXPECT_NE(line.find("noatime"), std::string::npos) << line;
    EXPECT_EQ(open((mount->path() + "/new").c_str(), O_CREAT | O_WRONLY, 0644), -1);
    EXPECT_EQ(errno, EROFS);
}

constexpr time_t kLongAgo = 1'000'000'000;

void access_long_ago(const std::string& path) {
    const timespec times[] = {{kLongAgo, 0}, {0, UTIME_OMIT}};
    EXPECT_EQ(utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
}

bool was_accessed(const std::string& path) {
    struct stat now {};
    EXPECT_EQ(stat(path.c_str(), &now), 0);
    return now.st_atime != kLongAgo;
}

TEST_F(Commands, TimesOfAccessStayWhereTheMountSaysSo) {
    const std::string file = backing_->below() + "/file", directory = backing_->below() + "/directory";
    mkdir(directory.c_str(), 0755);
    struct Case {
        const char* options;
        bool file, directory;
    };
    for (const Case& each : {Case{"allow_other", true, true}, Case{"noatime", false, false},
                             Case{"nodiratime", true, false}, Case{"noatime,nodiratime", false, false}}) {
        SCOPED_TRACE(each.options);
        access_long_ago(file);
        access_long_ago(directory);
        const auto mount = mounted(each.options);
        std::string text;
        std::ifstream(mount->path() + "/file") >> text;
        EXPECT_EQ(text, "content");
        EXPECT_TRUE(std::filesystem::is_empty(mount->path() + "/directory"));
        std::ofstream(mount->path() + "/new") << "new";
        access_long_ago(backing_->below() + "/new");
        std::ifstream(mount->path() + "/new") >> text;
        EXPECT_EQ(was_accessed(file), each.file);
        EXPECT_EQ(was_accessed(directory), each.directory);
    }
}

/// To tar, cp and find, two files of one device and number are one file of two names.
TEST_F(Commands, FilesOfFileSystemsInsideHaveNumbersOfTheirOwn) {
    struct stat file {};
    ASSERT_EQ(stat((backing_->below() + "/file").c_str(), &file), 0);
    for (const std::string name : {"/one", "/two"}) {
        const std::string place = backing_->below() + name;
        ASSERT_EQ(mkdir(place.c_str(), 0755), 0);
        ASSERT_EQ(::mount("none", place.c_str(), "tmpfs", 0, nullptr), 0);
        janitor_.on_end({"umount", "-l", place});
        std::ofstream(place + "/file") << name;
        ASSERT_EQ(link((place + "/file").c_str(), (place + "/link").c_str()), 0);
    }
    auto mount = mounted("allow_other");
    const auto number = [&](const std::string& path) {
        struct stat now {};
        EXPECT_EQ(stat((mount->path() + path).c_str(), &now), 0) << path;
        return now.st_ino;
    };
    EXPECT_EQ(number("/file"), file.st_ino);
    EXPECT_NE(number("/one/file"), number("/two/file"));
    EXPECT_EQ(number("/one/file"), number("/one/link"));
    std::map<std::string, ino_t> listed;
    DIR* const directory = opendir((mount->path() + "/one").c_str());
    ASSERT_NE(directory, nullptr);
    while (const dirent* const entry = readdir(directory)) listed[entry->d_name] = entry->d_ino;
    closedir(directory);
    EXPECT_EQ(listed["file"], number("/one/file"));
    EXPECT_EQ(listed["."], number("/one"));
    mount.reset();
    for (const char* name : {"/one", "/two"})
        EXPECT_EQ(umount2((backing_->below() + name).c_str(), MNT_DETACH), 0) << name;
}

/// Pages that the kernel has of a file answer reads without the server; where each read is an access it must not keep
/// any.
TEST_F(Commands, EveryReadIsAnAccessWhereTheMountBelowSaysSo) {
    ASSERT_EQ(::mount(nullptr, backing_->path().c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_STRICTATIME, nullptr), 0);
    const auto mount = mounted("allow_other");
    const auto read_once = [&] {
        std::string text;
        std::ifstream(mount->path() + "/file") >> text;
        EXPECT_EQ(text, "content");
        struct stat now {};
        EXPECT_EQ(stat((backing_->below() + "/file").c_str(), &now), 0);
        return std::pair(now.st_atim.tv_sec, now.st_atim.tv_nsec);
    };
    const std::string file = mount->path() + "/file";
    ASSERT_TRUE(
        wait_until([&] { return std::chrono::file_clock::now() - std::filesystem::last_write_time(file) > 1s; }));
    read_once();
    const auto before = read_once();
    EXPECT_TRUE(wait_until([&] { return read_once() > before; })) << "the kernel answers from its pages";
}

/// As a bind mount does it that has relatime, of one that has not.
TEST_F(Commands, WithRelatimeAReadCountsOnceAlsoWhereTheMountBelowCountsEach) {
    ASSERT_EQ(::mount(nullptr, backing_->path().c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_STRICTATIME, nullptr), 0);
    const std::string file = backing_->below() + "/file", directory = backing_->below() + "/directory";
    ASSERT_EQ(mkdir(directory.c_str(), 0755), 0);
    const auto counts = [](const std::string& path, auto&& read) {
        const auto accessed = [&path] {
            struct stat now {};
            EXPECT_EQ(stat(path.c_str(), &now), 0);
            return std::pair(now.st_atim.tv_sec, now.st_atim.tv_nsec);
        };
        const auto before = accessed();
        EXPECT_TRUE(wait_until([&] {
            timespec ticks{};  // of the clock that files have their times from
            clock_gettime(CLOCK_REALTIME_COARSE, &ticks);
            return std::pair(ticks.tv_sec, ticks.tv_nsec) > before;
        }));
        read();
        return accessed() != before;
    };
    const auto a_read_counts = [&](const BandfsMount& mount) {
        return counts(file, [&] {
            const int opened = open((mount.path() + "/file").c_str(), O_RDONLY);
            posix_fadvise(opened, 0, 0, POSIX_FADV_DONTNEED);  // so that it is the server who reads
            char byte = 0;
            EXPECT_EQ(pread(opened, &byte, 1, 0), 1);
            close(opened);
        });
    };
    const auto a_listing_counts = [&](const BandfsMount& mount) {
        return counts(directory, [&] { EXPECT_TRUE(std::filesystem::is_empty(mount.path() + "/directory")); });
    };
    {
        const auto mount = mounted("relatime");
        EXPECT_NE(mount_line(mount->path()).find("relatime"), std::string::npos);
        access_long_ago(file);
        access_long_ago(directory);
        EXPECT_TRUE(a_read_counts(*mount));
        EXPECT_TRUE(a_listing_counts(*mount));
        EXPECT_TRUE(wait_until([&] { return !a_read_counts(*mount); }));
        EXPECT_TRUE(wait_until([&] { return !a_listing_counts(*mount); }));
    }
    const auto mount = mounted("allow_other");
    EXPECT_EQ(mount_line(mount->path()).find("relatime"), std::string::npos) << "as below";
    EXPECT_TRUE(a_read_counts(*mount));
    EXPECT_TRUE(a_listing_counts(*mount));
    EXPECT_EQ(run({getenv("BANDFS"), backing_->below(), mount->path(), "-o", "remount,relatime"}), 0);
    EXPECT_TRUE(wait_until([&] { return !a_read_counts(*mount); }));
    EXPECT_TRUE(wait_until([&] { return !a_listing_counts(*mount); }));
}

TEST_F(Commands, WhatARemountDoesNotSayIsAsForANewMount) {
    const auto mount = mounted("noatime");
    const auto shown = [&](const std::string& option) {
        return mount_line(mount->path()).find(option) != std::string::npos;
    };
    const auto remount = [&](const std::string& options) {
        return run({getenv("BANDFS"), backing_->below(), mount->path(), "-o", options});
    };
    EXPECT_TRUE(shown("noatime"));
    EXPECT_EQ(remount("remount"), 0);
    EXPECT_TRUE(shown("relatime") && !shown("noatime"));

    ASSERT_EQ(::mount(nullptr, backing_->path().c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_STRICTATIME, nullptr), 0);
    EXPECT_EQ(remount("remount,nodiratime"), 0);
    EXPECT_TRUE(shown("nodiratime") && !shown("relatime"));
    EXPECT_EQ(remount("remount"), 0);
    EXPECT_FALSE(shown("atime"));
}

TEST_F(Commands, TheServerFollowsARemount) {
    const auto mount = mounted("noatime,attr_timeout=0");
    const std::string below = backing_->below() + "/file", directory = backing_->below() + "/directory";
    mkdir(directory.c_str(), 0755);
    const int open_before = open((mount->path() + "/file").c_str(), O_RDONLY);
    const auto remount = [&](const std::string& options) {
        return run({getenv("BANDFS"), backing_->below(), mount->path(), "-o", "remount," + options});
    };
    const auto a_read_counts = [&](int file) {
        access_long_ago(below);
        char byte = 0;
        posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);  // so that it is the server who reads
        EXPECT_EQ(pread(file, &byte, 1, 0), 1);
        return was_accessed(below);
    };
    const auto a_listing_counts = [&] {
        access_long_ago(directory);
        EXPECT_TRUE(std::filesystem::is_empty(mount->path() + "/directory"));
        return was_accessed(directory);
    };
    EXPECT_FALSE(a_read_counts(open_before));
    EXPECT_FALSE(a_listing_counts());
    EXPECT_EQ(remount("ro,nodiratime"), 0);
    EXPECT_NE(mount_line(mount->path()).find("ro,"), std::string::npos);
    EXPECT_TRUE(wait_until([&] { return a_read_counts(open_before); }));
    EXPECT_FALSE(a_listing_counts());
    close(open_before);
}

TEST_F(Commands, OnlyWhoAsksForItLeavesNoTimeOfAccess) {
    const std::string below = backing_->below() + "/pages";
    std::ofstream(below) << std::string(1 << 20, 'x');
    access_long_ago(below);
    const auto mount = mounted("readahead=0");
    const std::string path = mount->path() + "/pages";
    char byte = 0;
    const int quiet = open(path.c_str(), O_RDONLY | O_NOATIME);
    EXPECT_EQ(pread(quiet, &byte, 1, 0), 1);
    EXPECT_FALSE(was_accessed(below));
    const int usual = open(path.c_str(), O_RDONLY);
    EXPECT_EQ(pread(usual, &byte, 1, 512 << 10), 1);
    EXPECT_TRUE(was_accessed(below));
    close(quiet);
    close(usual);
}

/// `ulimit -f` of who mounts is not for everybody; that of who writes is.
TEST_F(Commands, FilesAreAsLargeAsTheirWritersMayMakeThem) {
    const BandfsMount mount(janitor_, backing_->below(), "allow_other", {"prlimit", "--fsize=4096:unlimited"});
    const std::string file = mount.path() + "/large", small = mount.path() + "/small";
    const std::string bytes(64 << 10, 'x');
    const int fd = open(file.c_str(), O_CREAT | O_WRONLY, 0644);
    EXPECT_EQ(write(fd, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    close(fd);
    const pid_t writer = fork();
    if (writer == 0) {
        signal(SIGXFSZ, SIG_IGN);
        const rlimit limit{4096, 4096};
        setrlimit(RLIMIT_FSIZE, &limit);
        const int own = open(small.c_str(), O_CREAT | O_WRONLY, 0644);
        const bool cut = write(own, bytes.data(), bytes.size()) == 4096;
        _exit(cut && write(own, bytes.data(), 1) == -1 && errno == EFBIG ? 0 : 1);
    }
    int status = -1;
    waitpid(writer, &status, 0);
    EXPECT_EQ(status, 0);
}

TEST_F(Commands, AsManyThreadsReceiveAsAskedFor) {
    const auto receivers = [] {
        long count = 0;
        for (const auto& thread :
             std::filesystem::directory_iterator("/proc/" + std::to_string(daemons().at(0)) + "/task")) {
            std::string name;
            std::getline(std::ifstream(thread.path() / "comm"), name);
            count += name == "bandfs-receive";
        }
        return count;
    };
    {
        const auto mount = mounted("clone_fd,max_threads=1,max_idle_threads=5,nonempty");
        EXPECT_TRUE(wait_until([&] { return receivers() == 1; })) << receivers();
        EXPECT_EQ(std::filesystem::file_size(mount->path() + "/file"), 7u);
    }
    const auto mount = mounted("max_threads=4,max_idle_threads=20");
    EXPECT_TRUE(wait_until([&] { return receivers() == 4; })) << receivers();
}

TEST_F(Commands, RequestsComeAsAskedFor) {
    EXPECT_TRUE(comes_by(*mounted("transport=dev"), "dev"));
    EXPECT_TRUE(comes_by(*mounted("transport=auto,max_threads=1"), "dev")) << "no more threads than asked for";
    if (!over_rings()) GTEST_SKIP() << "whether there are rings is up to the machine";
    EXPECT_TRUE(comes_by(*mounted("transport=auto"), "io_uring"));
}

TEST_F(Commands, WithoutRoomForRingsRequestsComeThroughDevFuse) {
    if (!over_rings()) GTEST_SKIP() << "there are no rings";
    if (kSanitized) GTEST_SKIP() << "sanitizers want more addresses";
    // For each processor they want 1.6 GB of addresses.
    const BandfsMount mount(janitor_, backing_->below(), "transport=auto", {"prlimit", "--as=1500000000"});
    EXPECT_TRUE(comes_by(mount, "dev"));
    EXPECT_EQ(std::filesystem::file_size(mount.path() + "/file"), 7u);
}

TEST_F(Commands, WhatTheKernelKeepsIsAsAskedFor) {
    const auto there = [](const std::string& path) { return ::access(path.c_str(), F_OK) == 0; };
    const auto contents = [](const std::string& path) {
        std::string line;
        std::getline(std::ifstream(path), line);
        return line;
    };
    const auto put = [&](const char* name, const char* text) {
        std::ofstream(backing_->below() + "/" + name) << text << '\n';
    };
    const std::string patient = "attr_timeout=0,entry_timeout=3600";
    {
        const auto mount = mounted(patient + ",kernel_cache");
        put("kept", "old");
        EXPECT_EQ(contents(mount->path() + "/kept"), "old");
        EXPECT_FALSE(there(mount->path() + "/late"));
        put("late", "1");
        EXPECT_FALSE(there(mount->path() + "/late")) << "that there is none is kept as long as names";
        put("kept", "new");
        EXPECT_EQ(contents(mount->path() + "/kept"), "old");
    }
    const auto mount = mounted(patient + ",negative_timeout=0,auto_cache,use_ino,readdir_ino,hard_remove");
    EXPECT_EQ(contents(mount->path() + "/kept"), "new");
    put("kept", "two");
    EXPECT_EQ(contents(mount->path() + "/kept"), "two");
    EXPECT_FALSE(there(mount->path() + "/later"));
    put("later", "1");
    EXPECT_TRUE(there(mount->path() + "/later"));
}

TEST_F(Commands, OpensKeepAndShowWhatLibfusesOptionsSay) {
    const auto put = [&](const char* text) { std::ofstream(backing_->below() + "/file") << text; };
    const auto content_through = [](int fd) {
        char text[16]{};
        return std::string(text, static_cast<std::size_t>(std::max<ssize_t>(pread(fd, text, sizeof text, 0), 0)));
    };
    // What one open file reads before and after it is changed below, and what a second open reads.
    const auto reads = [&](const std::string& options) {
        put("old");
        const auto mount = mounted("attr_timeout=3600,entry_timeout=3600," + options);
        const int first = open((mount->path() + "/file").c_str(), O_RDONLY);
        std::string all = content_through(first);
        put("new");
        all += " " + content_through(first);
        const int second = open((mount->path() + "/file").c_str(), O_RDONLY);
        all += " " + content_through(second);
        close(first);
        close(second);
        return all;
    };
    EXPECT_EQ(reads("kernel_cache"), "old old old");
    EXPECT_EQ(reads("kernel_cache,auto_cache,ac_attr_timeout=60"), "old old new");
    EXPECT_EQ(reads("direct_io,noforget,remember=60,no_rofd_flush"), "old new new");

    // Whether the kernel asks again for a file that nobody changed.
    const auto asks_again = [&](const std::string& options) {
        const auto mount = mounted(options);
        const auto reads_seen = [&] {
            (void)content_of(mount->path() + "/file");
            return mount->control("groups/default/stat");
        };
        const std::string before = reads_seen();
        return reads_seen() != before;
    };
    // A file whose last change is so near that another might have the same time is asked for again.
    EXPECT_TRUE(wait_until([&] { return !asks_again("auto_cache"); }));
    EXPECT_TRUE(asks_again("noauto_cache"));
}

TEST_F(Commands, OwnersAndPermissionsAreShownAsAskedFor) {
    const std::string below = backing_->below() + "/file";
    ASSERT_EQ(chmod(below.c_str(), 04600), 0);
    const auto mount = mounted("allow_other,uid=nobody,gid=2002,umask=027,attr_timeout=0");
    const std::string file = mount->path() + "/file";
    struct stat found {};
    ASSERT_EQ(stat(file.c_str(), &found), 0);
    EXPECT_EQ(found.st_uid, kNobody.uid);
    EXPECT_EQ(found.st_gid, 2002u);
    EXPECT_EQ(found.st_mode, S_IFREG | 0750u);
    EXPECT_EQ(chmod(file.c_str(), 06755), 0);
    ASSERT_EQ(stat(below.c_str(), &found), 0);
    EXPECT_EQ(found.st_mode, S_IFREG | 0755u) << "the owner that is shown gives nobody the real one's rights";
    ASSERT_EQ(chmod(below.c_str(), 0600), 0);
    // The kernel goes by it, and below nothing is other than it was.
    const std::string made = mount->path() + "/made";
    const pid_t child = fork();
    if (child == 0) {
        if (setgroups(0, nullptr) != 0 || setgid(kNobody.gid) != 0 || setuid(kNobody.uid) != 0) _exit(99);
        if (open(file.c_str(), O_RDWR) < 0) _exit(1);
        _exit(open(made.c_str(), O_CREAT | O_WRONLY, 0600) < 0 ? 2 : 0);
    }
    int status = -1;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
    ASSERT_EQ(stat(below.c_str(), &found), 0);
    EXPECT_EQ(found.st_uid, 0u);
    EXPECT_EQ(found.st_mode, S_IFREG | 0600u);
    ASSERT_EQ(stat((backing_->below() + "/made").c_str(), &found), 0);
    EXPECT_EQ(found.st_uid, kNobody.uid);
    EXPECT_EQ(found.st_gid, kNobody.gid);
    EXPECT_EQ(found.st_mode, S_IFREG | 0600u);
}

TEST_F(Commands, BadOptionsSayWhatIsWrong) {
    struct Case {
        const char *options, *option, *value;
    };
    const Case cases[] = {
        {"io_throttle=0", "io_throttle", "0"},
        {"io_throttle=x", "io_throttle", "x"},
        {"io_limit=99999999999", "io_limit", "99999999999"},
        {"type=sort", "type", "sort"},
        {"policy=best", "policy", "best"},
        {"weight=0", "weight", "0"},
        {"weight=1000001", "weight", "1000001"},
        {"token=0", "token", "0"},
        {"unit_size=5000", "unit_size", "5000"},
        {"unit_size=2097152", "unit_size", "2097152"},
        {"devgroup=123456789012345678901234567890123", "devgroup", "123456789012345678901234567890123"},
        {"type=user,group=2001", "group", "2001"},
        {"type=user,group=2001:0", "group", "2001:0"},
        {"type=user,group=nobody-at-all:5", "group", "nobody-at-all"},
        {"type=user,group=1:5,group=1:6", "group", "1"},
        {"uid=nobody-at-all", "uid", "nobody-at-all"},
        {"gid=-1", "gid", "-1"},
        {"umask=1777", "umask", "1777"},
        {"umask=8", "umask", "8"},
        {"transport=usb", "transport", "usb"},
        {"modules=subdir", "modules", "high-level API"},
        {"blkdev", "blkdev", "block device"},
        {"nonsense", "nonsense", "nonsense"},
        {"nonsense=5", "nonsense", "nonsense"},
    };
    for (const Case& c : cases) {
        const std::string said = refusal(c.options);
        EXPECT_NE(said.find(c.option), std::string::npos) << c.options << ": " << said;
        EXPECT_NE(said.find(c.value), std::string::npos) << c.options << ": " << said;
        EXPECT_EQ(said.find("exit code 0"), std::string::npos) << said;
    }
    EXPECT_TRUE(daemons().empty());
}

TEST_F(Commands, MissingDirectories) {
    const std::string here = backing_->path();
    EXPECT_NE(run({bandfs_program(), here + "/absent", here + "/bare"}), 0);
    EXPECT_NE(run({bandfs_program(), here + "/below", here + "/absent"}), 0);
    EXPECT_NE(run({bandfs_program(), here + "/below/file", here + "/bare"}), 0);
    EXPECT_NE(run({bandfs_program(), here + "/below"}), 0);
    EXPECT_NE(run({bandfs_program()}), 0);
    EXPECT_EQ(run({bandfs_program(), "-h"}), 0);
    EXPECT_EQ(run({bandfs_program(), "-V"}), 0);
    EXPECT_EQ(mount_line(here + "/bare"), "");
}

TEST_F(Commands, SeveralMountsShareOneScheduler) {
    const auto first = mounted("type=user,devgroup=one,group=2001:30");
    const auto second = mounted("type=user,devgroup=one,group=2002:10");
    const auto third = mounted("type=user,devgroup=two");
    EXPECT_EQ(daemons().size(), 2u) << "one process for each device group";
    EXPECT_NE(refusal("devgroup=one,io_throttle=7").find("io_throttle"), std::string::npos)
        << "another value is refused";
    for (const auto* mount : {&first, &second, &third}) {
        std::ifstream file((*mount)->path() + "/file");
        std::string text;
        file >> text;
        EXPECT_EQ(text, "content");
    }
    EXPECT_TRUE(first->unmount());
    std::ifstream file(second->path() + "/file");
    std::string text;
    file >> text;
    EXPECT_EQ(text, "content") << "unmounting one leaves the other alone";
}

TEST_F(Commands, ManyTimesOverLeavesNothing) {
    for (int i = 0; i < 30; ++i) {
        const auto mount = mounted("allow_other");
        ASSERT_TRUE(mount->unmount());
    }
}

TEST_F(Commands, KilledDaemonLeavesAMountThatCanBeMadeAnew) {
    const auto mount = mounted("allow_other");
    ASSERT_EQ(daemons().size(), 1u);
    const pid_t daemon = daemons().front();
    kill(daemon, SIGKILL);
    // Until then a thread on its way out may still take a request, and the kernel answers that one with EIO.
    ASSERT_TRUE(wait_until([daemon] { return has_ended(daemon); }));
    struct stat attr {};
    EXPECT_EQ(stat(mount->path().c_str(), &attr), -1);
    EXPECT_TRUE(errno == ENOTCONN || errno == ECONNABORTED) << strerrorname_np(errno);
    EXPECT_TRUE(mount->unmount());
    const auto again = mounted("allow_other");
    EXPECT_EQ(stat(again->path().c_str(), &attr), 0);
}

TEST_F(Commands, OrdinaryUser) {
    if (access("/usr/bin/fusermount3", X_OK) != 0) GTEST_SKIP() << "fusermount3 is missing";
    const std::string source = backing_->path() + "/source", mnt = backing_->path() + "/mnt",
                      runtime = backing_->path() + "/run", program = backing_->path() + "/bandfs";
    std::filesystem::copy_file(bandfs_program(), program);  // where it was built may be out of a user's reach
    for (const std::string& path : {source, mnt, runtime}) {
        mkdir(path.c_str(), 0700);
        ASSERT_EQ(chown(path.c_str(), kNobody.uid, kNobody.gid), 0);
    }
    const pid_t child = fork();
    if (child == 0) {
        open_fuse_to_all(runtime + "-fuse");
        if (setgroups(kNobody.groups.size(), kNobody.groups.data()) != 0 ||
            setresgid(kNobody.gid, kNobody.gid, kNobody.gid) != 0 ||
            setresuid(kNobody.uid, kNobody.uid, kNobody.uid) != 0) {
            _exit(100);
        }
        setenv("XDG_RUNTIME_DIR", runtime.c_str(), 1);
        if (run({program, source, mnt, "-o", "type=pid"}) != 0) _exit(101);
        std::ofstream(mnt + "/mine") << "of nobody";
        struct stat attr {};
        if (stat((source + "/mine").c_str(), &attr) != 0 || attr.st_uid != kNobody.uid) _exit(102);
        if (!mapping_leaves_setid(mnt + "/mine")) _exit(105);
        if (stat((source + "/mine").c_str(), &attr) != 0 || (attr.st_mode & 07777) != 06755) _exit(106);
        std::ifstream status(mnt + "/.bandfs/status");
        std::string text;
        if (!(status >> text) || !text.starts_with("devgrp=")) _exit(103);
        status.close();
        _exit(wait_until([&] { return run({"fusermount3", "-u", mnt}) == 0; }) ? 0 : 104);
    }
    int status = 0;
    waitpid(child, &status, 0);
    umount2(mnt.c_str(), MNT_DETACH);
    EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace bandfs::mount_test
