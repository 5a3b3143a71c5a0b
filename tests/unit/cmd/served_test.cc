// The command and its servers as they are used: real mounts, by the built program. Needs root and /dev/fuse.

#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <random>
#include <thread>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "cmd/exit_codes.h"
#include "cmd/wire.h"
#include "sys/clock.h"
#include "sys/fuse_mount.h"
#include "sys/mount_table.h"
#include "sys/unix_socket.h"

namespace bandfs {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

TimeNs soon() {
    return now_ns() + 20 * kSecond;
}

/// Waits until something is so; the test fails when it is not within the time.
bool comes_true(const std::function<bool()>& condition) {
    for (const TimeNs deadline = soon(); now_ns() < deadline;) {
        if (condition()) return true;
        std::this_thread::sleep_for(std::chrono::milliseconds(5));  // waits for the condition
    }
    return condition();
}

/// What became of a command.
struct Ran {
    int code = -1;
    std::string said;  ///< standard output and error
};

pid_t start(const Words& words, int output, const std::function<void()>& in_child = {}) {
    const pid_t pid = ::fork();
    if (pid != 0) return pid;
    ::dup2(output, STDOUT_FILENO);
    ::dup2(output, STDERR_FILENO);
    ::alarm(60);  // inherited by the program: nothing hangs for ever
    if (in_child) in_child();
    std::vector<char*> argv{const_cast<char*>(BANDFS_PROGRAM)};
    for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    ::execv(BANDFS_PROGRAM, argv.data());
    ::_exit(127);
}

int wait_for(pid_t pid) {
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

Ran run(const Words& words, const std::function<void()>& in_child = {}) {
    char name[] = "/tmp/bandfs-said-XXXXXX";
    const UniqueFd output(::mkostemp(name, O_CLOEXEC));
    Ran ran{wait_for(start(words, output.get(), in_child)), {}};
    std::ifstream file(name);
    ran.said.assign(std::istreambuf_iterator<char>(file), {});
    ::unlink(name);
    return ran;
}

class Served : public ::testing::Test {
protected:
    void SetUp() override {
        if (::geteuid() != 0) GTEST_SKIP() << "mounting needs root";
        if (!UniqueFd(::open("/dev/fuse", O_RDWR | O_CLOEXEC))) GTEST_SKIP() << "there is no /dev/fuse to open";
        char name[] = "/tmp/bandfs-served-XXXXXX";
        root_ = ::mkdtemp(name);
        ::chmod(root_.c_str(), 0755);
        for (const char* directory : {"src", "src2", "mnt", "mnt2"}) fs::create_directory(root_ + "/" + directory);
        std::ofstream(root_ + "/src/a") << "one";
        std::ofstream(root_ + "/src2/b") << "two";
        group_ = "unit-" + std::to_string(::getpid());
    }

    void TearDown() override {
        if (root_.empty()) return;
        for (const std::string& mount : mounts()) ::umount2(mount.c_str(), MNT_DETACH);
        EXPECT_TRUE(comes_true([this] { return !fs::exists("/run/bandfs/" + group_ + ".lock"); }))
            << "the server stayed";
        ::unlink(("/run/bandfs/" + group_ + ".lock").c_str());
        ::unlink(("/run/bandfs/" + group_ + ".sock").c_str());
        std::error_code ignored;
        fs::remove_all(root_, ignored);
    }

    /// The command's words for a mount of SOURCE (a name in root_) at a place.
    Words words(const std::string& source, const std::string& mountpoint, const std::string& more = "") const {
        return {root_ + "/" + source, root_ + "/" + mountpoint, "-o",
                "devgroup=" + group_ + (more.empty() ? "" : "," + more)};
    }
    Ran mount(const std::string& source, const std::string& mountpoint, const std::string& more = "") const {
        return run(words(source, mountpoint, more));
    }

    /// Mounts of this test, in the order they were made.
    std::vector<std::string> mounts() const {
        std::vector<std::string> found;
        const auto entries = read_mount_table();
        for (const MountEntry& entry : entries ? *entries : std::vector<MountEntry>{}) {
            if (entry.mount_point.starts_with(root_ + "/")) found.push_back(entry.mount_point);
        }
        return found;
    }

    bool unmount(const std::string& place) const {
        return comes_true([&] { return ::umount2((root_ + "/" + place).c_str(), 0) == 0; });
    }

    std::string read(const std::string& path) const {
        std::ifstream file(root_ + "/" + path);
        return {std::istreambuf_iterator<char>(file), {}};
    }

    /// The pid of this test's server, 0 when there is none.
    pid_t server() const {
        const auto all = nlohmann::json::parse(run({"list", "--json"}).said, nullptr, false);
        for (const auto& group : all) {
            if (group.value("name", "") == group_) return group.value("pid", 0);
        }
        return 0;
    }

    UniqueFd connect() const {
        const UniqueFd directory(::open("/run/bandfs", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        auto connection = connect_to(directory.get(), group_ + ".sock", soon());
        EXPECT_TRUE(connection);
        return connection ? std::move(*connection) : UniqueFd();
    }

    std::string root_, group_;
};

TEST_F(Served, AMountAnswersWhenTheCommandReturnsAndLeavesNothingBehind) {
    const Ran ran = mount("src", "mnt");
    ASSERT_EQ(ran.code, 0) << ran.said;
    EXPECT_EQ(ran.said, "");
    EXPECT_EQ(read("mnt/a"), "one");
    const pid_t pid = server();
    ASSERT_GT(pid, 0);
    EXPECT_TRUE(unmount("mnt"));
    EXPECT_TRUE(comes_true([=] { return ::kill(pid, 0) != 0; }));
    EXPECT_FALSE(fs::exists("/run/bandfs/" + group_ + ".sock"));
}

TEST_F(Served, MountsOfOneGroupShareAServerAndEndOneByOne) {
    ASSERT_EQ(mount("src", "mnt").code, 0);
    const pid_t pid = server();
    ASSERT_EQ(mount("src2", "mnt2").code, 0);
    EXPECT_EQ(server(), pid);
    EXPECT_TRUE(unmount("mnt"));
    EXPECT_EQ(read("mnt2/b"), "two");
    ASSERT_EQ(mount("src", "mnt").code, 0);
    EXPECT_EQ(server(), pid);
    EXPECT_EQ(read("mnt/a"), "one");
}

TEST_F(Served, SettingsOfTheDeviceGroupMustAgree) {
    ASSERT_EQ(mount("src", "mnt", "io_limit=64,policy=weight").code, 0);
    for (const std::string& other : {std::string("io_limit=65"), std::string("policy=fair"),
                                     std::string("io_throttle=5"), std::string("token=7"), std::string("hold=5")}) {
        const Ran ran = mount("src2", "mnt2", other);
        EXPECT_EQ(ran.code, static_cast<int>(ExitCode::conflict)) << other;
        EXPECT_NE(ran.said.find("option " + other + ": "), std::string::npos) << ran.said;
        EXPECT_NE(ran.said.find("running with "), std::string::npos) << ran.said;
    }
    EXPECT_EQ(mounts().size(), 1u);
    EXPECT_EQ(mount("src2", "mnt2", "io_limit=64,policy=weight,io_throttle=4").code, 0);
}

TEST_F(Served, WhatIsWrongIsSaidAndNothingIsMounted) {
    const std::vector<std::pair<Words, ExitCode>> cases = {
        {{root_ + "/none", root_ + "/mnt"}, ExitCode::source},
        {{root_ + "/src/a", root_ + "/mnt"}, ExitCode::source},
        {{root_ + "/src", root_ + "/none"}, ExitCode::mountpoint},
        {{root_ + "/src", root_ + "/src/a"}, ExitCode::mountpoint},
        {words("src", "mnt", "unit_size=5"), ExitCode::usage},
        {words("src", "mnt", "type=user,group=no-such-user:3"), ExitCode::usage},
        {{root_ + "/src"}, ExitCode::usage},
        {{"status", root_ + "/mnt"}, ExitCode::no_mount},
        {{"set", root_ + "/mnt", "weight", "3"}, ExitCode::no_mount},
        {{"list", "surplus"}, ExitCode::usage},
    };
    for (const auto& [command, code] : cases) {
        const Ran ran = run(command);
        EXPECT_EQ(ran.code, static_cast<int>(code)) << ran.said;
        EXPECT_TRUE(ran.said.starts_with("bandfs: ")) << ran.said;
    }
    EXPECT_TRUE(mounts().empty());
}

TEST_F(Served, AMountMayCoverItsSource) {
    ASSERT_EQ(mount("src", "src").code, 0);
    EXPECT_EQ(read("src/a"), "one");
    EXPECT_TRUE(unmount("src"));
    EXPECT_EQ(read("src/a"), "one");
}

TEST_F(Served, MountsThatWouldContainEachOtherAreRefused) {
    fs::create_directory(root_ + "/src/in");
    EXPECT_EQ(mount("src", "src/in").code, static_cast<int>(ExitCode::mountpoint));
    ASSERT_EQ(mount("src", "mnt").code, 0);
    EXPECT_EQ(mount("src2", "src/in").code, static_cast<int>(ExitCode::source));
    EXPECT_EQ(mount("mnt/in", "mnt2").code, static_cast<int>(ExitCode::source));
    EXPECT_EQ(mounts().size(), 1u);
}

TEST_F(Served, AKilledServerLeavesMountsThatCanBeReplaced) {
    ASSERT_EQ(mount("src", "mnt").code, 0);
    ASSERT_EQ(::kill(server(), SIGKILL), 0);
    struct stat facts {};
    EXPECT_TRUE(comes_true([&] { return ::stat((root_ + "/mnt/a").c_str(), &facts) != 0 && errno == ENOTCONN; }));
    const Ran dead = mount("src", "mnt");
    EXPECT_EQ(dead.code, static_cast<int>(ExitCode::mountpoint));
    EXPECT_NE(dead.said.find("umount " + root_ + "/mnt"), std::string::npos) << dead.said;
    EXPECT_TRUE(unmount("mnt"));
    ASSERT_EQ(mount("src", "mnt").code, 0);
    EXPECT_EQ(read("mnt/a"), "one");
}

TEST_F(Served, AutoUnmountOutlivesAKilledServer) {
    ASSERT_EQ(mount("src", "mnt", "auto_unmount").code, 0);
    ASSERT_EQ(::kill(server(), SIGKILL), 0);
    EXPECT_TRUE(comes_true([this] { return mounts().empty(); }));
    ASSERT_EQ(mount("src", "mnt", "auto_unmount").code, 0);
}

TEST_F(Served, SigtermUnmountsAllAndLosesNothing) {
    ASSERT_EQ(mount("src", "mnt").code, 0);
    ASSERT_EQ(mount("src2", "mnt2").code, 0);
    const std::string text(1 << 20, 'x');
    std::ofstream(root_ + "/mnt/big") << text;
    const pid_t pid = server();
    ASSERT_EQ(::kill(pid, SIGTERM), 0);
    EXPECT_TRUE(comes_true([=] { return ::kill(pid, 0) != 0; }));
    EXPECT_TRUE(mounts().empty());
    EXPECT_EQ(read("src/big"), text);
}

TEST_F(Served, SighupIsNoReasonToLeave) {
    ASSERT_EQ(mount("src", "mnt").code, 0);
    ASSERT_EQ(::kill(server(), SIGHUP), 0);
    EXPECT_EQ(read("mnt/a"), "one");
    EXPECT_GT(server(), 0);
}

TEST_F(Served, ALazyUnmountServesWhatIsOpenAndThenEnds) {
    ASSERT_EQ(mount("src", "mnt").code, 0);
    const pid_t pid = server();
    UniqueFd open_file(::open((root_ + "/mnt/a").c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_TRUE(open_file);
    ASSERT_EQ(::umount2((root_ + "/mnt").c_str(), MNT_DETACH), 0);
    char text[4] = {};
    EXPECT_EQ(::pread(open_file.get(), text, 3, 0), 3);
    EXPECT_STREQ(text, "one");
    EXPECT_EQ(::kill(pid, 0), 0);
    open_file.reset();
    EXPECT_TRUE(comes_true([=] { return ::kill(pid, 0) != 0; }));
}

TEST_F(Served, TheForegroundStaysUntilTheMountIsGone) {
    const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    Words first = words("src", "mnt"), second = words("src2", "mnt2");
    first.push_back("-f");
    second.push_back("-f");
    const pid_t serving = start(first, null.get());
    ASSERT_TRUE(comes_true([this] { return read("mnt/a") == "one"; }));
    ASSERT_TRUE(comes_true([&] { return server() == serving; }));
    const pid_t staying = start(second, null.get());
    ASSERT_TRUE(comes_true([this] { return read("mnt2/b") == "two"; }));
    EXPECT_TRUE(unmount("mnt2"));
    EXPECT_EQ(wait_for(staying), 0);
    EXPECT_EQ(read("mnt/a"), "one");
    ::kill(serving, SIGINT);
    EXPECT_EQ(wait_for(serving), 0);
    EXPECT_TRUE(mounts().empty());
}

TEST_F(Served, TheForegroundFailsWithTheCodeOfItsMount) {
    Words command = words("src", "src/a");
    command.push_back("-f");
    EXPECT_EQ(run(command).code, static_cast<int>(ExitCode::mountpoint));
    command = words("src", "mnt", "max_read=4096,policy=nonsense");
    command.push_back("-f");
    EXPECT_EQ(run(command).code, static_cast<int>(ExitCode::usage));
}

TEST_F(Served, ManyAtOnceFindOneServer) {
    constexpr int kMany = 24;
    const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    std::vector<pid_t> commands;
    for (int i = 0; i < kMany; ++i) {
        fs::create_directory(root_ + "/m" + std::to_string(i));
        commands.push_back(start(words("src", "m" + std::to_string(i)), null.get()));
    }
    for (const pid_t command : commands) EXPECT_EQ(wait_for(command), 0);
    // A read of the mount table may miss an entry while others on this machine mount and unmount.
    EXPECT_TRUE(comes_true([this] { return mounts().size() == kMany; })) << mounts().size() << " mounts";
    ::kill(server(), SIGTERM);
    EXPECT_TRUE(comes_true([this] { return mounts().empty(); }));
}

TEST_F(Served, MountingAgainAndAgainLeaksNoDescriptor) {
    ASSERT_EQ(mount("src2", "mnt2").code, 0);
    const std::string descriptors = "/proc/" + std::to_string(server()) + "/fd";
    const auto count = [&] { return std::distance(fs::directory_iterator(descriptors), fs::directory_iterator()); };
    const auto before = count();
    for (int i = 0; i < 20; ++i) {
        ASSERT_EQ(mount("src", "mnt").code, 0);
        EXPECT_EQ(read("mnt/a"), "one");
        ASSERT_TRUE(unmount("mnt"));
    }
    EXPECT_TRUE(comes_true([&] { return count() <= before; })) << count() << " instead of " << before;
}

TEST_F(Served, PeersThatTalkNonsenseAreRefusedAndDisturbNobody) {
    ASSERT_EQ(mount("src", "mnt").code, 0);
    const pid_t pid = server();
    const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC)),
        source(::open((root_ + "/src2").c_str(), O_PATH | O_CLOEXEC));
    const int wrong = null.get(), right = source.get();
    const std::string offer = encode(OfferMessage{group_, root_ + "/src2", root_ + "/mnt2", {}});
    const auto answer = [&](const std::string& text, std::span<const int> descriptors) {
        const UniqueFd peer = connect();
        EXPECT_TRUE(send_message(peer.get(), text, descriptors, soon()));
        const auto reply = receive_message(peer.get(), soon());
        return reply ? decode_answer(reply->text) : Outcome<Done>(Failure{ExitCode::system, "no answer"});
    };
    EXPECT_EQ(answer(offer, {}).failure().code, ExitCode::source);
    EXPECT_EQ(answer(offer, {&wrong, 1}).failure().code, ExitCode::source);
    EXPECT_EQ(answer(encode(ServeMessage{1}), {&wrong, 1}).failure().code, ExitCode::server);
    EXPECT_EQ(answer(encode(OfferMessage{group_, "/x", "/y", {"io_limit=0"}}), {&right, 1}).failure().code,
              ExitCode::usage);
    EXPECT_EQ(answer(encode(OfferMessage{"another", "/x", "/y", {}}), {&right, 1}).failure().code, ExitCode::server);
    {
        const UniqueFd too_much = connect();
        const std::string long_text(kMaxMessageBytes + 10, 'x');
        ASSERT_GT(::send(too_much.get(), long_text.data(), long_text.size(), MSG_NOSIGNAL), 0);
        EXPECT_TRUE(receive_message(too_much.get(), soon()));
    }
    {
        const UniqueFd liar = connect();
        EXPECT_TRUE(send_message(liar.get(), offer, {&right, 1}, soon()));
        EXPECT_TRUE(decode_answer(receive_message(liar.get(), soon())->text));
        EXPECT_TRUE(send_message(liar.get(), encode(ServeMessage{1}), {&wrong, 1}, soon()));
        EXPECT_EQ(decode_answer(receive_message(liar.get(), soon())->text).failure().code, ExitCode::server);
    }
    {
        const UniqueFd unmounted(::open("/dev/fuse", O_RDWR | O_CLOEXEC)), liar = connect();
        const int fuse = unmounted.get();
        EXPECT_TRUE(send_message(liar.get(), offer, {&right, 1}, soon()));
        EXPECT_TRUE(decode_answer(receive_message(liar.get(), soon())->text));
        EXPECT_TRUE(send_message(liar.get(), encode(ServeMessage{1}), {&fuse, 1}, soon()));
        EXPECT_EQ(decode_answer(receive_message(liar.get(), soon())->text).failure().code, ExitCode::mount);
    }
    const UniqueFd silent = connect();  // stays until the end of the test
    EXPECT_EQ(read("mnt/a"), "one");
    EXPECT_EQ(server(), pid);
}

TEST_F(Served, RandomBytesDoNoHarm) {
    ASSERT_EQ(mount("src", "mnt").code, 0);
    const pid_t pid = server();
    for (unsigned seed = 0; seed < 200; ++seed) {
        std::mt19937 random(seed);
        std::string text = seed % 2 == 0 ? encode(OfferMessage{group_, "/x", "/y", {"weight=3"}})
                                         : std::string(1 + random() % 300, '\0');
        for (unsigned damage = 0; damage < 1 + random() % 20; ++damage)
            text[random() % text.size()] = static_cast<char>(random());
        const UniqueFd peer = connect();
        const int own = peer.get();
        EXPECT_TRUE(send_message(peer.get(), text, {&own, random() % 2}, soon())) << "seed " << seed;
    }
    EXPECT_EQ(read("mnt/a"), "one");
    EXPECT_EQ(server(), pid);
}

TEST_F(Served, MessagesChangeGroupsAndRefusalsSayWhy) {
    ASSERT_EQ(mount("src", "mnt", "type=user,group=1000:30,allow_other").code, 0);
    const std::string mountpoint = root_ + "/mnt";
    EXPECT_EQ(run({"set", mountpoint, "weight", "1000:40"}).code, 0);
    const auto status = nlohmann::json::parse(run({"status", "--json", mountpoint}).said, nullptr, false);
    ASSERT_TRUE(status.is_object());
    EXPECT_EQ(status["groups"][1]["weight"], 40);
    const Ran refused = run({"set", mountpoint, "weight", "4711:3"});
    EXPECT_EQ(refused.code, static_cast<int>(ExitCode::refused));
    EXPECT_NE(refused.said.find("not attached"), std::string::npos) << refused.said;
    EXPECT_NE(run({"set", mountpoint, "wieght", "3"}).said.find("did you mean weight?"), std::string::npos);
    const Ran forbidden = run({"set", mountpoint, "weight", "3"}, [] { (void)::setresuid(4711, 4711, 4711); });
    EXPECT_EQ(forbidden.code, static_cast<int>(ExitCode::permission)) << forbidden.said;
    const Ran table = run({"top", "--once", mountpoint});
    EXPECT_EQ(table.code, 0);
    EXPECT_TRUE(table.said.starts_with("GROUP")) << table.said;
    EXPECT_NE(table.said.find("\n1000 "), std::string::npos) << table.said;
}

/// Becomes `nobody` in a name space where everybody may open /dev/fuse, as on an installed system.
void become_nobody() {
    const std::string node = "/tmp/bandfs-node-" + std::to_string(::getpid());
    const bool ready = ::unshare(CLONE_NEWNS) == 0 && ::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                       ::mknod(node.c_str(), S_IFCHR | 0666, makedev(10, 229)) == 0 &&
                       ::chmod(node.c_str(), 0666) == 0 &&
                       ::mount(node.c_str(), "/dev/fuse", nullptr, MS_BIND, nullptr) == 0;
    ::unlink(node.c_str());
    if (!ready || ::setresgid(65534, 65534, 65534) != 0 || ::setresuid(65534, 65534, 65534) != 0) ::_exit(126);
}

TEST_F(Served, AnOrdinaryUserMountsThroughFusermount) {
    if (::access("/usr/bin/fusermount3", X_OK) != 0) GTEST_SKIP() << "fusermount3 is not installed";
    for (const char* place : {"/src", "/mnt"}) ASSERT_EQ(::chown((root_ + place).c_str(), 65534, 65534), 0);
    ASSERT_TRUE(fs::create_directory(root_ + "/run"));
    ASSERT_EQ(::chown((root_ + "/run").c_str(), 65534, 65534), 0);
    // In the foreground: its name space, and with it the mount, ends with the process.
    Words command = words("src", "mnt", "nodiratime,noatime");
    command.push_back("-f");
    char name[] = "/tmp/bandfs-said-XXXXXX";
    const UniqueFd output(::mkostemp(name, O_CLOEXEC));
    const pid_t pid = start(command, output.get(), [this] {
        become_nobody();
        ::setenv("XDG_RUNTIME_DIR", (root_ + "/run").c_str(), 1);
    });
    const auto said = [&] {
        std::ifstream file(name);
        return std::string(std::istreambuf_iterator<char>(file), {});
    };
    const bool mounted = comes_true(
        [&] { return said().find("mounted on") != std::string::npos || ::waitpid(pid, nullptr, WNOHANG) == pid; });
    EXPECT_TRUE(mounted);
    EXPECT_NE(said().find("mounted on " + root_ + "/mnt"), std::string::npos) << said();
    std::ifstream table("/proc/" + std::to_string(pid) + "/mounts");
    const std::string mounts_seen(std::istreambuf_iterator<char>(table), {});
    EXPECT_NE(mounts_seen.find(root_ + "/mnt fuse.bandfs rw,nosuid,nodev,noatime,user_id=65534"), std::string::npos)
        << mounts_seen;
    ::kill(pid, SIGTERM);
    EXPECT_EQ(wait_for(pid), 0) << said();
    ::unlink(name);
}

}  // namespace
}  // namespace bandfs
