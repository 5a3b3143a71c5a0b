// How mounts begin, share a server and end.

#include "served.h"

namespace bandfs {
namespace {

using namespace test;

TEST_F(Served, AMountAnswersWhenTheCommandReturnsAndLeavesNothingBehind) {
    const Ran ran = mount("src", "mnt");
    ASSERT_EQ(ran.code, 0) << ran.said;
    EXPECT_EQ(ran.said, "");
    EXPECT_EQ(read("mnt/a"), "one");
    const pid_t pid = server();
    ASSERT_GT(pid, 0);
    EXPECT_TRUE(unmount("mnt"));
    EXPECT_TRUE(eventually([=] { return has_ended(pid); }));
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
    for (const std::string& other :
         {std::string("io_limit=65"), std::string("policy=fair"), std::string("io_throttle=5"), std::string("token=7"),
          std::string("hold=5"), std::string("held_max=5")}) {
        const Ran ran = mount("src2", "mnt2", other);
        EXPECT_EQ(ran.code, static_cast<int>(ExitCode::conflict)) << other;
        EXPECT_NE(ran.said.find("option " + other + ": "), std::string::npos) << ran.said;
        EXPECT_NE(ran.said.find("running with "), std::string::npos) << ran.said;
    }
    EXPECT_EQ(mounts().size(), 1u);
    EXPECT_EQ(mount("src2", "mnt2", "io_limit=64,policy=weight,io_throttle=4").code, 0);
}

TEST_F(Served, APolicyAgreesUnderItsOtherNames) {
    ASSERT_EQ(mount("src", "mnt", "policy=range-bw").code, 0);
    for (const std::string name : {"fair", "default", "range-bw"}) {
        EXPECT_EQ(mount("src2", "mnt2", "policy=" + name).code, 0) << name;
        EXPECT_TRUE(unmount("mnt2"));
    }
    EXPECT_EQ(mount("src2", "mnt2", "policy=weight").code, static_cast<int>(ExitCode::conflict));
}

TEST_F(Served, ARefusalIsToldWithItsOwnReason) {
    ASSERT_EQ(mount("src", "mnt", "type=rules").code, 0);
    const auto said = [this](const std::string& rules) {
        const Ran ran = run({"set", root_ + "/mnt", "rules", rules});
        EXPECT_EQ(ran.code, static_cast<int>(ExitCode::refused));
        return ran.said;
    };
    EXPECT_NE(said("a foo=1").find("foo"), std::string::npos);
    const std::string long_text = said("a path=/" + std::string(5000, 'x'));
    EXPECT_EQ(long_text.find("foo"), std::string::npos) << long_text;
    EXPECT_NE(long_text.find("may have 4096"), std::string::npos) << long_text;
    std::string many;
    for (int i = 0; i != 65; ++i) many += "group" + std::to_string(i) + " uid=" + std::to_string(i) + "; ";
    EXPECT_NE(said(many).find("64"), std::string::npos);
}

TEST_F(Served, WhatIsWrongIsSaidAndNothingIsMounted) {
    const std::vector<std::pair<Words, ExitCode>> cases = {
        {{root_ + "/none", root_ + "/mnt"}, ExitCode::source},
        {{root_ + "/src/a", root_ + "/mnt"}, ExitCode::source},
        {{root_ + "/src", root_ + "/none"}, ExitCode::mountpoint},
        {{root_ + "/src", root_ + "/src/a"}, ExitCode::mountpoint},
        {words("src", "mnt", "unit_size=5"), ExitCode::usage},
        {words("src", "mnt", "type=user,group=no-such-user:3"), ExitCode::usage},
        {words("src", "mnt", "type=cgroup:disk"), ExitCode::usage},
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
    EXPECT_TRUE(eventually([&] { return ::stat((root_ + "/mnt/a").c_str(), &facts) != 0 && errno == ENOTCONN; }));
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
    EXPECT_TRUE(eventually([this] { return mounts().empty(); }));
    ASSERT_EQ(mount("src", "mnt", "auto_unmount").code, 0);
}

TEST_F(Served, SigtermUnmountsAllAndLosesNothing) {
    ASSERT_EQ(mount("src", "mnt").code, 0);
    ASSERT_EQ(mount("src2", "mnt2").code, 0);
    const std::string text(1 << 20, 'x');
    std::ofstream(root_ + "/mnt/big") << text;
    const pid_t pid = server();
    ASSERT_EQ(::kill(pid, SIGTERM), 0);
    EXPECT_TRUE(eventually([=] { return has_ended(pid); }));
    EXPECT_TRUE(mounts().empty());
    EXPECT_EQ(read("src/big"), text);
}

TEST_F(Served, TheSecondSigtermWaitsForNobody) {
    char name[] = "/tmp/bandfs-said-XXXXXX";
    const UniqueFd output(::mkostemp(name, O_CLOEXEC));
    Words command = words("src", "mnt");
    command.push_back("-f");
    const pid_t pid = start(command, output.get());
    ASSERT_TRUE(eventually([this] { return is_served("mnt"); }));
    // What is open keeps an orderly server waiting for a while after it has unmounted.
    const UniqueFd open_file(::open((root_ + "/mnt/a").c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_EQ(::kill(pid, SIGTERM), 0);
    ASSERT_TRUE(eventually([this] { return mounts().empty(); }));
    ASSERT_EQ(::kill(pid, SIGTERM), 0);
    EXPECT_EQ(wait_for(pid), 0);
    std::ifstream file(name);
    const std::string said(std::istreambuf_iterator<char>(file), {});
    EXPECT_NE(said.find("leaving at once"), std::string::npos) << said;
    ::unlink(name);
}

TEST_F(Served, WhatIsHeldPassesWhenTheServerLeaves) {
    ASSERT_EQ(mount("src", "mnt").code, 0);
    // 8 MiB at 100 KiB per second: held until somebody lets it pass.
    ASSERT_EQ(run({"set", root_ + "/mnt", "max", "100K"}).code, 0);
    const std::string text(8 << 20, 'x');
    std::thread writer([&] {
        const UniqueFd file(::open((root_ + "/mnt/big").c_str(), O_WRONLY | O_CREAT | O_SYNC | O_CLOEXEC, 0644));
        EXPECT_EQ(::write(file.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
    });
    EXPECT_TRUE(eventually([&] {
        const auto status = nlohmann::json::parse(read("mnt/.bandfs/status.json"), nullptr, false);
        return status.is_object() && status["groups"][0]["held"] > 0;
    }));
    EXPECT_EQ(::kill(server(), SIGTERM), 0);
    writer.join();
    EXPECT_TRUE(eventually([this] { return mounts().empty(); }));
    EXPECT_EQ(fs::file_size(root_ + "/src/big"), text.size());
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
    EXPECT_FALSE(has_ended(pid));
    open_file.reset();
    EXPECT_TRUE(eventually([=] { return has_ended(pid); }));
}

TEST_F(Served, TheForegroundStaysUntilTheMountIsGone) {
    const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    Words first = words("src", "mnt"), second = words("src2", "mnt2");
    first.push_back("-f");
    second.push_back("-f");
    const pid_t serving = start(first, null.get());
    ASSERT_TRUE(eventually([this] { return is_served("mnt"); }));
    EXPECT_EQ(server(), serving);
    const pid_t staying = start(second, null.get());
    ASSERT_TRUE(eventually([this] { return is_served("mnt2"); }));
    EXPECT_EQ(read("mnt2/b"), "two");
    EXPECT_TRUE(unmount("mnt2"));
    EXPECT_EQ(wait_for(staying), 0);
    EXPECT_EQ(read("mnt/a"), "one");
    ::kill(serving, SIGINT);
    EXPECT_EQ(wait_for(serving), 0);
    EXPECT_TRUE(mounts().empty());
}

TEST_F(Served, TheForegroundSaysThatItsServerDied) {
    ASSERT_EQ(mount("src", "mnt").code, 0);
    const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    Words second = words("src2", "mnt2", "attr_timeout=3600");
    second.push_back("-f");
    const pid_t staying = start(second, null.get());
    ASSERT_TRUE(eventually([this] { return is_served("mnt2"); }));
    EXPECT_TRUE(fs::is_directory(root_ + "/mnt2")) << "which the kernel remembers";
    ::kill(server(), SIGKILL);
    EXPECT_EQ(wait_for(staying), static_cast<int>(ExitCode::server));
    EXPECT_TRUE(unmount("mnt2"));
    EXPECT_TRUE(unmount("mnt"));
    ASSERT_EQ(mount("src", "mnt").code, 0) << "and takes what it left in /run/bandfs";
    EXPECT_TRUE(unmount("mnt"));
}

TEST_F(Served, TheForegroundFailsWithTheCodeOfItsMount) {
    Words command = words("src", "src/a");
    command.push_back("-f");
    EXPECT_EQ(run(command).code, static_cast<int>(ExitCode::mountpoint));
    command = words("src", "mnt", "max_read=4096,policy=nonsense");
    command.push_back("-f");
    EXPECT_EQ(run(command).code, static_cast<int>(ExitCode::usage));
}

TEST_F(Served, SaysWhatTheControlDirectoryHides) {
    fs::create_directory(root_ + "/src/.bandfs");
    const Ran ran = mount("src", "mnt");
    const std::string hidden =
        root_ + "/src/.bandfs is hidden by the control directory; option control=NAME gives that another name\n";
    EXPECT_EQ(ran.code, 0);
    EXPECT_EQ(ran.said, "bandfs: " + hidden);
    EXPECT_NE(read("mnt/.bandfs/log").find(hidden), std::string::npos) << read("mnt/.bandfs/log");
    EXPECT_EQ(mount("src2", "mnt2").said, "");
}

TEST_F(Served, AMessageMayBeSeveralWordsAndTheConfigIsAFile) {
    ASSERT_EQ(mount("src", "mnt", "type=user").code, 0);
    const std::string place = root_ + "/mnt";
    EXPECT_EQ(run({"set", place, "attach", "3000"}).code, 0);
    EXPECT_EQ(run({"set", place, "attach", "3001", "parent=3000"}).code, 0);
    EXPECT_EQ(read("mnt/.bandfs/groups/3001/parent"), "3000\n");
    EXPECT_EQ(run({"set", place, "rules", "backup program=restic"}).code, 0) << "of no use yet, and kept";
    std::ofstream(root_ + "/in-force.toml") << read("mnt/.bandfs/config");
    const Ran checked = run({"check", root_ + "/in-force.toml"});
    EXPECT_EQ(checked.code, 0) << checked.said;
    const Ran alone = run({"set", "--control"});
    EXPECT_NE(alone.said.find("--control needs an argument"), std::string::npos) << alone.said;
}

TEST_F(Served, AMountPointOfAnyBytesIsToldAsItIs) {
    const std::string odd = "m\n\t\x01";
    fs::create_directory(root_ + "/" + odd);
    ASSERT_EQ(mount("src", odd).code, 0);
    const std::string config = read(odd + "/.bandfs/config");
    EXPECT_NE(config.find("m\\u000a\\u0009\\u0001\""), std::string::npos) << config;
}

TEST_F(Served, WhatAMountHadInForceGoesWithIt) {
    for (int i = 0; i < 30; ++i) {
        const Ran ran = mount("src", "mnt", "io_limit=" + std::to_string(64 + i));
        ASSERT_EQ(ran.code, 0) << ran.said;
        EXPECT_NE(read("mnt/.bandfs/table").find(" io_limit=" + std::to_string(64 + i)), std::string::npos);
        std::ofstream(root_ + "/mnt/written") << std::string(1 << 20, 'x');
        ASSERT_TRUE(unmount("mnt"));
        ASSERT_EQ(mount("src", "mnt").code, 0);
        ASSERT_NE(read("mnt/.bandfs/table").find(" io_limit=128"), std::string::npos) << read("mnt/.bandfs/table");
        ASSERT_TRUE(unmount("mnt"));
    }
}

TEST_F(Served, ASourceThatTheUserMayNotEnterIsRefused) {
    ::chmod((root_ + "/src").c_str(), 0700);
    const Ran ran = run(words("src", "mnt"), [] { (void)::setresuid(4711, 4711, 4711); });
    EXPECT_EQ(ran.code, static_cast<int>(ExitCode::source));
    EXPECT_EQ(ran.said, "bandfs: " + root_ + "/src: Permission denied\n");
}

}  // namespace
}  // namespace bandfs
