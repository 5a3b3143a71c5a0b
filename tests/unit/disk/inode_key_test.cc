#include "disk/inode_key.h"

#include <cstring>
#include <initializer_list>

#include <gtest/gtest.h>

namespace bandfs {
namespace {

InodeKey key(std::int32_t type, std::uint64_t number, std::initializer_list<std::uint32_t> words, dev_t device = 7) {
    InodeKey key;
    key.device = device;
    key.number = number;
    key.handle.type = type;
    for (const std::uint32_t word : words) {
        std::memcpy(key.handle.bytes.data() + key.handle.size, &word, sizeof word);
        key.handle.size = static_cast<std::uint8_t>(key.handle.size + sizeof word);
    }
    return key;
}

struct Layout {
    InodeKey root;
    InodeKey file;
};

const Layout kExt4{key(1, 2, {2, 0}), key(1, 77, {77, 0xfedcba98})};
const Layout kXfs{key(0x81, 128, {128, 0, 0}), key(0x81, 77, {77, 0, 0xfedcba98})};
const Layout kTmpfs{key(1, 1, {0x5678, 1, 0}), key(1, 77, {0xfedcba98, 77, 0})};

TEST(NodeIdCodec, HandleAndNodeIdAreOne) {
    for (const Layout& layout : {kExt4, kXfs, kTmpfs}) {
        const NodeIdCodec codec(layout.root, true);
        const auto id = codec.encode(layout.file);
        ASSERT_TRUE(id);
        EXPECT_EQ(*id >> 62, 0u);
        EXPECT_EQ(codec.decode(*id), layout.file.handle);
        EXPECT_EQ(codec.visible_generation(*id), 0xfedcba98);
    }
}

TEST(NodeIdCodec, RefusesWhatItCannotHold) {
    const NodeIdCodec codec(kXfs.root, true);
    EXPECT_FALSE(codec.encode(key(0x81, 1ull << 30, {1u << 30, 0, 5})));
    EXPECT_FALSE(codec.encode(key(0x81, 1ull << 40, {0, 1u << 8, 5})));
    EXPECT_FALSE(codec.encode(key(0x81, 77, {78, 0, 5}))) << "the number is not where it was";
    EXPECT_FALSE(codec.encode(key(1, 77, {77, 5})));
    EXPECT_FALSE(codec.encode(key(0x81, 77, {77, 0, 5}, 8))) << "another device";
    EXPECT_FALSE(codec.encode(key(0x81, 1, {1, 0, 0}))) << "the root's node id";
    EXPECT_FALSE(codec.decode(0));
    EXPECT_FALSE(codec.decode(kRootNode));
    EXPECT_FALSE(codec.decode(NodeIdCodec::kNumberedBit | 5));
}

TEST(NodeIdCodec, KnowsNothingOfHandlesItDoesNotUnderstand) {
    for (const InodeKey& root :
         {key(0x4d, 256, {256, 0, 5, 0, 0}), key(InodeKey::kBirthTime, 2, {2, 0}), key(1, 2, {})}) {
        const NodeIdCodec codec(root, true);
        EXPECT_FALSE(codec.encode(root));
        EXPECT_FALSE(codec.decode(77));
    }
}

TEST(NodeIdCodec, GenerationsOfAPartCannotBeGuessed) {
    const NodeIdCodec one(kExt4.root, false), other(kExt4.root, false);
    const NodeId id = *one.encode(kExt4.file);
    EXPECT_EQ(one.visible_generation(id), one.visible_generation(id));
    EXPECT_NE(one.visible_generation(id), other.visible_generation(id));
    EXPECT_NE(one.visible_generation(id), one.visible_generation(id + 1));
    EXPECT_EQ(one.visible_generation(kRootNode), 0u);
}

}  // namespace
}  // namespace bandfs
