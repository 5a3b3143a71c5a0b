// Configuration files of real mounts: mounting by one, applying a changed one while callers read and write, and that a
// wrong one changes nothing.

#include <atomic>
#include <thread>

#include "served.h"

namespace bandfs {
namespace {

using namespace test;

class ServedConfig : public Served {
protected:
    void SetUp() override {
        Served::SetUp();
        file_ = root_ + "/bandfs.toml";
    }

    std::string mount_text(const std::string& more, const std::string& source = "src",
                           const std::string& mountpoint = "mnt") const {
        return "[[mount]]\nsource = \"" + root_ + "/" + source + "\"\nmountpoint = \"" + root_ + "/" + mountpoint +
               "\"\ndevice_group = \"" + group_ + "\"\n" + more;
    }
    std::string device_text(const std::string& more) const { return "[device_group." + group_ + "]\n" + more; }
    void write(const std::string& text) const {
        std::ofstream(file_ + ".new") << text;
        fs::rename(file_ + ".new", file_);
    }
    Ran mount_by_file(const std::string& source = "src", const std::string& mountpoint = "mnt",
                      const std::string& more = "") const {
        return run({root_ + "/" + source, root_ + "/" + mountpoint, "-o",
                    "config=" + file_ + (more.empty() ? "" : "," + more)});
    }
    std::string table(const std::string& mountpoint = "mnt") const { return read(mountpoint + "/.bandfs/table"); }

