#include "oracle.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>

#include <gtest/gtest.h>

#include "rig.h"

namespace bandfs::mount_test {

const User kRoot{"root", 0, 0, {}};
const User kAlice{"alice", 2001, 2001, {2001, kCommonGroup}};
const User kBob{"bob", 2002, 2002, {2002}};

namespace {

using namespace std::chrono_literals;

constexpr auto kTimeLimit = 60s;  // of one run; a scenario that hangs fails by it
constexpr const char* kPartFailed = "a part of the scenario did not end as it should:";

struct Named {
    const char* suite;
    const char* name;
    Scenario scenario;
};

std::vector<Named>& scenarios() {
    static std::vector<Named> all;
    return all;
}

void become(const User& user) {
    if (setgroups(user.groups.size(), user.groups.data()) != 0 || setresgid(user.gid, user.gid, user.gid) != 0 ||
        setresuid(user.uid, user.uid, user.uid) != 0) {
        _exit(120);
    }
    prctl(PR_SET_DUMPABLE, 1);  // /proc/self stays readable
}

char type_letter(mode_t mode) {
    switch (mode & S_IFMT) {
        case S_IFREG:
            return '-';
        case S_IFDIR:
            return 'd';
        case S_IFLNK:
            return 'l';
        case S_IFIFO:
            return 'p';
        case S_IFSOCK:
            return 's';
        case S_IFCHR:
            return 'c';
        case S_IFBLK:
            return 'b';
        default:
            return '?';
    }
}

std::string formatted(const char* format, auto... values) {
    char text[512];
    snprintf(text, sizeof text, format, values...);
    return text;
}

/// The transcript of one run in a child process.
std::string transcript_of(const Named& named, const std::string& directory, const User& user) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return "no pipe";
    const pid_t child = fork();
    if (child == 0) {
        setpgid(0, 0);
        close(ends[0]);
        umask(022);
        if (chdir(directory.c_str()) != 0) _exit(121);
        become(user);
        Scene scene(directory, user, ends[1]);
        named.scenario(scene);
        _exit(0);
    }
    setpgid(child, child);
    close(ends[1]);
    std::string text;
    const auto deadline = std::chrono::steady_clock::now() + kTimeLimit;
    for (;;) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
        pollfd event{ends[0], POLLIN, 0};
        if (left.count() <= 0 || poll(&event, 1, static_cast<int>(left.count())) == 0) {
            kill(-child, SIGKILL);
            text += "\ntook more than a minute\n";
            break;
        }
        char buffer[65536];
        const ssize_t n = read(ends[0], buffer, sizeof buffer);
        if (n <= 0) break;
        text.append(buffer, static_cast<std::size_t>(n));
    }
    close(ends[0]);
    int status = 0;
    if (!wait_until([&] { return waitpid(child, &status, WNOHANG) == child; })) {
        kill(-child, SIGKILL);
        return text + "hangs in the kernel\n";
    }
    if (status != 0) text += formatted("ended with status 0x%x\n", status);
    return text;
}

/// The directory of one run, new and the user's own.
std::string make_directory(const std::string& parent, const std::string& name, const User& user) {
    const std::string path = parent + "/" + name;
    if (mkdir(path.c_str(), 0755) != 0) {
        ADD_FAILURE() << path << ": " << strerror(errno);
    }
    if (chown(path.c_str(), user.uid, user.gid) != 0) {
        ADD_FAILURE() << path << ": " << strerror(errno);
    }
    return path;
}

/// What all scenarios of this process share.
struct World {
    explicit World(const std::string& type)
        : backing(janitor, type), mount(janitor, backing.below(), "allow_other,default_permissions,suid,dev") {}
    Janitor janitor;
    BackingFs backing;
    BandfsMount mount;
};
std::unique_ptr<World> world;

class WorldEnvironment : public testing::Environment {
public:
    explicit WorldEnvironment(std::string type) : type_(std::move(type)) {}
    void SetUp() override {
        if (why_no_mounts().empty()) world = std::make_unique<World>(type_);
    }
    void TearDown() override {
        if (!world) return;
        EXPECT_TRUE(world->mount.unmount()) << "the mount stays busy after every scenario has ended";
        world.reset();
    }

private:
    const std::string type_;
};

