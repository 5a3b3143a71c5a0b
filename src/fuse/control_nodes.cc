// fuse/control_nodes.cc
#include "fuse/control_nodes.h"

namespace bandfs {

std::uint64_t control_inode_number(std::string_view path) {
    // FNV-1a, 64 bits: two of the few paths of a mount meet once in 10^13 mounts, and then only in what `ls -i` shows.
    std::uint64_t hash = 0xcbf29ce484222325;
    for (const char c : path) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    return hash | kControlBit;
}

std::uint64_t ControlNodes::enter(std::string_view path) {
    const std::lock_guard lock(mutex_);
    if (const auto known = by_path_.find(path); known != by_path_.end()) {
        ++nodes_.at(known->second).lookups;
        return known->second;
    }
    const std::uint64_t node = kControlBit | ++last_;
    nodes_.emplace(node, Node{std::string(path), 1});
    by_path_.emplace(path, node);
    return node;
}

std::optional<std::string> ControlNodes::path(std::uint64_t node) const {
    const std::lock_guard lock(mutex_);
    const auto known = nodes_.find(node);
    if (known == nodes_.end() || known->second.retired) return std::nullopt;
    return known->second.path;
}

void ControlNodes::forget(std::uint64_t node, std::uint64_t lookups) {
    const std::lock_guard lock(mutex_);
    const auto known = nodes_.find(node);
    if (known == nodes_.end()) return;
    if (known->second.lookups > lookups) {
        known->second.lookups -= lookups;
        return;
    }
    if (!known->second.retired) by_path_.erase(known->second.path);
    nodes_.erase(known);
}

void ControlNodes::retire(std::string_view directory) {
    const std::lock_guard lock(mutex_);
    const std::string inside = std::string(directory) + "/";
    for (auto entry = by_path_.lower_bound(directory); entry != by_path_.end();) {
        const std::string& path = entry->first;
        if (path != directory && !path.starts_with(inside)) {
            if (path > inside) break;  // "groups/1-2" stands between "groups/1" and "groups/1/"
            ++entry;
            continue;
        }
        nodes_.at(entry->second).retired = true;
        entry = by_path_.erase(entry);
    }
}

std::size_t ControlNodes::count() const {
    const std::lock_guard lock(mutex_);
    return nodes_.size();
}

}  // namespace bandfs
