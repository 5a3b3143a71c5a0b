#include "sys/buffer_pool.h"

#include <sys/mman.h>

#include <memory>

namespace bandfs {

namespace {

constexpr std::size_t kHugePage = 2u << 20;

void unmap(std::byte* base) {
    ::munmap(base, PooledBuffer::kBytes);
}

void* map(std::size_t bytes) {
    void* const base = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return base == MAP_FAILED ? nullptr : base;
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
    if (huge_mapping_ != nullptr) ::munmap(huge_mapping_, kHugeBytes + kHugePage);
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
    void* const base = map(PooledBuffer::kBytes);
    if (base == nullptr) return {};
    return {this, static_cast<std::byte*>(base)};
}

// Requires the lock.
void BufferPool::make_huge() {
    made_huge_ = true;
    std::size_t room = kHugeBytes + kHugePage;
    void* place = huge_mapping_ = map(room);
    if (place == nullptr) return;
    huge_ = static_cast<std::byte*>(std::align(kHugePage, kHugeBytes, place, room));
    ::madvise(huge_, kHugeBytes, MADV_HUGEPAGE);  // fails where there are none, which costs nothing but time
    constexpr std::size_t kBuffers = kHugeBytes / PooledBuffer::kBytes;
    huge_free_.reserve(kBuffers);
    for (std::size_t i = kBuffers; i-- != 0;) huge_free_.push_back(huge_ + i * PooledBuffer::kBytes);
}

PooledBuffer BufferPool::take_large() {
    {
        const std::lock_guard lock(mutex_);
        if (!made_huge_) make_huge();
        if (!huge_free_.empty()) {
            std::byte* const base = huge_free_.back();
            huge_free_.pop_back();
            return {this, base};
        }
    }
    return take();
}

void BufferPool::give_back(std::byte* base) {
    {
        const std::lock_guard lock(mutex_);
        if (is_huge(base)) {
            huge_free_.push_back(base);
            return;
        }
        if (free_.size() < keep_) {
            free_.push_back(base);
            return;
        }
    }
    unmap(base);
}

}  // namespace bandfs
