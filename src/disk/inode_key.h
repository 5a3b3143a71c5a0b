// disk/inode_key.h - what makes a backing file that file and no other.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>

#include "sys/file_handle.h"

namespace bandfs {

/// What the kernel's half of FUSE calls an inode. Never 0, and never with the top bit, which is free for other kinds of
/// nodes.
using NodeId = std::uint64_t;
inline constexpr NodeId kRootNode = 1;

/// Device and number name a backing file while it exists; the handle tells it from a later one with the same number. On
/// a file system without handles the time of birth stands in its place (handle type kBirthTime).
struct InodeKey {
    static constexpr std::int32_t kBirthTime = -1;

    dev_t device = 0;
    ino_t number = 0;
    FileHandle handle;

    /// Whether open_handle() takes the handle.
    bool has_handle() const { return handle.size != 0 && handle.type != kBirthTime; }
    friend bool operator==(const InodeKey&, const InodeKey&) = default;
};

struct InodeKeyHash {
    std::size_t operator()(const InodeKey& key) const {
        return std::hash<std::uint64_t>()(key.number * 0x9e3779b97f4a7c15u ^ key.device);
    }
};

/// Node ids that are their own memory: on the file systems that people use, a handle is an inode number and a
/// generation in a known place, and both fit into a node id. Then a file is found by its node id alone, however long
/// ago the kernel forgot it, and in the next mount, too: what an export by NFS needs. Whether a handle fits is tried,
/// not assumed: it is taken apart, put together, and compared.
class NodeIdCodec {
public:
    /// Learns where the number stands from the handle of one file, SOURCE's root. `whole`: SOURCE is a whole file
    /// system.
    NodeIdCodec(const InodeKey& root, bool whole);

    /// Whether the handle of a key says its number, so that one that belongs to another file is recognised.
    bool handle_says_number(const InodeKey& key) const;
    /// Whether there are such handles here.
    bool handles_say_numbers() const { return layout_ != Layout::none; }
    /// nullopt: on another device, or the number is too large.
    std::optional<NodeId> encode(const InodeKey& key) const;
    /// The handle of a node id that encode() gave. nullopt for ids it cannot have given.
    std::optional<FileHandle> decode(NodeId id) const;
    /// What the kernel is told as the generation of a node, and has to know to be given the node by a handle. A handle
    /// can be made up by who may use handles (an NFS client), and below a directory that is not its whole file system
    /// must not reach the rest of it: there the generation is a keyed hash of the id, good for this mount alone.
    std::uint32_t visible_generation(NodeId id) const;

    /// Ids with this bit are not encode()'s.
    static constexpr NodeId kNumberedBit = NodeId{1} << 62;

private:
    enum class Layout : std::uint8_t {
        none,
        number32_generation,  ///< ext2/3/4, f2fs, XFS with inode32
        number64_generation,  ///< XFS
        generation_number64,  ///< tmpfs
    };
    static constexpr unsigned kNumberBits = 30;

    static std::uint32_t generation(NodeId id) { return static_cast<std::uint32_t>(id >> kNumberBits); }
    static std::optional<std::uint32_t> generation(Layout layout, const InodeKey& key);
    static FileHandle build(Layout layout, std::int32_t type, std::uint64_t number, std::uint32_t generation);

    const dev_t device_;
    const std::int32_t type_;
    const bool whole_;
    std::array<std::uint64_t, 2> secret_{};
    Layout layout_ = Layout::none;
};

}  // namespace bandfs
