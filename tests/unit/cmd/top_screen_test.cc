// `bandfs top` in a pseudo-terminal: what it draws, and what its keys do.

#include "cmd/top_screen.h"

#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include <gtest/gtest.h>

#include "sys/clock.h"
#include "sys/unique_fd.h"

namespace bandfs {
namespace {

/// What the child's terminal is fed with: two groups, one of which does ten megabytes between two samples.
bool invented_sample(TopSample& ret) {
    static std::uint64_t bytes = 0;
    ret.taken_s = static_cast<double>(now_ns()) * 1e-9;
    for (const char* name : {"alice", "bob"}) {
        TopGroup group{.mount = "/m", .name = name, .device_group = "sda", .weight = 3, .wanted = 0.5, .held = 1};
        group.counters.read_bytes = name[0] == 'a' ? bytes += 10'000'000 : 0;
        ret.groups.push_back(std::move(group));
    }
    return true;
}

/// show_top() in a child with a terminal of its own.
class TopScreen : public ::testing::Test {
protected:
    void show(bool colour, const char* kind = "xterm-256color", unsigned short rows = 24) {
        winsize size{.ws_row = rows, .ws_col = 80, .ws_xpixel = 0, .ws_ypixel = 0};
        int terminal = -1;
        pid_ = ::forkpty(&terminal, nullptr, nullptr, &size);
        if (pid_ == 0) {
            ::alarm(60);
            ::setenv("TERM", kind, 1);
            colour ? ::unsetenv("NO_COLOR") : ::setenv("NO_COLOR", "1", 1);
            ::_exit(static_cast<int>(show_top(invented_sample)));
        }
        terminal_.reset(terminal);
    }

    void TearDown() override {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }

    void type(const std::string& keys) {
        ASSERT_EQ(::write(terminal_.get(), keys.data(), keys.size()), static_cast<ssize_t>(keys.size()));
    }

    /// Reads until a text has been drawn since the last such wait.
    bool shows(const std::string& text) {
        std::array<char, 4096> piece;
        for (const TimeNs deadline = now_ns() + 20 * kSecond; now_ns() < deadline;) {
            if (const std::size_t at = drawn_.find(text); at != std::string::npos) {
                drawn_.erase(0, at + text.size());
                return true;
            }
            pollfd wait{terminal_.get(), POLLIN, 0};
            if (::poll(&wait, 1, 1000) <= 0) continue;
            const ssize_t got = ::read(terminal_.get(), piece.data(), piece.size());
            if (got <= 0) return false;
            drawn_.append(piece.data(), static_cast<std::size_t>(got));
            all_.append(piece.data(), static_cast<std::size_t>(got));
        }
        return false;
    }

    /// How it ends, as a number.
    int end() {
        while (shows("no text like this")) {
        }  // until it hangs up
        int status = 0;
        ::waitpid(pid_, &status, 0);
        pid_ = 0;
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }

    pid_t pid_ = 0;
    UniqueFd terminal_;
    std::string drawn_, all_;
};

TEST_F(TopScreen, ShowsGroupsAndLeavesTheTerminalAsItWas) {
    show(true);
    EXPECT_TRUE(shows("GROUP"));
    EXPECT_TRUE(shows("alice"));
    EXPECT_TRUE(shows("bob"));
    type("q");
    EXPECT_EQ(end(), 0);
    EXPECT_NE(all_.find("\x1b[?1049l"), std::string::npos) << "the alternate screen was not left";
    EXPECT_NE(all_.find("\x1b[32m"), std::string::npos) << "no colour";
}

TEST_F(TopScreen, HeedsNoColor) {
    show(false);
    EXPECT_TRUE(shows("alice"));
    type("q");
    EXPECT_EQ(end(), 0);
    for (const char* colour : {"\x1b[32m", "\x1b[33m"}) EXPECT_EQ(all_.find(colour), std::string::npos);
}

TEST_F(TopScreen, SortsFiltersAndPauses) {
    show(true);
    EXPECT_TRUE(shows("sort: attachment"));
    EXPECT_TRUE(shows("alice"));
    type("s");
    EXPECT_TRUE(shows("name"));
    type("p");
    EXPECT_TRUE(shows("PAUSED"));
    type("/bo");
    EXPECT_TRUE(shows("filter: "));
    EXPECT_TRUE(shows("o_"));
    type("q\n");  // typed into the filter, not a key
    EXPECT_TRUE(shows("(/ to change)"));
    type("q");
    EXPECT_EQ(end(), 0);
}

TEST_F(TopScreen, ScrollsWhatDoesNotFit) {
    show(true, "xterm-256color", 3);
    EXPECT_TRUE(shows("rows 1-1 of 2"));
    type("j");
    EXPECT_TRUE(shows("bob"));
    type("k");
    EXPECT_TRUE(shows("alice"));
    type("q");
    EXPECT_EQ(end(), static_cast<int>(TopEnd::left));
}

TEST_F(TopScreen, AnInterruptLeavesTheTerminalAsItWas) {
    show(true);
    EXPECT_TRUE(shows("alice"));
    type("\x03");
    EXPECT_EQ(end(), static_cast<int>(TopEnd::interrupted));
    EXPECT_NE(all_.find("\x1b[?1049l"), std::string::npos) << "the alternate screen was not left";
}

TEST_F(TopScreen, ATerminalThatCannotPlaceTextIsRefused) {
    show(true, "dumb");
    EXPECT_EQ(end(), static_cast<int>(TopEnd::unusable));
}

TEST_F(TopScreen, FollowsAResize) {
    show(true);
    EXPECT_TRUE(shows("alice"));
    const winsize wide{.ws_row = 40, .ws_col = 130, .ws_xpixel = 0, .ws_ypixel = 0};
    ASSERT_EQ(::ioctl(terminal_.get(), TIOCSWINSZ, &wide), 0);
    EXPECT_TRUE(shows("MOUNT"));
    type("q");
    EXPECT_EQ(end(), 0);
}

}  // namespace
}  // namespace bandfs
