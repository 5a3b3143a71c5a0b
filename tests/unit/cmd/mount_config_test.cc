// A configuration file and the options of a command, put together.
#include "cmd/mount_config.h"

#include <unistd.h>

#include <fstream>

#include <gtest/gtest.h>

namespace bandfs {
namespace {

class MountConfigFile : public testing::Test {
protected:
    MountConfigFile() {
        char name[] = "/tmp/bandfs-config-XXXXXX";
        ::close(::mkstemp(name));
        path_ = name;
    }
    ~MountConfigFile() override { ::unlink(path_.c_str()); }

    void write(const std::string& text) { std::ofstream(path_) << text; }

    AskedMount asked(const std::string& options) const {
        return {"/srv/a", "/mnt/a", split_options("config=" + path_ + (options.empty() ? "" : "," + options))};
    }

    /// The request in device group "disk"; the failure's message when there is none.
    MountRequest request(const std::string& options, std::string* ret_message = nullptr) const {
        const auto config = MountConfig::read(asked(options), true);
        const auto request = config ? config->request("disk") : Outcome<MountRequest>(config.failure());
        if (ret_message != nullptr) *ret_message = request ? "" : request.failure().message;
        EXPECT_TRUE(request || ret_message != nullptr) << request.failure().message;
        return request ? *request : MountRequest();
    }
    std::string refusal(const std::string& options) const {
        std::string message;
        request(options, &message);
        return message;
    }

    std::string path_;
};

constexpr std::string_view kFile = R"(
[device_group.disk]
policy = "fair"
cost = "time"
io_limit = 64
[[mount]]
source = "/srv//a/"
mountpoint = "/mnt/./a"
device_group = "disk"
type = "user"
weight = 50
min = "1M"
attr_timeout = 0.1
options = "allow_other,fsname=x\\,y"
[[mount.group]]
id = 0
weight = 300
max = "2M"
owner = "root"
[[mount.group]]
id = 1000
parent = "root"
)";

TEST_F(MountConfigFile, SaysWhatOptionsSayAndMore) {
    write(std::string(kFile));
    const MountRequest made = request("");
    EXPECT_EQ(made.device.policy, "fair");
    EXPECT_EQ(made.device.cost, "time");
    EXPECT_EQ(made.device.io_limit, 64u);
    EXPECT_EQ(made.devgroup, "disk");
    EXPECT_EQ(made.type, GroupType::user);
    EXPECT_EQ(made.weight, 50u);
    EXPECT_EQ(made.mount.attr_timeout_s, 0.1);
    EXPECT_TRUE(made.allow_other);
    EXPECT_EQ(made.fsname, "x,y");
    EXPECT_EQ(made.wanted.weight, 50u);
    EXPECT_EQ(made.wanted.min, 1u << 20);
    ASSERT_EQ(made.wanted.groups.size(), 2u);
    EXPECT_EQ(made.wanted.groups[0].id, 0u);
    EXPECT_EQ(made.wanted.groups[0].weight, 300u);
    EXPECT_EQ(made.wanted.groups[0].max, 2u << 20);
    EXPECT_EQ(made.wanted.groups[0].owner, 0u);
    EXPECT_EQ(made.wanted.groups[1].parent, 0u);
    EXPECT_EQ(made.wanted.groups[1].weight, 100u);
}

TEST_F(MountConfigFile, OptionsOverrideIt) {
    write(std::string(kFile));
    const MountRequest made = request("io_limit=32,weight=7,group=root:9,group=5:6,attr_timeout=2");
    EXPECT_EQ(made.device.io_limit, 32u);
    EXPECT_EQ(made.wanted.weight, 7u);
    EXPECT_EQ(made.mount.attr_timeout_s, 2.0);
    ASSERT_EQ(made.wanted.groups.size(), 3u);
    EXPECT_EQ(made.wanted.groups[0].weight, 9u);
    EXPECT_EQ(made.wanted.groups[0].max, 2u << 20);
    EXPECT_EQ(made.wanted.groups[2].id, 5u);
    EXPECT_EQ(MountConfig::read(asked("devgroup=other"), true)->device_group(), "other");
}

TEST_F(MountConfigFile, FailuresNameTheFileAndThePlace) {
    write("[[mount]]\nsource = \"/srv/a\"\nmountpoint = \"/mnt/a\"\nwieght = 3\n");
    EXPECT_EQ(refusal(""), path_ + ":4:1: unknown key \"wieght\" in [[mount]]; did you mean \"weight\"?");
    write("");
    EXPECT_EQ(refusal(""), path_ + ": there is no [[mount]] with source /srv/a and mountpoint /mnt/a");
    EXPECT_TRUE(MountConfig::read(asked(""), false)) << "a mount that is there may leave the file";
    write(std::string(kFile));
    EXPECT_EQ(refusal("type=none"),
              "group 0 of the configuration file: '0' is no id of the type none (with " + path_ + ")");
    ::unlink(path_.c_str());
    EXPECT_EQ(refusal(""), path_ + ": No such file or directory");
}

TEST_F(MountConfigFile, NoneIsNone) {
    write(std::string(kFile));
    const auto config = MountConfig::read({"/srv/a", "/mnt/a", split_options("config=none")}, true);
    ASSERT_TRUE(config);
    EXPECT_FALSE(config->is_configured());
    EXPECT_EQ(config->device_group(), std::nullopt);
    EXPECT_EQ(config->request("disk")->device.io_limit, std::nullopt);
}

TEST(FurtherOptions, AreThoseThatHaveNoKey) {
    EXPECT_EQ(further_options(split_options("io_limit=5,allow_other,group=1:2,fsname=a\\,b,config=/x,ro")),
              "allow_other,fsname=a\\,b,ro");
}

}  // namespace
}  // namespace bandfs