    std::string file_;
};

TEST_F(ServedConfig, CheckSaysWhatIsWrongAndWhere) {
    write(device_text("") + mount_text("type = \"user\"\n"));
    const Ran right = run({"check", file_});
    EXPECT_EQ(right.code, 0) << right.said;
    EXPECT_EQ(right.said, "");
    write(device_text("io_trottle = 4\n") + mount_text("weight = 0\n"));
    const Ran wrong = run({"check", file_});
    EXPECT_EQ(wrong.code, static_cast<int>(ExitCode::config));
    EXPECT_EQ(wrong.said, file_ + ":2:1: unknown key \"io_trottle\" in [device_group." + group_ +
                              "]; did you mean \"io_throttle\"?\n" + file_ +
                              ":7:10: \"weight\" must be 1 to 1000000\n");
    write(device_text("") + mount_text("options = \"allow_othr\"\n"));
    EXPECT_EQ(run({"check", file_}).said,
              file_ + ":6:11: option allow_othr: there is no such option; did you mean allow_other?\n");
    write(device_text("policy = \"weight\"\n") + mount_text("min = \"1M\"\n"));
    const Ran impossible = run({"check", file_});
    EXPECT_EQ(impossible.said, file_ + ":7:7: the policy weight has no min and max\n");
    EXPECT_EQ(run({"check", root_ + "/none"}).said, root_ + "/none: No such file or directory\n");
    EXPECT_EQ(run({"check", root_ + "/none"}).code, static_cast<int>(ExitCode::config));
}

TEST_F(ServedConfig, AMountIsMadeByItsFileAndOptionsOverrideIt) {
    write(device_text("io_limit = 64\npolicy = \"fair\"\n") +
          mount_text("type = \"user\"\nweight = 50\n[[mount.group]]\nid = 0\nweight = 300\n"
                     "[[mount.group]]\nid = 1000\nparent = 0\n") +
          mount_text("type = \"user\"\n", "src2", "mnt2"));
    const Ran ran = mount_by_file();
    ASSERT_EQ(ran.code, 0) << ran.said;
    EXPECT_NE(table().find("io_limit=64"), std::string::npos) << table();
    EXPECT_NE(table().find(" id=default type=user weight=50 "), std::string::npos) << table();
    EXPECT_NE(table().find(" id=0 weight=300 "), std::string::npos) << table();
    EXPECT_EQ(read("mnt/.bandfs/groups/1000/parent"), "0\n");
    ASSERT_EQ(mount_by_file("src2", "mnt2", "weight=7,group=5:6").code, 0);
    EXPECT_NE(table("mnt2").find("weight=7 "), std::string::npos) << table("mnt2");
    EXPECT_NE(table("mnt2").find(" id=5 weight=6 "), std::string::npos) << table("mnt2");
}

TEST_F(ServedConfig, AWrongFileMountsNothing) {
    write(device_text("") + mount_text("wieght = 5\n"));
    const Ran ran = mount_by_file();
    EXPECT_EQ(ran.code, static_cast<int>(ExitCode::config));
    EXPECT_EQ(ran.said, "bandfs: " + file_ + ":6:1: unknown key \"wieght\" in [[mount]]; did you mean \"weight\"?\n");
    write(device_text(""));
    EXPECT_EQ(mount_by_file().code, static_cast<int>(ExitCode::config));
    write(device_text("") + mount_text("options = \"config=none\"\n"));
    const Ran another = mount_by_file();
    EXPECT_EQ(another.code, static_cast<int>(ExitCode::config));
    EXPECT_EQ(another.said, "bandfs: " + file_ + ":6:11: option config: a file cannot name another\n");
    EXPECT_TRUE(mounts().empty());
}

TEST_F(ServedConfig, ReloadAppliesAChangedFileAndAWrongOneChangesNothing) {
    const std::string groups = "[[mount.group]]\nid = 0\nweight = ";
    write(device_text("io_limit = 64\n") + mount_text("type = \"user\"\n" + groups + "300\n"));
    ASSERT_EQ(mount_by_file().code, 0);
    ASSERT_EQ(run({"set", root_ + "/mnt", "attach", "77"}).code, 0);
    write(device_text("") + mount_text("", "src", "elsewhere"));
    const Ran without = run({"reload", group_});
    EXPECT_EQ(without.code, static_cast<int>(ExitCode::config)) << "the mount's own file must have it";
    EXPECT_NE(without.said.find("there is no [[mount]] with source " + root_ + "/src"), std::string::npos)
        << without.said;

    write(device_text("io_limit = 32\n") + mount_text("type = \"user\"\n" + groups + "200\n[[mount.group]]\nid = 5\n"));
    const Ran tried = run({"reload", "--check", root_ + "/mnt"});
    EXPECT_EQ(tried.code, 0) << tried.said;
    EXPECT_NE(table().find("io_limit=64"), std::string::npos) << "--check changes nothing: " << table();

    const Ran ran = run({"reload", root_ + "/mnt"});
    EXPECT_EQ(ran.code, 0) << ran.said;
    EXPECT_EQ(ran.said, tried.said);
    EXPECT_EQ(ran.said, "device group " + group_ + ": io_limit 64 -> 32\n" + root_ +
                            "/mnt: group 0: weight 300 -> 200\n" + root_ + "/mnt: group 5: attached, weight 100\n");
    const std::string changed = table();
    EXPECT_NE(changed.find("io_limit=32"), std::string::npos) << changed;
    EXPECT_NE(changed.find(" id=0 weight=200 "), std::string::npos) << changed;
    EXPECT_NE(changed.find(" id=77 "), std::string::npos) << "it came by message: " << changed;
    const std::string log = read("mnt/.bandfs/log");
    EXPECT_NE(log.find(" reload by uid 0, process "), std::string::npos) << log;
    EXPECT_NE(log.find(": group 0: weight 300 -> 200\n"), std::string::npos) << log;

    write(device_text("io_limit = 16\n") + mount_text("type = \"user\"\nwieght = 1\n" + groups + "1\n"));
    const Ran wrong = run({"reload", group_});
    EXPECT_EQ(wrong.code, static_cast<int>(ExitCode::config));
    EXPECT_NE(wrong.said.find(file_ + ":8:1: unknown key \"wieght\""), std::string::npos) << wrong.said;
    // Right by itself, and refused by the scheduler after it would have begun.
    write(device_text("io_limit = 16\npolicy = \"weight\"\n") +
          mount_text("type = \"user\"\n" + groups + "1\nmax = \"1M\"\n"));
    const Ran refused = run({"reload", group_});
    EXPECT_EQ(refused.code, static_cast<int>(ExitCode::config));
    EXPECT_NE(refused.said.find("the policy weight has no min and max"), std::string::npos) << refused.said;
    EXPECT_EQ(table(), changed);

    write(device_text("io_limit = 32\n") + mount_text("type = \"user\"\n" + groups + "201\n[[mount.group]]\nid = 5\n"));
    const Ran relative = run({"reload", "mnt"}, [this] { (void)::chdir(root_.c_str()); });
    EXPECT_NE(relative.said.find("weight 200 -> 201"), std::string::npos) << relative.said;
    EXPECT_EQ(run({"reload", root_ + "/src"}).code, static_cast<int>(ExitCode::no_mount));
    EXPECT_EQ(run({"reload", "no-such-group"}).code, static_cast<int>(ExitCode::no_mount));
}

TEST_F(ServedConfig, HangupReloadsAndAWrongFileIsNoHarm) {
    write(device_text("") + mount_text("type = \"user\"\nweight = 10\n"));
    ASSERT_EQ(mount_by_file().code, 0);
    const pid_t pid = server();
    write(device_text("") + mount_text("type = \"user\"\nweight = 20\n"));
    ASSERT_EQ(::kill(pid, SIGHUP), 0);
    EXPECT_TRUE(eventually([&] { return read("mnt/.bandfs/weight") == "20\n"; }));
    write("nonsense");
    ASSERT_EQ(::kill(pid, SIGHUP), 0);
    // The server takes its signals in turn, so what follows is after the wrong file.
    write(device_text("") + mount_text("type = \"user\"\nweight = 30\n"));
    ASSERT_EQ(::kill(pid, SIGHUP), 0);
    EXPECT_TRUE(eventually([&] {
        ::kill(pid, SIGHUP);
        return read("mnt/.bandfs/weight") == "30\n";
    }));
    EXPECT_EQ(server(), pid);
}

TEST_F(ServedConfig, NoRequestIsLostWhileFilesAreReloaded) {
    const auto text = [this](int round) {
        const std::string policy = round % 3 == 0 ? "weight" : "fair";
        std::string groups = "[[mount.group]]\nid = 0\nweight = " + std::to_string(100 + round) + "\n";
        if (round % 2 == 0) groups = "";
        return device_text("policy = \"" + policy + "\"\nio_throttle = 1\nio_limit = 2\n") +
               mount_text("type = \"user\"\nunit_size = 4096\n" + groups);
    };
    write(text(1));
    ASSERT_EQ(mount_by_file().code, 0);
    std::atomic<bool> over = false;
    std::atomic<int> rounds = 0;
    std::vector<std::thread> callers;
    for (int i = 0; i < 4; ++i) {
        callers.emplace_back([&, i] {
            const std::string path = root_ + "/mnt/f" + std::to_string(i);
            const UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_SYNC | O_CLOEXEC, 0644));
            std::vector<char> written(64 * 1024), got(written.size());
            for (char value = 0; !over; ++value, ++rounds) {
                std::fill(written.begin(), written.end(), value);
                ASSERT_EQ(::pwrite(file.get(), written.data(), written.size(), 0), std::ssize(written));
                ASSERT_EQ(::pread(file.get(), got.data(), got.size(), 0), std::ssize(got));
                ASSERT_EQ(got, written);
            }
        });
    }
    for (int round = 2; round < 30; ++round) {
        write(text(round));
        const Ran ran = run({"reload", group_});
        EXPECT_EQ(ran.code, 0) << ran.said;
    }
    const int before = rounds;
    EXPECT_TRUE(eventually([&] { return rounds > before + 8; })) << "callers do not come on";
    over = true;
    for (std::thread& caller : callers) caller.join();
}

}  // namespace
}  // namespace bandfs
