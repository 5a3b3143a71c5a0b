#include "sys/unix_socket.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include <gtest/gtest.h>

#include "soon.h"
#include "sys/clock.h"

namespace bandfs {
namespace {

TimeNs at_once() {
    return now_ns() + kMillisecond;
}

std::size_t open_descriptors() {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
    return count;
}

/// A process of that user that listens at `name`, which it says through `ready`.
pid_t listen_as(uid_t user, int directory, const char* name, int ready) {
    const pid_t child = ::fork();
    if (child != 0) return child;
    const auto listener = listen_at(directory, name);
    // Who listened last is who the kernel says it was.
    const bool other = listener && ::setresuid(user, user, user) == 0 && ::listen(listener->get(), 1) == 0;
    if (::write(ready, other ? "y" : "n", 1) == 1) ::pause();
    ::_exit(1);
}

class Sockets : public ::testing::Test {
protected:
    void SetUp() override {
        auto pair = socket_pair();
        ASSERT_TRUE(pair);
        near_ = std::move(pair->first);
        far_ = std::move(pair->second);
    }
    UniqueFd near_, far_;
};

TEST_F(Sockets, CarryTextAndDescriptors) {
    const UniqueFd file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const int sent = file.get();
    ASSERT_TRUE(send_message(near_.get(), "hello", {&sent, 1}, soon()));
    const auto message = receive_message(far_.get(), soon());
    ASSERT_TRUE(message);
    EXPECT_EQ(message->text, "hello");
    ASSERT_EQ(message->descriptors.size(), 1u);
    struct stat a {
    }, b{};
    ::fstat(sent, &a);
    ::fstat(message->descriptors[0].get(), &b);
    EXPECT_EQ(a.st_rdev, b.st_rdev);
    EXPECT_NE(::fcntl(message->descriptors[0].get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST_F(Sockets, AnotherUsersListenerIsRefused) {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    char name[] = "/tmp/bandfs-sockets-XXXXXX";
    const std::string place = ::mkdtemp(name);
    const UniqueFd directory(::open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    int ready[2];
    ASSERT_EQ(::pipe2(ready, O_CLOEXEC), 0);
    const UniqueFd from(ready[0]), to(ready[1]);
    for (const uid_t user : {uid_t{0}, uid_t{65534}}) {
        const pid_t listener = listen_as(user, directory.get(), "s", to.get());
        char said = 0;
        ASSERT_EQ(::read(from.get(), &said, 1), 1);
        EXPECT_EQ(said, 'y');
        EXPECT_EQ(connect_to(directory.get(), "s", soon()).code(), user == 0 ? 0 : EPERM);
        ::kill(listener, SIGKILL);
        ::waitpid(listener, nullptr, 0);
    }
    std::filesystem::remove_all(place);
}

TEST_F(Sockets, TheLongestMessagePasses) {
    const std::string text(kMaxMessageBytes, 'x');
    ASSERT_TRUE(send_message(near_.get(), text, {}, soon()));
    EXPECT_EQ(receive_message(far_.get(), soon())->text, text);
    EXPECT_EQ(send_message(near_.get(), text + "x", {}, soon()).error(), Errno{EMSGSIZE});
}

TEST_F(Sockets, WhatIsTooLongIsRefusedAsAWhole) {
    const std::string text(kMaxMessageBytes + 100, 'x');
    ASSERT_EQ(::send(near_.get(), text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
    EXPECT_EQ(receive_message(far_.get(), soon()).error(), Errno{EMSGSIZE});
    ASSERT_TRUE(send_message(near_.get(), "next", {}, soon()));
    EXPECT_EQ(receive_message(far_.get(), soon())->text, "next");
}

TEST_F(Sockets, TooManyDescriptorsAreRefusedAndClosed) {
    const std::size_t before = open_descriptors();
    constexpr std::size_t kMany = 50;
    int descriptors[kMany];
    std::fill(std::begin(descriptors), std::end(descriptors), near_.get());
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof descriptors)] = {};
    char byte = 'x';
    iovec piece{&byte, 1};
    msghdr header{};
    header.msg_iov = &piece;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    cmsghdr* part = CMSG_FIRSTHDR(&header);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof descriptors);
    std::memcpy(CMSG_DATA(part), descriptors, sizeof descriptors);
    ASSERT_EQ(::sendmsg(near_.get(), &header, 0), 1);
    EXPECT_EQ(receive_message(far_.get(), soon()).error(), Errno{EMSGSIZE});
    EXPECT_EQ(open_descriptors(), before);
}

TEST_F(Sockets, SilenceTimesOut) {
    EXPECT_EQ(receive_message(far_.get(), at_once()).error(), Errno{ETIMEDOUT});
}

TEST_F(Sockets, AHangUpIsSeenFromBothDirections) {
    near_.reset();
    EXPECT_EQ(receive_message(far_.get(), soon()).error(), Errno{EPIPE});
    EXPECT_EQ(send_message(far_.get(), "x", {}, soon()).error(), Errno{EPIPE});
    EXPECT_TRUE(wait_for_hangup_or(far_.get(), -1));
}

TEST_F(Sockets, APeerThatDoesNotReadTimesOut) {
    const std::string text(kMaxMessageBytes, 'x');
    Status sent;
    for (int i = 0; i < 1000 && sent; ++i) sent = send_message(near_.get(), text, {}, at_once());
    EXPECT_EQ(sent.code(), ETIMEDOUT);
}

TEST_F(Sockets, PeersAreKnown) {
    const auto peer = peer_of(far_.get());
    ASSERT_TRUE(peer);
    EXPECT_EQ(peer->uid, ::getuid());
    EXPECT_EQ(peer->pid, ::getpid());
}

class SocketFiles : public ::testing::Test {
protected:
    void SetUp() override {
        // A long way to the directory: longer than an address of a Unix socket may be.
        char name[] = "/tmp/bandfs-unit-XXXXXX";
        root_ = ::mkdtemp(name);
        const std::string deep = root_ + "/" + std::string(120, 'd');
        ::mkdir(deep.c_str(), 0700);
        directory_.reset(::open(deep.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        ASSERT_TRUE(directory_);
    }
    void TearDown() override { std::filesystem::remove_all(root_); }
    std::string root_;
    UniqueFd directory_;
};

TEST_F(SocketFiles, AreListenedAtConnectedToAndReplacedWhenStale) {
    EXPECT_EQ(connect_to(directory_.get(), "a.sock", soon()).error(), Errno{ENOENT});
    auto first = listen_at(directory_.get(), "a.sock");
    ASSERT_TRUE(first);
    first->reset();
    EXPECT_EQ(connect_to(directory_.get(), "a.sock", soon()).error(), Errno{ECONNREFUSED});
    const auto second = listen_at(directory_.get(), "a.sock");
    ASSERT_TRUE(second);
    const auto client = connect_to(directory_.get(), "a.sock", soon());
    ASSERT_TRUE(client);
    const auto server = accept_next(second->get());
    ASSERT_TRUE(server);
    ASSERT_TRUE(send_message(client->get(), "x", {}, soon()));
    EXPECT_EQ(receive_message(server->get(), soon())->text, "x");
    EXPECT_EQ(accept_next(second->get()).error(), Errno{EAGAIN});
}

}  // namespace
}  // namespace bandfs
