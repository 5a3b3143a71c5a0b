#include "fuse/page_watch.h"

#include <new>
#include <system_error>
#include <utility>

#include "disk/file_table.h"
#include "disk/inode.h"
#include "sys/thread_setup.h"

namespace bandfs {
namespace {

/// For how long who asked waits. He may be the receiver that the kernel waits for.
constexpr std::chrono::milliseconds kPatience{100};
/// Threads, when all wait for pages.
constexpr std::size_t kMostThreads = 32;

}  // namespace

Status PageWatch::start(FileTable& files, ReplySlot slot, Drop drop, std::chrono::nanoseconds every) {
    files_ = &files;
    slot_ = slot;
    drop_ = std::move(drop);
    every_ = every;
    const std::lock_guard lock(mutex_);
    running_ = true;
    threads_.reserve(kMostThreads);
    try {
        threads_.emplace_back([this] { look(); });
        threads_.emplace_back([this] { drop_all(); });
    } catch (const std::system_error& error) {
        return Errno{error.code().value()};
    }
    return {};
}

void PageWatch::stop() {
    std::vector<std::thread> ending;
    {
        const std::lock_guard lock(mutex_);
        running_ = false;
        look_wakes_.notify_all();
        drop_wakes_.notify_all();
        dropped_.notify_all();
        ending.swap(threads_);
    }
    for (std::thread& thread : ending) thread.join();
}

/// A thread: looks at what is open.
void PageWatch::look() {
    set_up_thread("bandfs-pages");
    std::unique_lock lock(mutex_);
    auto due = std::chrono::steady_clock::now() + every_;
    while (running_) {
        if (readers_ == 0) {
            look_wakes_.wait(lock);
        } else if (look_wakes_.wait_until(lock, due) != std::cv_status::timeout) {
            continue;
        } else {
            lock.unlock();
            try {
                for (const std::shared_ptr<FileData>& file : files_->paged_files())
                    if (file->look().changed_by_others) drop(file);
            } catch (const std::bad_alloc&) {  // the next time
            }
            lock.lock();
        }
        due = std::chrono::steady_clock::now() + every_;
    }
}

/// A thread: has pages dropped.
void PageWatch::drop_all() {
    set_up_thread("bandfs-drop");
    const Replying replying(slot_);
    std::unique_lock lock(mutex_);
    while (running_) {
        if (wanted_.empty()) {
            ++idle_;
            drop_wakes_.wait(lock);
            --idle_;
            continue;
        }
        const std::shared_ptr<Wanted> wanted = std::move(wanted_.front());
        wanted_.pop_front();
        lock.unlock();
        drop_(wanted->node);
        if (const std::shared_ptr<FileData> file = wanted->file.lock()) file->changes().dropped();
        lock.lock();
        wanted->done = true;
        dropped_.notify_all();
    }
}

std::shared_ptr<FileData> PageWatch::changed_by_others(const Inode& inode) {
    if (files_ == nullptr || !inode.is_regular()) return nullptr;
    std::shared_ptr<FileData> file = files_->find(inode);
    return file && file->look().changed_by_others ? file : nullptr;
}

/// nullptr when it cannot be had, and stays to be dropped.
std::shared_ptr<PageWatch::Wanted> PageWatch::queue(const std::shared_ptr<FileData>& file) noexcept try {
    auto wanted = std::make_shared<Wanted>(file, file->node());
    const std::lock_guard lock(mutex_);
    if (!running_) {
        file->changes().pages_are_old();
        return nullptr;
    }
    wanted_.push_back(wanted);
    file->changes().owe_drop();
    if (idle_ < wanted_.size() && threads_.size() < kMostThreads) {
        try {
            threads_.emplace_back([this] { drop_all(); });
        } catch (const std::system_error&) {  // those that there are have to do
        }
    }
    drop_wakes_.notify_one();
    return wanted;
} catch (const std::bad_alloc&) {
    file->changes().pages_are_old();
    return nullptr;
}

void PageWatch::drop_and_wait(const std::shared_ptr<FileData>& file) noexcept {
    const std::shared_ptr<Wanted> wanted = queue(file);
    if (!wanted) return;
    std::unique_lock lock(mutex_);
    dropped_.wait_for(lock, kPatience, [&] { return !running_ || wanted->done; });
}

PageWatch::Reader::Reader(PageWatch& watch, std::shared_ptr<FileData> file) : watch_(watch), file_(std::move(file)) {
    file_->count_paged_open(1);
    const std::lock_guard lock(watch_.mutex_);
    if (watch_.readers_++ == 0) watch_.look_wakes_.notify_all();
}

PageWatch::Reader::~Reader() {
    file_->count_paged_open(-1);
    const std::lock_guard lock(watch_.mutex_);
    --watch_.readers_;
}

}  // namespace bandfs
