// What is agreed in FUSE_INIT beyond libfuse 3.14, and what is read from raw messages.
#include "fuse/session_init.h"

#include <linux/fuse.h>

#include <cstring>

#include <gtest/gtest.h>

#include "fuse/session_message.h"
#include "fuse/uring_wire.h"
#include "mounted.h"

namespace bandfs {
namespace {

TEST(InitAnswer, AsksForWhatTheKernelOffers) {
    fuse_init_in offer{};
    offer.flags =
        FUSE_INIT_EXT | FUSE_HANDLE_KILLPRIV_V2 | FUSE_PARALLEL_DIROPS | FUSE_ASYNC_READ | FUSE_WRITEBACK_CACHE;
    offer.flags2 = 0xffffffff;
    fuse_init_out answer{};
    answer.flags = FUSE_ASYNC_READ;
    answer.max_write = 1u << 20;
    patch_init_answer(offer, answer);
    EXPECT_EQ(answer.flags, static_cast<std::uint32_t>(FUSE_ASYNC_READ | FUSE_INIT_EXT | FUSE_HANDLE_KILLPRIV_V2 |
                                                       FUSE_PARALLEL_DIROPS));
    EXPECT_EQ(answer.flags2, kDirectIoAllowMmap2);
    EXPECT_EQ(answer.max_write, 1u << 20);
    EXPECT_TRUE(agreed_parallel_direct_writes(answer));
}

TEST(InitAnswer, AsksForNothingElse) {
    fuse_init_in offer{};
    offer.flags = FUSE_ASYNC_READ;
    offer.flags2 = 0xffffffff;  // means nothing without FUSE_INIT_EXT
    fuse_init_out answer{};
    answer.flags = FUSE_ASYNC_READ;
    patch_init_answer(offer, answer);
    EXPECT_EQ(answer.flags, static_cast<std::uint32_t>(FUSE_ASYNC_READ));
    EXPECT_EQ(answer.flags2, 0u);
    EXPECT_FALSE(agreed_parallel_direct_writes(answer));
}

TEST(InitAnswer, AgreesOnRingsWhereTheyAreOfferedAndLargeEnough) {
    constexpr std::size_t kRoom = 1u << 20;
    fuse_init_in offer{};
    offer.flags = FUSE_INIT_EXT;
    offer.flags2 = kOverIoUring2;
    fuse_init_out answer{};
    answer.max_write = kRoom;
    answer.max_pages = kRoom / PooledBuffer::kPage;
    answer.max_background = 65535;
    EXPECT_TRUE(rings_offered(offer, answer, kRoom));
    EXPECT_FALSE(rings_offered(offer, answer, kRoom - 1));
    EXPECT_FALSE(rings_offered({.flags2 = kOverIoUring2}, answer, kRoom)) << "flags2 means nothing without INIT_EXT";
    EXPECT_FALSE(rings_offered({.flags = FUSE_INIT_EXT}, answer, kRoom));
    agree_on_rings(answer, 1000);
    EXPECT_EQ(answer.flags, static_cast<std::uint32_t>(FUSE_INIT_EXT));
    EXPECT_EQ(answer.flags2, kOverIoUring2);
    EXPECT_EQ(answer.max_background, 1000u);
    EXPECT_EQ(answer.congestion_threshold, 1000u);
}

template <typename Arguments>
bool kill_requested_by(std::uint32_t opcode, const Arguments& arguments) {
    alignas(8) std::byte raw[sizeof(fuse_in_header) + sizeof(Arguments)]{};
    fuse_in_header header{};
    header.opcode = opcode;
    std::memcpy(raw, &header, sizeof(header));
    std::memcpy(raw + sizeof(header), &arguments, sizeof(arguments));
    current_message() = {reinterpret_cast<const fuse_in_header*>(raw), nullptr, false};
    const bool requested = kill_suidgid_requested();
    current_message() = {};
    return requested;
}

TEST(KillSuidgid, IsReadFromEachKindOfMessage) {
    EXPECT_TRUE(kill_requested_by(FUSE_WRITE, fuse_write_in{.write_flags = FUSE_WRITE_KILL_SUIDGID}));
    EXPECT_FALSE(kill_requested_by(FUSE_WRITE, fuse_write_in{.write_flags = FUSE_WRITE_LOCKOWNER}));
    EXPECT_TRUE(kill_requested_by(FUSE_SETATTR, fuse_setattr_in{.valid = FATTR_SIZE | FATTR_KILL_SUIDGID}));
    EXPECT_FALSE(kill_requested_by(FUSE_SETATTR, fuse_setattr_in{.valid = FATTR_SIZE}));
    EXPECT_TRUE(kill_requested_by(FUSE_OPEN, fuse_open_in{.open_flags = FUSE_OPEN_KILL_SUIDGID}));
    EXPECT_FALSE(kill_requested_by(FUSE_OPEN, fuse_open_in{}));
    EXPECT_TRUE(kill_requested_by(FUSE_CREATE, fuse_create_in{.open_flags = FUSE_OPEN_KILL_SUIDGID}));
    EXPECT_FALSE(kill_requested_by(FUSE_READ, fuse_read_in{.read_flags = 0xff}));
}

TEST(KillSuidgid, IsFalseWhereNoMessageIsHandled) {
    EXPECT_FALSE(kill_suidgid_requested());
}

}  // namespace
}  // namespace bandfs
