// Buffers for payloads: that each is its owner's alone, and that they come back.
#include "sys/buffer_pool.h"

#include <cstring>
#include <set>
#include <vector>

#include <gtest/gtest.h>

namespace bandfs {
namespace {

TEST(BufferPool, LargeOnesAreOfTheirOwnAlsoBeyondThoseInHugePages) {
    BufferPool pool(2);
    std::vector<PooledBuffer> taken;
    for (int i = 0; i != 20; ++i) {
        PooledBuffer buffer = i == 3 ? pool.take() : pool.take_large();
        ASSERT_TRUE(buffer);
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % PooledBuffer::kPage, 0u);
        std::memset(buffer.data(), i, PooledBuffer::kBytes);
        taken.push_back(std::move(buffer));
    }
    for (int i = 0; i != 20; ++i) {
        const auto* const bytes = reinterpret_cast<const unsigned char*>(taken[i].data());
        EXPECT_EQ(std::set<unsigned char>(bytes, bytes + PooledBuffer::kBytes),
                  std::set{static_cast<unsigned char>(i)});
    }
}

TEST(BufferPool, TheOneGivenBackIsTakenNext) {
    BufferPool pool;
    PooledBuffer first = pool.take_large();
    std::byte* const place = first.data();
    first = PooledBuffer();
    EXPECT_EQ(pool.take_large().data(), place);
    PooledBuffer ordinary = pool.take();
    EXPECT_NE(ordinary.data(), place);
    std::byte* const other = ordinary.data();
    ordinary = PooledBuffer();
    EXPECT_EQ(pool.take().data(), other);
}

}  // namespace
}  // namespace bandfs
