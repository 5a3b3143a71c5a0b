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

/// The buffers in huge pages, for all pools: a process may have a thousand. Thread-safe.
class HugeBuffers {
public:
    static HugeBuffers& instance() {
        static HugeBuffers all;
        return all;
    }

    std::byte* take() {
        const std::lock_guard lock(mutex_);
        if (free_.empty()) return nullptr;
        std::byte* const base = free_.back();
        free_.pop_back();
        return base;
    }
    bool give_back(std::byte* base) {
        if (base < begin_ || base >= begin_ + kBytes) return false;
        const std::lock_guard lock(mutex_);
        free_.push_back(base);
        return true;
    }

private:
    static constexpr std::size_t kBytes = 16u << 20;

    HugeBuffers() {
        std::size_t room = kBytes + kHugePage;
        void* place = map(room);
        if (place == nullptr) return;
        begin_ = static_cast<std::byte*>(std::align(kHugePage, kBytes, place, room));
        ::madvise(begin_, kBytes, MADV_HUGEPAGE);  // fails where there are none, which costs nothing but time
        constexpr std::size_t kBuffers = kBytes / PooledBuffer::kBytes;
        free_.reserve(kBuffers);
        for (std::size_t i = kBuffers; i-- != 0;) free_.push_back(begin_ + i * PooledBuffer::kBytes);
    }

    std::mutex mutex_;
    std::byte* begin_ = nullptr;  ///< mapped as long as the process lives
    std::vector<std::byte*> free_;
};

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
    void* const base = map(PooledBuffer::kBytes);
    if (base == nullptr) return {};
    return {this, static_cast<std::byte*>(base)};
}

PooledBuffer BufferPool::take_large() {
    std::byte* const base = HugeBuffers::instance().take();
    return base != nullptr ? PooledBuffer(this, base) : take();
}

void BufferPool::give_back(std::byte* base) {
    if (HugeBuffers::instance().give_back(base)) return;
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
