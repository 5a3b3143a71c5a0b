// Random sequences of system calls, on the bare file system and through bandfs: answers and trees must be equal.
//
// A sequence that shows a difference is made shorter, by leaving out steps as long as there still is one, and printed.
// SEQUENCE_SEED=N in the environment runs the sequence of that seed alone, SEQUENCES=N as many as wanted, and
// BANDFS_SOAK=yes some thousands.
#include <linux/falloc.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <sstream>

#include <gtest/gtest.h>

#include "rig.h"
#include "sequence.h"

namespace bandfs::mount_test {
namespace {

constexpr int kSteps = 60;  // of a sequence: enough for their effects to meet
constexpr std::uint64_t kUsual = 100, kSoak = 5000;

std::string type_under_test;

std::optional<std::uint64_t> number_from(const char* variable) {
    const char* const text = getenv(variable);
    return text ? std::optional<std::uint64_t>(strtoull(text, nullptr, 10)) : std::nullopt;
}

/// What a run in a process of its own says.
std::string transcript(const std::string& directory, const std::vector<Step>& steps, bool observant) {
    int ends[2];
    if (pipe(ends) != 0) return "no pipe";
    const pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        alarm(60);  // the default action ends it
        if (chdir(directory.c_str()) != 0) _exit(121);
        const std::string text = run_sequence(steps, observant);
        for (std::size_t at = 0; at < text.size();) {
            const ssize_t n = write(ends[1], text.data() + at, text.size() - at);
            if (n <= 0) _exit(122);
            at += static_cast<std::size_t>(n);
        }
        _exit(0);
    }
    close(ends[1]);
    std::string text;
    char buffer[65536];
    for (ssize_t n = 0; (n = read(ends[0], buffer, sizeof buffer)) > 0;)
        text.append(buffer, static_cast<std::size_t>(n));
    close(ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    if (status != 0) text += "ended with status " + std::to_string(status) + "\n";
    return text;
}

class Sequences : public testing::Test {
protected:
    void SetUp() override {
        if (const std::string reason = why_no_mounts(); !reason.empty()) GTEST_SKIP() << reason;
        backing_ = std::make_unique<BackingFs>(janitor_, type_under_test);
        mount_ = std::make_unique<BandfsMount>(janitor_, backing_->below(), "allow_other,default_permissions,suid,dev");
    }

    /// The first line that is not equal, nothing when all are.
    std::string difference(const std::vector<Step>& steps, bool observant) {
        const std::string name = std::to_string(++runs_);
        const std::string bare = in_new_directory(backing_->bare(), backing_->bare(), name, steps, observant);
        const std::string through = in_new_directory(mount_->path(), backing_->below(), name, steps, observant);
        std::istringstream left(bare), right(through);
        std::string a, b;
        while (bool(std::getline(left, a)) | bool(std::getline(right, b))) {
            if (a != b) return "  bare:    " + a + "\n  through: " + b + "\n";
            a.clear();
            b.clear();
        }
        return "";
    }

    /// Steps that still show a difference, none of which can be left out.
    std::vector<Step> shortest(std::vector<Step> steps, bool observant) {
        for (std::size_t piece = steps.size() / 2; piece > 0; piece = piece == 1 ? 0 : piece / 2) {
            for (std::size_t at = 0; at < steps.size();) {
                std::vector<Step> fewer = steps;
                const auto from = fewer.begin() + static_cast<std::ptrdiff_t>(at);
                fewer.erase(from, from + static_cast<std::ptrdiff_t>(std::min(piece, fewer.size() - at)));
                if (difference(fewer, observant).empty())
                    at += piece;
                else
                    steps = std::move(fewer);
            }
        }
        return steps;
    }

    void run(std::uint64_t seed) {
        const bool observant = seed % 2 == 0;
        std::vector<Step> steps = make_sequence(seed, kSteps);
        // Below, tmpfs refuses this one before it takes set-id bits off; the kernel's half of FUSE takes them off
        // first.
        if (type_under_test == "tmpfs") {
            std::erase_if(steps, [](const Step& step) {
                return step.call == Call::fallocate && (step.flags & FALLOC_FL_ZERO_RANGE) != 0;
            });
        }
        if (difference(steps, observant).empty()) return;
        const std::vector<Step> shorter = shortest(steps, observant);
        std::string report = difference(shorter, observant);
        if (report.empty()) report = "  not when it was repeated\n";
        for (const Step& step : shorter) report += "  " + text_of(step) + "\n";
        ADD_FAILURE() << "SEQUENCE_SEED=" << seed << (observant ? " (observant)" : "") << " on " << type_under_test
                      << ":\n"
                      << report;
    }

private:
    /// `below` is the same directory without bandfs, where it is removed.
    std::string in_new_directory(const std::string& parent, const std::string& below, const std::string& name,
                                 const std::vector<Step>& steps, bool observant) {
        const std::string path = parent + "/" + name;
        if (mkdir(path.c_str(), 0755) != 0 || chmod(path.c_str(), 0777) != 0) return std::string(strerror(errno));
        std::string text = transcript(path, steps, observant);
        std::error_code error;
        std::filesystem::remove_all(below + "/" + name, error);
        return text;
    }

    Janitor janitor_;
    std::unique_ptr<BackingFs> backing_;
    std::unique_ptr<BandfsMount> mount_;
    int runs_ = 0;
};

TEST_F(Sequences, AnswerAndLeaveTheSame) {
    if (const auto seed = number_from("SEQUENCE_SEED")) return run(*seed);
    const char* const soak = getenv("BANDFS_SOAK");
    const std::uint64_t usual = soak && strcmp(soak, "yes") == 0 ? kSoak : kUsual;
    const std::uint64_t count = number_from("SEQUENCES").value_or(usual);
    for (std::uint64_t seed = 1; seed <= count; ++seed) run(seed);
}

}  // namespace
}  // namespace bandfs::mount_test

int main(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    if (argc != 2) {
        fprintf(stderr, "usage: %s ext4|xfs|tmpfs [GoogleTest option]...\n", argv[0]);
        return 2;
    }
    bandfs::mount_test::type_under_test = argv[1];
    return RUN_ALL_TESTS();
}
