// tests/mount/oracle.h - the backing file system as the oracle: what a program sees on it, it must see through bandfs.
//
// A scenario is a program of system calls that writes down what it sees. It runs as root and as two ordinary users,
// each time twice and in a new directory: on the bare file system and through bandfs. The two transcripts must be
// equal.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace bandfs::mount_test {

/// Who runs a scenario.
struct User {
    const char* name;
    uid_t uid;
    gid_t gid;
    std::vector<gid_t> groups;  ///< supplementary
};

inline constexpr gid_t kCommonGroup = 3000;  ///< alice is in it
extern const User kRoot, kAlice, kBob;

/// What one run of a scenario works with: its own process, its own directory (the current one), umask 022.
class Scene {
public:
    Scene(std::string directory, const User& user, int transcript)
        : directory_(std::move(directory)), user_(user), transcript_(transcript) {}

    const std::string& directory() const { return directory_; }
    const User& user() const { return user_; }

    /// Appends a line to the transcript.
    void say(const std::string& line);
    /// Appends what a call answered, -1 as the name of its errno. Returns the answer; errno stays.
    std::int64_t said(const char* call, std::int64_t answer);
    /// Appends type, mode, link count, owner, group and size, the errno when there is no such file. Links are not
    /// followed.
    void see(const std::string& path);
    /// Appends the names in a directory, sorted, with their types.
    void see_names(const std::string& path);
    /// Appends the size of a file and a checksum of its content.
    void see_content(const std::string& path);
    /// Runs `part` in a child process as another user, in this directory; its lines are part of the transcript.
    template <typename Part>
    void as(const User& user, Part part) {
        if (begin_as(user)) {
            part();
            leave();
        }
        end_as();
    }

private:
    bool begin_as(const User& user);
    void end_as();
    [[noreturn]] void leave();

    const std::string directory_;
    const User& user_;
    const int transcript_;
    pid_t child_ = -1;
};

using Scenario = void (*)(Scene& scene);

/// Adds a scenario to those that main() registers with GoogleTest.
struct Registration {
    Registration(const char* suite, const char* name, Scenario scenario);
};

/// Runs every scenario on a new file system of this type, as every user; the exit code.
int run_scenarios(const std::string& type);

/// A pattern that differs at every position and with every seed.
std::string pattern(std::size_t bytes, unsigned seed);

}  // namespace bandfs::mount_test

/// Defines a scenario; its body has `scene`.
#define SCENARIO(suite, name)                                                                                     \
    static void suite##_##name(::bandfs::mount_test::Scene& scene);                                               \
    static const ::bandfs::mount_test::Registration suite##_##name##_registration(#suite, #name, suite##_##name); \
    static void suite##_##name([[maybe_unused]] ::bandfs::mount_test::Scene& scene)

/// Makes a call and writes it down with its answer.
#define DO(call) scene.said(#call, (call))
