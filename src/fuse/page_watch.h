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

#include "disk/file_data.h"
#include "fuse/transport.h"
#include "sys/result.h"

namespace bandfs {

class FileTable;
class Inode;

/// Thread-safe but for start(), which comes first. Does nothing until that.
class PageWatch {
public:
    using Drop = std::function<void(std::uint64_t node)>;

    ~PageWatch() { stop(); }

    /// `drop` tells the kernel, through `slot`, from a thread of the watch's own: the kernel waits for pages that are
    /// being read or written, and so for the receivers. While files are open for reading they are looked at `every` so
    /// long. An error when there is no thread.
    Status start(FileTable& files, ReplySlot slot, Drop drop, std::chrono::nanoseconds every);
    /// Requires that requests are still received, or that the mount is gone.
    void stop();

    /// Whether others have changed a file that is open or dirty since it was last looked at. Who asks has to drop().
    bool changed_by_others(const Inode& inode);
    /// Both, before the kernel is told of the file.
    void drop_if_changed(const Inode& inode);
    /// Has its pages dropped. Returns when they are, or after a while when somebody has one of them. The kernel takes
    /// no attributes of the file that it asked for before.
    void drop(std::uint64_t node);

    /// Counts what keeps the watch awake: a file that is open for reading by way of the kernel's pages.
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
    void run(ReplySlot slot);
    void look_at_all();

    FileTable* files_ = nullptr;  ///< constant from start() on, as what follows
    Drop drop_;
    std::chrono::nanoseconds every_{};

    std::mutex mutex_;
    std::condition_variable wakes_;
    std::condition_variable dropped_;
    // Guarded by mutex_:
    std::thread thread_;
    std::deque<std::uint64_t> wanted_;  ///< nodes
    std::uint64_t asked_ = 0;           ///< counts what came into `wanted_`
    std::uint64_t done_ = 0;            ///< and what has been dropped of it
    std::size_t readers_ = 0;
    bool running_ = false;
};

}  // namespace bandfs
