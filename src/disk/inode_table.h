// disk/inode_table.h - the inodes that are known, by key and by node id, with the kernel's lookups counted.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <unordered_set>

#include "disk/inode.h"

namespace bandfs {

/// Every inode of a Tree. Thread-safe: one lock, held for a hash look-up.
///
/// A lookup is counted under the lock that a forget takes, before the answer is sent: whichever of a lookup and a
/// forget of the same inode comes first, the count is right, and an inode that the kernel gave up is revived while
/// anybody holds it.
class InodeTable {
public:
    using Make = std::function<InodePtr(NodeId)>;

    explicit InodeTable(const NodeIdCodec& codec) : codec_(codec) {}

    /// nullptr: not known.
    InodePtr find(NodeId id);
    InodePtr find(const InodeKey& key);

    /// The inode of this key, with one lookup counted. `make` gives it when there is none; it runs under the lock.
    InodePtr enter(const InodeKey& key, const Make& make);
    /// The root: node id kRootNode, never forgotten.
    void enter_root(const InodePtr& root);
    /// Counts one more lookup of an inode at hand.
    void count(Inode& inode);
    /// Takes lookups off. The caller holds no other lock.
    void forget(Inode& inode, std::uint64_t lookups);
    /// An inode nobody holds any more.
    void remove(Inode& inode);
    /// Takes all lookups off all inodes: the mount is over.
    void forget_all();
    std::size_t size() const;

private:
    struct ByKeyHash {
        using is_transparent = void;
        std::size_t operator()(const InodeKey& key) const { return InodeKeyHash()(key); }
        std::size_t operator()(const Inode* inode) const { return InodeKeyHash()(inode->key()); }
    };
    struct ByKeyEqual {
        using is_transparent = void;
        static const InodeKey& key(const InodeKey& key) { return key; }
        static const InodeKey& key(const Inode* inode) { return inode->key(); }
        bool operator()(const auto& a, const auto& b) const { return key(a) == key(b); }
    };
    struct ByIdHash {
        using is_transparent = void;
        std::size_t operator()(NodeId id) const { return std::hash<NodeId>()(id * 0x9e3779b97f4a7c15u); }
        std::size_t operator()(const Inode* inode) const { return (*this)(inode->id()); }
    };
    struct ByIdEqual {
        using is_transparent = void;
        static NodeId id(NodeId id) { return id; }
        static NodeId id(const Inode* inode) { return inode->id(); }
        bool operator()(const auto& a, const auto& b) const { return id(a) == id(b); }
    };

    void add_lookup(const InodePtr& inode);
    void insert(const InodePtr& inode);

    const NodeIdCodec& codec_;
    mutable std::mutex mutex_;
    /// The pointers are valid: an inode leaves the sets, under the lock, before its memory is freed. One that nobody
    /// holds any more may still stand here.
    std::unordered_set<Inode*, ByKeyHash, ByKeyEqual> by_key_;
    std::unordered_set<Inode*, ByIdHash, ByIdEqual> by_id_;
    std::uint64_t numbered_ = 0;
    /// Inodes whose id says nothing and that the kernel forgot last: known a while longer, since a handle of theirs may
    /// come.
    std::deque<InodePtr> retired_;
};

}  // namespace bandfs
