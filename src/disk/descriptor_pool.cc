#include "disk/descriptor_pool.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace bandfs {
namespace {

/// The pools of the process: each mount has one, and all take from the same descriptors.
struct Pools {
    std::mutex mutex;
    std::vector<DescriptorPool*> all;  ///< guarded by mutex, which is taken before that of any pool
};

Pools& pools() {
    static Pools instance;
    return instance;
}

}  // namespace

DescriptorPool::DescriptorPool(std::size_t capacity) : capacity_(capacity) {
    const std::lock_guard lock(pools().mutex);
    pools().all.push_back(this);
}

DescriptorPool::~DescriptorPool() {
    const std::lock_guard lock(pools().mutex);
    std::erase(pools().all, this);
}

HeldFd DescriptorPool::get(Inode& inode) {
    std::lock_guard lock(mutex_);
    use(inode);
    return inode.held_;
}

HeldFd DescriptorPool::put(Inode& inode, UniqueFd descriptor) {
    HeldFd surplus = std::make_shared<const UniqueFd>(std::move(descriptor));
    std::vector<HeldFd> dropped;
    std::lock_guard lock(mutex_);
    use(inode);
    if (inode.held_) return inode.held_;
    inode.held_ = std::move(surplus);
    HeldFd held = inode.held_;
    if (inode.pinned_) return held;
    recent_.push_front(inode);
    dropped = take_oldest(capacity_);
    return held;
}

void DescriptorPool::pin(Inode& inode, UniqueFd descriptor) {
    HeldFd surplus = std::make_shared<const UniqueFd>(std::move(descriptor));
    std::lock_guard lock(mutex_);
    if (inode.is_linked()) recent_.erase(recent_.iterator_to(inode));
    inode.pinned_ = true;
    if (!inode.held_) inode.held_ = std::move(surplus);
}

void DescriptorPool::unpin(Inode& inode) {
    std::vector<HeldFd> dropped;
    std::lock_guard lock(mutex_);
    if (!std::exchange(inode.pinned_, false) || !inode.held_) return;
    recent_.push_front(inode);
    use(inode);
    dropped = take_oldest(capacity_);
}

void DescriptorPool::remove(Inode& inode) {
    HeldFd last;
    std::lock_guard lock(mutex_);
    if (inode.is_linked()) recent_.erase(recent_.iterator_to(inode));
    last = std::move(inode.held_);
}

bool DescriptorPool::shed_all() {
    std::vector<HeldFd> dropped;
    {
        const std::lock_guard lock(pools().mutex);
        for (DescriptorPool* const pool : pools().all) {
            const std::lock_guard pool_lock(pool->mutex_);
            std::ranges::move(pool->take_oldest(pool->recent_.size() / 2), std::back_inserter(dropped));
        }
    }
    return !dropped.empty();
}

void DescriptorPool::use(Inode& inode) {
    inode.used_in_ = period_;
    if (inode.is_linked()) recent_.splice(recent_.begin(), recent_, recent_.iterator_to(inode));
}

void DescriptorPool::drop_unused() {
    std::vector<HeldFd> dropped;
    std::lock_guard lock(mutex_);
    for (auto it = recent_.end(); it != recent_.begin();) {
        Inode& inode = *--it;
        if (inode.used_in_ == period_) break;
        if (!inode.mount().handles || !inode.key().has_handle()) continue;
        dropped.push_back(std::move(inode.held_));
        it = recent_.erase(it);
    }
    ++period_;
}

std::size_t DescriptorPool::size() const {
    std::lock_guard lock(mutex_);
    return recent_.size();
}

std::vector<HeldFd> DescriptorPool::take_oldest(std::size_t keep) {
    std::vector<HeldFd> taken;
    while (recent_.size() > keep) {
        taken.push_back(std::move(recent_.back().held_));
        recent_.pop_back();
    }
    return taken;
}

}  // namespace bandfs
