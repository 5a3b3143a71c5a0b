// sys/buffer_pool.h - page-aligned buffers for payloads, shared by the receive loop and the reads.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

namespace bandfs {

class BufferPool;

/// Owns one buffer of a pool and gives it back. Empty when moved from, or when memory was short. The pool outlives it.
class PooledBuffer {
public:
    PooledBuffer() = default;
    PooledBuffer(PooledBuffer&& other) noexcept : pool_(std::exchange(other.pool_, nullptr)), base_(other.base_) {}
    PooledBuffer& operator=(PooledBuffer&& other) noexcept {
        std::swap(pool_, other.pool_);
        std::swap(base_, other.base_);
        return *this;
    }
    ~PooledBuffer();

    explicit operator bool() const { return pool_ != nullptr; }
    std::byte* data() const { return base_; }  ///< begins a page; kBytes long

    /// Room for the largest payload (1 MiB) in whole pages that begin on the second, a header before it and slack
    /// behind.
    static constexpr std::size_t kPage = 4096;
    static constexpr std::size_t kLargestPayload = 1u << 20;
    static constexpr std::size_t kBytes = kLargestPayload + 2 * kPage;

private:
    friend class BufferPool;
    PooledBuffer(BufferPool* pool, std::byte* base) : pool_(pool), base_(base) {}

    BufferPool* pool_ = nullptr;
    std::byte* base_ = nullptr;
};

/// Buffers of PooledBuffer::kBytes from mmap. Thread-safe. Keeps at most `keep` free ones and unmaps the rest, so
/// memory follows what is held. Never waits: a bound on what is out is its users' business.
class BufferPool {
public:
    explicit BufferPool(std::size_t keep = 32);
    ~BufferPool();
    BufferPool(const BufferPool&) = delete;
    BufferPool& operator=(const BufferPool&) = delete;

    /// An empty one when the system has no memory.
    PooledBuffer take();
    /// The same for what will be full: in huge pages where the system has them, of which all pools together have 16 MiB
    /// once they had use for them. The kernel takes hold of each page of a buffer for the disk and again for the
    /// answer, which is cheaper by whole ones.
    PooledBuffer take_large();

private:
    friend class PooledBuffer;
    void give_back(std::byte* base);

    const std::size_t keep_;
    std::mutex mutex_;
    std::vector<std::byte*> free_;  ///< the last given back is taken first: its pages are warm
};

}  // namespace bandfs
