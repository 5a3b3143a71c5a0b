// fuse/session_buffers.h - page-aligned memory that messages are received into and that file data is read into.
#pragma once

#include <cstddef>
#include <memory>

namespace bandfs {

inline constexpr std::size_t kPageBytes = 4096;
/// The largest payload of a READ or WRITE: what FUSE_MAX_PAGES allows, 256 pages.
inline constexpr std::size_t kPayloadBytes = 1u << 20;
/// A WRITE stands in its buffer so that its payload begins a page: O_DIRECT below needs that. In front of it are
/// fuse_in_header and fuse_write_in, 40 bytes each.
inline constexpr std::size_t kMessageOffset = kPageBytes - 80;
inline constexpr std::size_t kMessageBytes = kPayloadBytes + 80;

/// Gives memory back to the pool of the process.
struct ReturnPageBuffer {
    void operator()(std::byte* memory) const noexcept;
};

/// kPageBytes + kPayloadBytes of page-aligned memory, with its owner.
using PageBuffer = std::unique_ptr<std::byte[], ReturnPageBuffer>;

/// Memory from the pool, which keeps a few that are free so that their pages need not be faulted in again. Thread-safe.
/// Throws std::bad_alloc.
PageBuffer take_page_buffer();

}  // namespace bandfs
