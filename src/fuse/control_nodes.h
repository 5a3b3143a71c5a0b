// fuse/control_nodes.h - inode numbers of the control directory.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace bandfs {

/// Nodes of the control directory have the top bit set, which no pointer to an inode and no inode number below has.
inline constexpr std::uint64_t kControlBit = std::uint64_t{1} << 63;
constexpr bool is_control(std::uint64_t node) {
    return (node & kControlBit) != 0;
}

/// The number that st_ino and d_ino show for a path: the same in every mount and at all times.
std::uint64_t control_inode_number(std::string_view path);

/// Which path the kernel means by which node. Thread-safe. Takes the memory of the nodes that the kernel knows.
///
/// A node number is used once: what is removed and made again is another node, as the kernel requires of a directory
/// that somebody still stands in.
class ControlNodes {
public:
    /// The node of this path, with one lookup counted.
    std::uint64_t enter(std::string_view path);
    /// nullopt when the node is unknown, or its directory was removed (ESTALE).
    std::optional<std::string> path(std::uint64_t node) const;
    void forget(std::uint64_t node, std::uint64_t lookups);
    /// This directory was removed: its node and those in it mean nothing any more.
    void retire(std::string_view directory);
    /// Nodes that the kernel knows.
    std::size_t count() const;

private:
    struct Node {
        std::string path;
        std::uint64_t lookups = 0;
        bool retired = false;
    };
    using ByPath = std::map<std::string, std::uint64_t, std::less<>>;

    mutable std::mutex mutex_;
    std::unordered_map<std::uint64_t, Node> nodes_;  ///< guarded by mutex_, like all below
    ByPath by_path_;                                 ///< without retired nodes
    std::uint64_t last_ = 0;
};

}  // namespace bandfs
