// Groups that come into being by themselves, and those that rules give, on real mounts with real callers.

#include <sys/fsuid.h>
#include <sys/prctl.h>

#include "served.h"

namespace bandfs {
namespace {

using namespace test;

class ServedGroups : public Served {
protected:
    void SetUp() override {
        Served::SetUp();
        if (root_.empty()) return;
        ::chmod((root_ + "/src").c_str(), 0777);
        fs::create_directory(root_ + "/src/sub");
        for (const char* name : {"/src/big", "/src/sub/big"}) std::ofstream(root_ + name) << std::string(100'000, 'x');
    }

    /// Another process reads a file past the page cache, as that user and under that name.
    void read_as(uid_t uid, const std::string& program, const std::string& file = "big") const {
        const std::string path = root_ + "/mnt/" + file;
        const pid_t child = ::fork();
        if (child == 0) {
            ::alarm(30);
            ::prctl(PR_SET_NAME, program.c_str());
            ::setfsuid(uid);
            const UniqueFd opened(::open(path.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC));
            alignas(4096) static char block[4096];
            ::_exit(::pread(opened.get(), block, sizeof block, 0) == sizeof block ? 0 : 1);
        }
        EXPECT_EQ(wait_for(child), 0);
    }
    std::string stat(const std::string& group, const std::string& key) const {
        const std::string text = read("mnt/.bandfs/groups/" + group + "/stat");
        const std::size_t at = text.find(key + " ");
        return at == std::string::npos ? "none"
                                       : text.substr(at + key.size() + 1, text.find('\n', at) - at - key.size() - 1);
    }
};

TEST_F(ServedGroups, UsersGetGroupsByThemselves) {
    const Ran ran = mount("src", "mnt", "allow_other,type=user,auto=30,group=7:9");
    ASSERT_EQ(ran.code, 0) << ran.said;
    read_as(1234, "a");
    read_as(7, "a");
    EXPECT_EQ(read("mnt/.bandfs/groups/1234/weight"), "30\n");
    EXPECT_EQ(stat("1234", "read.bytes_done"), "4096");
    EXPECT_EQ(stat("7", "read.bytes_done"), "4096");
    EXPECT_EQ(read("mnt/.bandfs/groups/7/weight"), "9\n");
    ASSERT_EQ(run({"set", root_ + "/mnt", "weight", "4321:5"}).code, 0);
    EXPECT_EQ(read("mnt/.bandfs/groups/4321/weight"), "5\n");
    EXPECT_NE(read("mnt/.bandfs/status.json").find("\"auto\": 30"), std::string::npos);
    const std::string config = read("mnt/.bandfs/config");
    EXPECT_NE(config.find("auto = 30\n"), std::string::npos) << config;
    EXPECT_EQ(config.find("1234"), std::string::npos) << config;
    std::ofstream(root_ + "/in-force.toml") << config;
    const Ran checked = run({"check", root_ + "/in-force.toml"});
    EXPECT_EQ(checked.code, 0) << checked.said << config;
}

TEST_F(ServedGroups, RulesGiveGroupsByProgramUserAndPath) {
    std::ofstream(root_ + "/rules.toml") << "[[mount]]\nsource = \"" + root_ + "/src\"\nmountpoint = \"" + root_ +
                                                "/mnt\"\ntype = \"rules\"\n"
                                                "options = \"allow_other,devgroup=" +
                                                group_ +
                                                "\"\n"
                                                "[[mount.rule]]\ngroup = \"backup\"\nprogram = \"rest*\"\n"
                                                "[[mount.rule]]\ngroup = \"below\"\npath = \"/sub/*\"\n"
                                                "[[mount.rule]]\ngroup = \"alice\"\nuid = 1234\n"
                                                "[[mount.group]]\nid = \"backup\"\nweight = 10\n[[mount.group]]\nid = "
                                                "\"alice\"\n[[mount.group]]\nid = \"below\"\n";
    const Ran ran = run({root_ + "/src", root_ + "/mnt", "-o", "config=" + root_ + "/rules.toml"});
    ASSERT_EQ(ran.code, 0) << ran.said;
    read_as(1234, "restic");
    read_as(1234, "vi");
    read_as(1234, "vi", "sub/big");
    read_as(0, "vi");
    for (const char* group : {"backup", "alice", "below", "default"}) {
        EXPECT_EQ(stat(group, "read.bytes_done"), "4096") << group;
    }
    EXPECT_EQ(read("mnt/.bandfs/groups/backup/members"), "backup program=rest*\n");
    ASSERT_EQ(run({"set", root_ + "/mnt", "rules", "alice program=vi"}).code, 0);
    read_as(0, "vi");
    EXPECT_EQ(stat("alice", "read.bytes_done"), "8192");
    const std::string config = read("mnt/.bandfs/config");
    std::ofstream(root_ + "/in-force.toml") << config;
    const Ran checked = run({"check", root_ + "/in-force.toml"});
    EXPECT_EQ(checked.code, 0) << checked.said << config;
}

TEST_F(ServedGroups, APathIsKnownWhateverBecameOfTheNames) {
    ASSERT_EQ(mount("src", "mnt", "type=rules,group=below:30").code, 0);
    ASSERT_EQ(run({"set", root_ + "/mnt", "rules", "below path=/sub/*"}).code, 0);
    const auto file = [this](const std::string& name) {
        return UniqueFd(::open((root_ + "/mnt/sub/" + name).c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC));
    };
    alignas(4096) static char block[4096];
    fs::create_hard_link(root_ + "/src/sub/big", root_ + "/src/other");
    const UniqueFd linked = file("big");
    ASSERT_EQ(::unlink((root_ + "/mnt/sub/big").c_str()), 0);
    EXPECT_EQ(::pread(linked.get(), block, sizeof block, 0), 4096);
    EXPECT_EQ(stat("below", "read.bytes_done"), "4096") << "a removed name, of a file that has others";

    std::ofstream(root_ + "/src/sub/last") << std::string(100'000, 'x');
    const UniqueFd last = file("last");
    ASSERT_EQ(::unlink((root_ + "/mnt/sub/last").c_str()), 0);
    EXPECT_EQ(::pread(last.get(), block, sizeof block, 0), 4096);
    EXPECT_EQ(stat("below", "read.bytes_done"), "8192") << "the only name";

    ASSERT_EQ(run({"set", root_ + "/mnt", "rules", "below path=/sub/big"}).code, 0);
    EXPECT_EQ(::pread(linked.get(), block, sizeof block, 0), 4096);
    EXPECT_EQ(stat("below", "read.bytes_done"), "12288") << "no other name is known of it";
    ASSERT_EQ(run({"set", root_ + "/mnt", "rules", "below path=/sub/kept"}).code, 0);
    std::ofstream(root_ + "/src/sub/kept (deleted)") << std::string(100'000, 'x');
    const UniqueFd kept = file("kept (deleted)");
    EXPECT_EQ(::pread(kept.get(), block, sizeof block, 0), 4096);
    EXPECT_EQ(stat("below", "read.bytes_done"), "12288") << "that is its name";
    ASSERT_EQ(run({"set", root_ + "/mnt", "rules", "below path=/sub/*"}).code, 0);

    fs::rename(root_ + "/src", root_ + "/elsewhere");
    std::ofstream(root_ + "/elsewhere/sub/new") << std::string(100'000, 'x');
    const UniqueFd moved = file("new");
    EXPECT_EQ(::pread(moved.get(), block, sizeof block, 0), 4096);
    EXPECT_EQ(stat("below", "read.bytes_done"), "16384") << "SOURCE has moved";
    fs::rename(root_ + "/elsewhere", root_ + "/src");
}

}  // namespace
}  // namespace bandfs
