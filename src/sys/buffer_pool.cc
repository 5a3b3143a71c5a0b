#include "sys/buffer_pool.h"

#include <sys/mman.h>

namespace bandfs {

namespace {

void unmap(std::byte* base) {
    ::munmap(base, PooledBuffer::kBytes);
}

}  // namespace

PooledBuffer::~PooledBuffer() {
    if (pool_ != nullptr) pool_->give_back(base_);
}

BufferPool::BufferPool(std::size_t keep) : keep_(keep) {
    free_.reserve(keep);
}

BufferPool::~BufferPool() {
    for (std::byte* const base : free_) unmap(base);
}

PooledBuffer BufferPool::take() {
    {
        const std::lock_guard lock(mutex_);
        if (!free_.empty()) {
            std::byte* const base = free_.back();
            free_.pop_back();
            return {this, base};
        }
    }
    void* const base =
        ::mmap(nullptr, PooledBuffer::kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) return {};
    return {this, static_cast<std::byte*>(base)};
}

void BufferPool::give_back(std::byte* base) {
    {
        const std::lock_guard lock(mutex_);
        if (free_.size() < keep_) {
            free_.push_back(base);
            return;
        }
    }
    unmap(base);
}

}  // namespace bandfs
