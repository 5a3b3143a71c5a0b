// Many things at once while weights change: data that fio verifies, and names and files whose end is known.
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <future>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "oracle.h"
#include "rig.h"
#include "sequence.h"

namespace bandfs::mount_test {
namespace {

/// Attaches, detaches and weighs the groups of two users, until it is destroyed.
class ChangingWeights {
public:
    explicit ChangingWeights(const BandfsMount& mount) : mount_(mount), thread_([this] { change(); }) {}
    ~ChangingWeights() {
        ends_ = true;
        thread_.join();
        EXPECT_GT(changes_, 0) << "no weight could be set";
    }

private:
    void change() {
        for (unsigned i = 0; !ends_; ++i) {
            const std::string user = i % 2 ? "2001" : "2002";
            mount_.message(i % 7 == 6 ? "detach" : "attach", user);
            if (mount_.message("weight", user + ":" + std::to_string(1 + i * 37 % 1000)) == 0) ++changes_;
            mount_.message("weight", "default:" + std::to_string(1 + i * 11 % 500));
        }
    }

    const BandfsMount& mount_;
    std::atomic<bool> ends_{false};
    int changes_ = 0;
    std::thread thread_;
};

class Stress : public testing::Test {
protected:
    void SetUp() override {
        if (const std::string reason = why_no_mounts(); !reason.empty()) GTEST_SKIP() << reason;
        backing_ = std::make_unique<BackingFs>(janitor_, "ext4");
        mount_ = std::make_unique<BandfsMount>(
            janitor_, backing_->below(),
            "allow_other,type=user,dirty=2,suid,devgroup=stress" + std::to_string(getpid()));
    }
    void TearDown() override {
        if (chdir("/") != 0) FAIL() << strerrorname_np(errno);
        if (mount_) {
            EXPECT_TRUE(mount_->unmount());
        }
    }

    Janitor janitor_;
    std::unique_ptr<BackingFs> backing_;
    std::unique_ptr<BandfsMount> mount_;
};

/// As this user, in the current directory: every block is read back and its checksum compared.
std::string fio_as(const std::string& id, std::vector<std::string> jobs) {
    std::vector<std::string> command{
        "setpriv",       "--reuid=" + id,       "--regid=" + id,    "--clear-groups",       "fio",
        "--minimal",     "--directory=.",       "--size=6M",        "--verify=crc32c",      "--verify_fatal=1",
        "--do_verify=1", "--verify_backlog=64", "--fallocate=none", "--bsrange=4096-65536", "--rw=randwrite"};
    command.insert(command.end(), jobs.begin(), jobs.end());
    return output_of(command);
}

TEST_F(Stress, FioFindsWhatItWrote) {
    if (run({"fio", "--version"}) != 0) GTEST_SKIP() << "fio is missing";
    ASSERT_EQ(chdir(mount_->path().c_str()), 0);
    const ChangingWeights weights(*mount_);
    auto one = std::async(std::launch::async, fio_as, "2001",
                          std::vector<std::string>{"--name=buffered", "--ioengine=psync", "--bsrange=512-65536",
                                                   "--bs_unaligned=1", "--name=mapped", "--ioengine=mmap"});
    auto other =
        std::async(std::launch::async, fio_as, "2002",
                   std::vector<std::string>{"--name=synced", "--ioengine=psync", "--fsync=16", "--size=2M",
                                            "--name=direct", "--ioengine=libaio", "--iodepth=8", "--direct=1"});
    EXPECT_NO_THROW(EXPECT_EQ(one.get().find("verify:"), std::string::npos));
    EXPECT_NO_THROW(EXPECT_EQ(other.get().find("verify:"), std::string::npos));
}

/// One of those who work at once: his files have names of his own and known content, those in common/ are anybody's.
class Worker {
public:
    Worker(std::string top, unsigned number)
        : top_(std::move(top)), own_(top_ + "/" + std::to_string(number)), random_(number) {}

    /// What he found wrong, nothing mostly.
    std::string work(int rounds) {
        if (mkdir(own_.c_str(), 0777) != 0) return "mkdir " + own_;
        for (int i = 0; i < rounds; ++i) {
            disturb();
            const unsigned file = random_() % 8;
            if (const std::string wrong = rewrite(own_ + "/" + std::to_string(file), static_cast<unsigned>(random_()));
                !wrong.empty())
                return wrong;
        }
        return "";
    }

private:
    std::string any() { return top_ + "/common/" + std::to_string(random_() % 12); }

