// fuse/page_watch.h - has the kernel drop its pages of files that others have changed below.
//
// Without it the kernel would compare times by itself, and then takes the mount's own writes for those of others
// (disk/change_log.h). It asks at each open what it may keep. What stays open is looked at here: when the kernel is
// told of attributes, and from time to time.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "disk/file_data.h"
#include "fuse/transport.h"
#include "sys/result.h"

namespace bandfs {

class FileTable;
class Inode;

/// Thread-safe but for start(), which comes first. Without that it drops nothing, and what is to be dropped stays so.
///
/// The kernel waits with a drop for those of the pages that are being read or written, and so for what is held: drops
/// have threads of their own, as many as wait.
class PageWatch {
public:
    using Drop = std::function<void(std::uint64_t node)>;

    ~PageWatch() { stop(); }

    /// `drop` tells the kernel, by way of `slot`. While files are open for reading they are looked at `every` so long.
    /// An error when there is no thread.
    Status start(FileTable& files, ReplySlot slot, Drop drop, std::chrono::nanoseconds every);
    /// Requires that requests are still received, or that the mount is gone.
    void stop();

    /// The file when it is open or dirty and others have changed it since somebody was told; else nullptr. Who gets it
    /// has to drop() it.
    std::shared_ptr<FileData> changed_by_others(const Inode& inode);
    /// Has its pages dropped. Whatever attributes of the file the kernel has asked for until then, it does not take.
    void drop(const std::shared_ptr<FileData>& file) noexcept { queue(file); }
    /// Returns when they are dropped, or after a while when somebody has one of them.
    void drop_and_wait(const std::shared_ptr<FileData>& file) noexcept;

    /// Counts what keeps the watch awake: a file that is open for reading.
    class Reader {
    public:
        Reader(PageWatch& watch, std::shared_ptr<FileData> file);
        ~Reader();
        Reader(const Reader&) = delete;
        Reader& operator=(const Reader&) = delete;

    private:
        PageWatch& watch_;
        const std::shared_ptr<FileData> file_;
    };

private:
    struct Wanted {
        std::weak_ptr<FileData> file;
        std::uint64_t node;
        bool done = false;
    };

    std::shared_ptr<Wanted> queue(const std::shared_ptr<FileData>& file) noexcept;
    void look();
    void drop_all();

    FileTable* files_ = nullptr;  ///< constant from start() on, as what follows
    ReplySlot slot_;
    Drop drop_;
    std::chrono::nanoseconds every_{};

    std::mutex mutex_;
    std::condition_variable look_wakes_;
    std::condition_variable drop_wakes_;
    std::condition_variable dropped_;
    // Guarded by mutex_:
    std::vector<std::thread> threads_;  ///< that which looks, and those that drop
    std::deque<std::shared_ptr<Wanted>> wanted_;
    std::size_t idle_ = 0;  ///< threads that wait for something to drop
    std::size_t readers_ = 0;
    bool running_ = false;
};

}  // namespace bandfs
