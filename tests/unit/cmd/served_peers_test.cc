// Who talks to a server: many commands at once, liars, ordinary users, and who sends messages.

#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "served.h"

namespace bandfs {
namespace {

using namespace test;

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
    EXPECT_TRUE(eventually([this] { return mounts().size() == kMany; })) << mounts().size() << " mounts";
    ::kill(server(), SIGTERM);
    EXPECT_TRUE(eventually([this] { return mounts().empty(); }));
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
    EXPECT_TRUE(eventually([&] { return count() <= before; })) << count() << " instead of " << before;
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

/// Goes on as the first process of another pid namespace; the one outside waits for it.
void enter_pid_namespace() {
    if (::unshare(CLONE_NEWPID) != 0) ::_exit(126);
    if (const pid_t inner = ::fork(); inner != 0) ::_exit(wait_for(inner));
}

TEST_F(Served, WhoHasOtherNumbersForProcessesIsRefused) {
    ASSERT_EQ(mount("src", "mnt").code, 0);
    const Ran refused = run(words("src2", "mnt2"), enter_pid_namespace);
    EXPECT_EQ(refused.code, static_cast<int>(ExitCode::conflict)) << refused.said;
    EXPECT_NE(refused.said.find("another pid or user namespace"), std::string::npos) << refused.said;
    EXPECT_EQ(mounts().size(), 1u);
}

TEST_F(Served, MoreMountsThanThereAreDescriptorsForAreRefused) {
    const auto few = [] {
        const rlimit limit{256, 256};
        ::setrlimit(RLIMIT_NOFILE, &limit);
        // Root may raise it again.
        ::prctl(PR_CAPBSET_DROP, CAP_SYS_RESOURCE);
    };
    int served = 0;
    Ran last;
    for (; served < 30; ++served) {
        const std::string place = "m" + std::to_string(served);
        fs::create_directory(root_ + "/" + place);
        last = run(words("src", place), few);
        if (last.code != 0) break;
    }
    EXPECT_EQ(last.code, static_cast<int>(ExitCode::system)) << last.said;
    EXPECT_NE(last.said.find("may open 256 files"), std::string::npos) << last.said;
    EXPECT_GE(served, 8);
    EXPECT_EQ(read("m0/a"), "one");
}

TEST_F(Served, AServerThatDoesNotAnswerIsNamed) {
    ASSERT_EQ(mount("src", "mnt").code, 0);
    const pid_t pid = server();
    ::kill(pid, SIGSTOP);
    const Ran listed = run({"list", "--json"});
    ::kill(pid, SIGCONT);
    EXPECT_EQ(listed.code, static_cast<int>(ExitCode::server));
    EXPECT_NE(listed.said.find("device group " + group_ + ": its server does not answer"), std::string::npos)
        << listed.said;
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
    const bool mounted = eventually(
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