    /// In the directory that all share; whatever the answer is.
    void disturb() {
        const std::string a = any(), b = any();
        switch (random_() % 8) {
            case 0:
                rename(a.c_str(), b.c_str());
                break;
            case 1:
                unlink(a.c_str());
                break;
            case 2:
                if (mkdir(a.c_str(), 0777) != 0) rmdir(a.c_str());
                break;
            case 3:
                (void)!link(a.c_str(), b.c_str());
                break;
            case 4:
                (void)!truncate(a.c_str(), static_cast<off_t>(random_() % 100000));
                break;
            case 5:
                (void)!symlink("..", a.c_str());
                break;
            case 6:
                if (DIR* const directory = opendir((top_ + "/common").c_str())) {
                    while (readdir(directory)) {
                    }
                    closedir(directory);
                }
                break;
            default: {
                const int file = open(a.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW, 0666);
                const std::string text = pattern(random_() % 50000, 7);
                (void)!write(file, text.data(), text.size());
                close(file);
            }
        }
    }

    /// A new file under a temporary name, renamed over the old one, as programs save; then read back.
    std::string rewrite(const std::string& name, unsigned seed) {
        const std::string text = pattern(1 + seed % 60000, seed);
        const std::string temporary = name + ".new";
        const int file = open(temporary.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0644);
        if (write(file, text.data(), text.size()) != static_cast<ssize_t>(text.size())) return "write " + temporary;
        if (seed % 5 == 0 && fsync(file) != 0) return "fsync " + temporary;
        close(file);
        if (rename(temporary.c_str(), name.c_str()) != 0) return "rename to " + name;
        std::ifstream stream(name, std::ios::binary);
        const std::string found((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
        return found == text ? "" : "content of " + name;
    }

    const std::string top_, own_;
    std::mt19937 random_;
};

TEST_F(Stress, EverythingAtOnceEndsAsBelow) {
    const char* const soak = getenv("BANDFS_SOAK");
    const int rounds = soak && strcmp(soak, "yes") == 0 ? 5000 : 250;
    const std::string common = mount_->path() + "/common";
    ASSERT_EQ(mkdir(common.c_str(), 0777), 0);
    ASSERT_EQ(chmod(common.c_str(), 0777), 0);
    std::vector<pid_t> workers;
    {
        const ChangingWeights weights(*mount_);
        for (unsigned number = 0; number < 6; ++number) {
            workers.push_back(fork());
            if (workers.back() != 0) continue;
            const uid_t id = number % 3 == 0 ? 0 : 2000 + number % 3;
            // Inside: an ordinary user may not reach the mount by its path everywhere.
            if (chdir(mount_->path().c_str()) != 0 || setgroups(0, nullptr) != 0 || setgid(id) != 0 || setuid(id) != 0)
                _exit(2);
            const std::string wrong = Worker(".", number).work(rounds);
            if (!wrong.empty()) fprintf(stderr, "%s: %s\n", wrong.c_str(), strerror(errno));
            _exit(wrong.empty() ? 0 : 1);
        }
        for (const pid_t worker : workers) {
            int status = -1;
            EXPECT_TRUE(
                wait_until([&] { return waitpid(worker, &status, WNOHANG) == worker; }, std::chrono::seconds(240)))
                << "hangs";
            EXPECT_EQ(status, 0);
        }
    }
    // What the mount shows is what is below it, the control directory aside.
    ASSERT_EQ(chdir(mount_->path().c_str()), 0);
    std::string through = picture_of_tree();
    ASSERT_EQ(chdir(backing_->below().c_str()), 0);
    const std::string below = picture_of_tree();
    ASSERT_EQ(chdir("/"), 0);
    for (std::size_t at = 0; (at = through.find("./.bandfs")) != std::string::npos;)
        through.erase(at, through.find('\n', at) + 1 - at);
    EXPECT_EQ(below, through);
}

}  // namespace
}  // namespace bandfs::mount_test