class ScenarioTest : public testing::Test {
public:
    ScenarioTest(const Named& named, const User& user) : named_(named), user_(user) {}
    void TestBody() override {
        if (const std::string reason = why_no_mounts(); !reason.empty()) GTEST_SKIP() << reason;
        const std::string name = std::string(named_.suite) + "." + named_.name + "." + user_.name;
        const std::string bare = transcript_of(named_, make_directory(world->backing.bare(), name, user_), user_);
        const std::string through = transcript_of(named_, make_directory(world->mount.path(), name, user_), user_);
        EXPECT_FALSE(bare.empty()) << "the scenario says nothing";
        EXPECT_EQ(bare.find(kPartFailed), std::string::npos) << bare;
        EXPECT_EQ(bare, through) << "on the bare file system, and through bandfs";
    }

private:
    const Named& named_;
    const User& user_;
};

void register_scenarios(const std::string& type) {
    for (const Named& named : scenarios()) {
        for (const User* user : {&kRoot, &kAlice, &kBob}) {
            const std::string suite = std::string(named.suite) + "_" + type;
            const std::string name = std::string(named.name) + "_" + user->name;
            testing::RegisterTest(suite.c_str(), name.c_str(), nullptr, nullptr, __FILE__, __LINE__,
                                  [&named, user]() -> testing::Test* { return new ScenarioTest(named, *user); });
        }
    }
}

}  // namespace

Registration::Registration(const char* suite, const char* name, Scenario scenario) {
    scenarios().push_back({suite, name, scenario});
}

void Scene::say(const std::string& line) {
    const std::string text = line + "\n";
    if (write(transcript_, text.data(), text.size()) != static_cast<ssize_t>(text.size())) _exit(122);
}

std::int64_t Scene::said(const char* call, std::int64_t answer) {
    const int error = errno;
    say(std::string(call) + " = " + (answer == -1 ? strerrorname_np(error) : std::to_string(answer)));
    errno = error;
    return answer;
}

void Scene::see(const std::string& path) {
    struct stat attr {};
    if (lstat(path.c_str(), &attr) != 0) return say(path + ": " + strerrorname_np(errno));
    say(formatted("%s: %c%04o links %lu owner %u:%u size %lld", path.c_str(), type_letter(attr.st_mode),
                  attr.st_mode & 07777, static_cast<unsigned long>(attr.st_nlink), attr.st_uid, attr.st_gid,
                  static_cast<long long>(S_ISDIR(attr.st_mode) ? 0 : attr.st_size)));
}

void Scene::see_names(const std::string& path) {
    DIR* directory = opendir(path.c_str());
    if (!directory) return say(path + ": " + strerrorname_np(errno));
    std::vector<std::string> names;
    while (const dirent* entry = readdir(directory)) {
        names.push_back(std::string(entry->d_name) + " " + type_letter(static_cast<mode_t>(DTTOIF(entry->d_type))));
    }
    closedir(directory);
    std::sort(names.begin(), names.end());
    std::string line = path + " holds:";
    for (const std::string& name : names) line += " " + name;
    say(line);
}

void Scene::see_content(const std::string& path) {
    const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) return say(path + ": " + strerrorname_np(errno));
    std::uint64_t sum = 14695981039346656037u, size = 0;  // FNV-1a
    static char buffer[1 << 17];
    ssize_t n = 0;
    while ((n = read(file, buffer, sizeof buffer)) > 0) {
        size += static_cast<std::uint64_t>(n);
        for (ssize_t i = 0; i < n; ++i) sum = (sum ^ static_cast<unsigned char>(buffer[i])) * 1099511628211u;
    }
    say(n < 0 ? path + ": " + strerrorname_np(errno)
              : formatted("%s: %llu bytes, sum %016llx", path.c_str(), static_cast<unsigned long long>(size),
                          static_cast<unsigned long long>(sum)));
    close(file);
}

bool Scene::begin_as(const User& user) {
    child_ = fork();
    if (child_ != 0) return false;
    if (user_.uid != user.uid) {
        if (user_.uid != 0) _exit(0);  // only root can become somebody else; nothing is said in either run
        become(user);
    }
    return true;
}

void Scene::end_as() {
    int status = 0;
    waitpid(child_, &status, 0);
    if (status != 0) say(formatted("%s 0x%x", kPartFailed, status));
}

void Scene::leave() {
    _exit(0);
}

// A word at a time: under thread sanitizer each store has its price.
std::string pattern(std::size_t bytes, unsigned seed) {
    std::vector<std::uint64_t> words(bytes / sizeof(std::uint64_t) + 1);
    std::uint64_t state = seed * 2654435761u + 1;
    for (std::uint64_t& word : words) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        word = state;
    }
    return std::string(reinterpret_cast<const char*>(words.data()), bytes);
}

int run_scenarios(const std::string& type) {
    signal(SIGPIPE, SIG_IGN);
    register_scenarios(type);
    testing::AddGlobalTestEnvironment(new WorldEnvironment(type));
    return RUN_ALL_TESTS();
}

}  // namespace bandfs::mount_test
