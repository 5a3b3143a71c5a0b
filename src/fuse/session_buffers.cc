#include "fuse/session_buffers.h"

#include <cstdlib>
#include <mutex>
#include <new>
#include <vector>

namespace bandfs {
namespace {

/// Receivers and workers of a busy mount hold about this many at once; 33 MiB at most stay with the process.
constexpr std::size_t kKeptFree = 32;

class PageBufferPool {
public:
    PageBufferPool() { free_.reserve(kKeptFree); }
    ~PageBufferPool() {
        for (std::byte* memory : free_) std::free(memory);
    }

    std::byte* take() {
        {
            std::lock_guard lock(mutex_);
            if (!free_.empty()) {
                std::byte* memory = free_.back();
                free_.pop_back();
                return memory;
            }
        }
        void* memory = std::aligned_alloc(kPageBytes, kPageBytes + kPayloadBytes);
        if (memory == nullptr) throw std::bad_alloc();
        return static_cast<std::byte*>(memory);
    }

    void give_back(std::byte* memory) noexcept {
        {
            std::lock_guard lock(mutex_);
            if (free_.size() < kKeptFree) {
                free_.push_back(memory);
                return;
            }
        }
        std::free(memory);
    }

private:
    std::mutex mutex_;
    std::vector<std::byte*> free_;  ///< guarded by mutex_; the last one given back is the warmest
};

PageBufferPool& pool() {
    static PageBufferPool the_pool;
    return the_pool;
}

}  // namespace

void ReturnPageBuffer::operator()(std::byte* memory) const noexcept { pool().give_back(memory); }

PageBuffer take_page_buffer() { return PageBuffer(pool().take()); }

}  // namespace bandfs
