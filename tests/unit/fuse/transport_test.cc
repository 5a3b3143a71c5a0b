// Where messages come from and answers go, over socket pairs in place of /dev/fuse.
#include "fuse/transport.h"

#include <linux/fuse.h>
#include <sys/socket.h>

#include <thread>

#include <gtest/gtest.h>

namespace bandfs {
namespace {

struct Pair {
    Pair() {
        int ends[2];
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
        ours = UniqueFd(ends[0]);
        kernels = UniqueFd(ends[1]);
    }
    UniqueFd ours;
    UniqueFd kernels;
};

Status send(DevFuse& transport, ReplySlot slot, std::uint64_t unique) {
    fuse_out_header header{.len = sizeof(header), .error = 0, .unique = unique};
    const iovec piece{&header, sizeof(header)};
    return transport.send(slot, {&piece, 1});
}

std::uint64_t received_unique(const UniqueFd& fd) {
    fuse_out_header header{};
    return ::read(fd.get(), &header, sizeof(header)) == sizeof(header) ? header.unique : 0;
}

TEST(DevFuse, AnswersGoWhereTheRequestCameFromAndNotificationsToTheMount) {
    Pair mounted;
    Pair clone;
    DevFuse transport(std::move(mounted.ours));
    const ReplySlot slot{&transport, clone.ours.get()};
    ASSERT_TRUE(send(transport, slot, 17));
    EXPECT_EQ(received_unique(clone.kernels), 17u);
    ASSERT_TRUE(send(transport, slot, 0));
    fuse_out_header header{};
    EXPECT_EQ(::read(mounted.kernels.get(), &header, sizeof(header)), static_cast<ssize_t>(sizeof(header)));
    EXPECT_EQ(header.unique, 0u);
}

TEST(DevFuse, SharesTheDescriptorWhereItCannotBeCloned) {
    Pair mounted;
    const int fd = mounted.ours.get();
    DevFuse transport(std::move(mounted.ours));
    EXPECT_EQ(transport.open_channel().channel, fd);
}

TEST(DevFuse, ReceiveTellsTheEndFromWhatPasses) {
    Pair mounted;
    DevFuse transport(std::move(mounted.ours));
    const ReplySlot slot = transport.open_channel();
    std::byte memory[256];
    EXPECT_EQ(transport.receive(slot, memory, sizeof(memory)).code(), EINTR) << "nothing there yet";
    const fuse_in_header header{.len = sizeof(header), .opcode = FUSE_STATFS};
    ASSERT_EQ(::write(mounted.kernels.get(), &header, sizeof(header)), static_cast<ssize_t>(sizeof(header)));
    const Result<std::size_t> bytes = transport.receive(slot, memory, sizeof(memory));
    ASSERT_TRUE(bytes);
    EXPECT_EQ(*bytes, sizeof(header));
    mounted.kernels.reset();
    EXPECT_EQ(transport.receive(slot, memory, sizeof(memory)).code(), EIO);
}

TEST(Replying, IsOfThisThreadAndNests) {
    DevFuse transport{UniqueFd()};
    EXPECT_EQ(Replying::current().transport, nullptr);
    {
        const Replying outer({&transport, 3});
        {
            const Replying inner({&transport, 4});
            EXPECT_EQ(Replying::current().channel, 4);
        }
        EXPECT_EQ(Replying::current().channel, 3);
        std::thread([] { EXPECT_EQ(Replying::current().channel, -1); }).join();
    }
    EXPECT_EQ(Replying::current().channel, -1);
}

}  // namespace
}  // namespace bandfs
