// sys/file_io.h - positioned reads and writes, write-back and what the page cache holds, as system calls.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "sys/result.h"
#include "sys/unique_fd.h"

namespace bandfs {

/// What of fstat(2) the data plane looks at.
struct FileFacts {
    dev_t device = 0;
    ino_t inode = 0;
    std::uint64_t size = 0;
    bool has_name = true;  ///< some link leads to it
    bool is_regular = false;
};

// All may be short and repeat a call that a signal interrupted.

Result<std::size_t> read_at(int fd, std::span<std::byte> into, std::uint64_t offset);
/// Only what can be had without waiting: EAGAIN when that is nothing.
Result<std::size_t> read_at_once(int fd, std::span<std::byte> into, std::uint64_t offset);
enum class SyncedWrite { no, data, all };  ///< as without, with O_DSYNC, with O_SYNC
Result<std::size_t> write_at(int fd, std::span<const std::byte> from, std::uint64_t offset, SyncedWrite synced);

/// Writes the dirty pages of a range and waits until they are written; says nothing about metadata.
Status write_back_range(int fd, std::uint64_t offset, std::uint64_t bytes);
Status sync_file(int fd, bool data_only);

/// How many pages of a range the page cache holds: cachestat(2), before Linux 6.5 mincore(2). nullopt where the kernel
/// does not tell (neither the file's owner nor allowed to write it).
std::optional<std::uint64_t> resident_pages(int fd, std::uint64_t offset, std::uint64_t bytes);

Result<FileFacts> file_facts(int fd);
/// f_type of statfs(2).
Result<std::uint64_t> file_system_type(int fd);
/// The alignment that O_DIRECT wants of offsets and lengths: 0 where there is no O_DIRECT, 1 where the kernel does not
/// say.
std::uint32_t direct_io_alignment(int fd);
/// Opens the same inode again with other flags, by no name that could be changed under us.
Result<UniqueFd> reopen(int fd, int flags);
/// Whether it was opened with O_NOATIME.
bool leaves_access_time(int fd);
/// The kernel reads what is asked for and nothing ahead.
void turn_readahead_off(int fd);

/// Puts bytes into the page cache of a file, open for both, as a store to a shared mapping of it does. False when some
/// of it could not be had: behind its last page, or a hole that the disk has no room for.
bool store_mapped(int fd, std::uint64_t offset, std::span<const std::byte> from);

Status truncate_file(int fd, std::uint64_t size);
Status allocate_file(int fd, int mode, std::uint64_t offset, std::uint64_t bytes);
Result<std::uint64_t> seek_file(int fd, std::uint64_t offset, int whence);

std::uint64_t physical_memory_bytes();

}  // namespace bandfs
