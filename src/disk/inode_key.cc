#include "disk/inode_key.h"

#include <sys/random.h>

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>

namespace bandfs {
namespace {

template <typename Integer>
Integer at(const FileHandle& handle, std::size_t offset) {
    Integer value;
    std::memcpy(&value, handle.bytes.data() + offset, sizeof value);
    return value;
}

template <typename Integer>
void put(FileHandle& handle, Integer value) {
    std::memcpy(handle.bytes.data() + handle.size, &value, sizeof value);
    handle.size = static_cast<std::uint8_t>(handle.size + sizeof value);
}

/// SipHash-2-4 of eight bytes (Aumasson and Bernstein, 2012): a hash that cannot be guessed without the key.
std::uint64_t siphash24(const std::array<std::uint64_t, 2>& key, std::uint64_t word) {
    std::uint64_t a = key[0] ^ 0x736f6d6570736575u, b = key[1] ^ 0x646f72616e646f6du;
    std::uint64_t c = key[0] ^ 0x6c7967656e657261u, d = key[1] ^ 0x7465646279746573u;
    const auto rounds = [&](int count) {
        for (; count > 0; --count) {
            a += b, b = std::rotl(b, 13) ^ a, a = std::rotl(a, 32);
            c += d, d = std::rotl(d, 16) ^ c;
            a += d, d = std::rotl(d, 21) ^ a;
            c += b, b = std::rotl(b, 17) ^ c, c = std::rotl(c, 32);
        }
    };
    const auto absorb = [&](std::uint64_t block) { d ^= block, rounds(2), a ^= block; };
    absorb(word);
    absorb(std::uint64_t{sizeof word} << 56);
    c ^= 0xff;
    rounds(4);
    return a ^ b ^ c ^ d;
}

}  // namespace

NodeIdCodec::NodeIdCodec(const InodeKey& root, bool whole)
    : device_(root.device), type_(root.handle.type), whole_(whole) {
    // Cannot fail for so few bytes once the machine is up.
    [[maybe_unused]] const ssize_t filled = ::getrandom(secret_.data(), sizeof secret_, 0);
    assert(filled == sizeof secret_);
    if (!root.has_handle()) return;
    for (const Layout layout :
         {Layout::number32_generation, Layout::number64_generation, Layout::generation_number64}) {
        if (generation(layout, root)) layout_ = layout;
    }
}

std::optional<std::uint32_t> NodeIdCodec::generation(Layout layout, const InodeKey& key) {
    std::size_t offset = 0;
    if (layout == Layout::number32_generation) offset = 4;
    if (layout == Layout::number64_generation) offset = 8;
    if (offset + 4 > key.handle.size) return std::nullopt;
    const auto generation = at<std::uint32_t>(key.handle, offset);
    if (build(layout, key.handle.type, key.number, generation) != key.handle) return std::nullopt;
    return generation;
}

FileHandle NodeIdCodec::build(Layout layout, std::int32_t type, std::uint64_t number, std::uint32_t generation) {
    FileHandle handle;
    handle.type = type;
    if (layout == Layout::generation_number64) put(handle, generation);
    if (layout == Layout::number32_generation) {
        put(handle, static_cast<std::uint32_t>(number));
    } else {
        put(handle, number);
    }
    if (layout != Layout::generation_number64) put(handle, generation);
    return handle;
}

bool NodeIdCodec::handle_says_number(const InodeKey& key) const {
    return layout_ != Layout::none && key.device == device_ && generation(layout_, key).has_value();
}

std::optional<NodeId> NodeIdCodec::encode(const InodeKey& key) const {
    if (layout_ == Layout::none || key.device != device_ || key.handle.type != type_) return std::nullopt;
    if (key.number >> kNumberBits) return std::nullopt;
    const std::optional<std::uint32_t> generation = NodeIdCodec::generation(layout_, key);
    if (!generation) return std::nullopt;
    const NodeId id = NodeId{*generation} << kNumberBits | key.number;
    if (id <= kRootNode) return std::nullopt;
    return id;
}

std::optional<FileHandle> NodeIdCodec::decode(NodeId id) const {
    if (layout_ == Layout::none || id <= kRootNode || id >= kNumberedBit) return std::nullopt;
    return build(layout_, type_, id & ((NodeId{1} << kNumberBits) - 1), generation(id));
}

std::uint32_t NodeIdCodec::visible_generation(NodeId id) const {
    if (id == kRootNode) return 0;  // the kernel insists
    if (whole_ && id < kNumberedBit) return generation(id);
    return static_cast<std::uint32_t>(siphash24(secret_, id));
}

}  // namespace bandfs
