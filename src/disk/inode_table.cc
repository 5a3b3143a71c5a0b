#include "disk/inode_table.h"

#include <algorithm>
#include <cassert>
#include <limits>
#include <utility>
#include <vector>

namespace bandfs {
namespace {

/// About 300 bytes each.
constexpr std::size_t kMostRetired = 16384;

template <typename Set, typename Sought>
InodePtr live(const Set& set, const Sought& sought) {
    const auto it = set.find(sought);
    return it == set.end() ? nullptr : (*it)->weak_from_this().lock();
}

template <typename Set>
void replace(Set& set, Inode* inode) {
    const auto [it, inserted] = set.insert(inode);
    if (inserted) return;
    set.erase(it);  // of the same name, and about to be removed
    set.insert(inode);
}

template <typename Set>
void erase_itself(Set& set, Inode& inode) {
    const auto it = set.find(&inode);
    if (it != set.end() && *it == &inode) set.erase(it);
}

}  // namespace

InodePtr InodeTable::find(NodeId id) {
    std::lock_guard lock(mutex_);
    return live(by_id_, id);
}

InodePtr InodeTable::find(const InodeKey& key) {
    std::lock_guard lock(mutex_);
    return live(by_key_, key);
}

InodePtr InodeTable::enter(const InodeKey& key, const Make& make) {
    std::lock_guard lock(mutex_);
    InodePtr inode = live(by_key_, key);
    if (!inode) {
        const std::optional<NodeId> id = codec_.encode(key);
        inode = make(id ? *id : NodeIdCodec::kNumberedBit | ++numbered_);
        insert(inode);
    }
    add_lookup(inode);
    return inode;
}

void InodeTable::enter_root(const InodePtr& root) {
    std::lock_guard lock(mutex_);
    insert(root);
    root->lookups_ = std::numeric_limits<std::uint64_t>::max() / 2;
}

void InodeTable::count(Inode& inode) {
    std::lock_guard lock(mutex_);
    add_lookup(inode.shared_from_this());
}

void InodeTable::forget(Inode& inode, std::uint64_t lookups) {
    InodePtr last, oldest;  // released after the lock, which an inode's end takes
    std::lock_guard lock(mutex_);
    assert(inode.lookups_ >= lookups);
    inode.lookups_ -= std::min(inode.lookups_, lookups);
    if (inode.lookups_ != 0 || !inode.self_) return;
    last = std::move(inode.self_);
    if ((inode.id() & NodeIdCodec::kNumberedBit) == 0 || !inode.mount().handles) return;
    retired_.push_back(last);
    if (retired_.size() <= kMostRetired) return;
    oldest = std::move(retired_.front());
    retired_.pop_front();
}

void InodeTable::remove(Inode& inode) {
    std::lock_guard lock(mutex_);
    erase_itself(by_key_, inode);
    erase_itself(by_id_, inode);
}

void InodeTable::forget_all() {
    std::vector<InodePtr> all;
    std::deque<InodePtr> retired;
    std::lock_guard lock(mutex_);
    for (Inode* inode : by_id_) {
        if (!inode->self_) continue;
        inode->lookups_ = 0;
        all.push_back(std::move(inode->self_));
    }
    retired.swap(retired_);
}

std::size_t InodeTable::size() const {
    std::lock_guard lock(mutex_);
    return by_id_.size();
}

void InodeTable::add_lookup(const InodePtr& inode) {
    ++inode->lookups_;
    if (inode->id() != kRootNode) inode->self_ = inode;
}

void InodeTable::insert(const InodePtr& inode) {
    replace(by_key_, inode.get());
    replace(by_id_, inode.get());
}

}  // namespace bandfs
