#include "fuse/page_watch.h"

#include <system_error>
#include <utility>

#include "disk/file_table.h"
#include "disk/inode.h"
#include "sys/thread_setup.h"

namespace bandfs {
namespace {

/// For how long who asked waits. He may be the receiver that the kernel waits for.
constexpr std::chrono::milliseconds kPatience{100};

}  // namespace

Status PageWatch::start(FileTable& files, ReplySlot slot, Drop drop, std::chrono::nanoseconds every) {
    files_ = &files;
    drop_ = std::move(drop);
    every_ = every;
    running_ = true;
    try {
        thread_ = std::thread([this, slot] { run(slot); });
    } catch (const std::system_error& error) {
        running_ = false;
        return Errno{error.code().value()};
    }
    return {};
}

void PageWatch::stop() {
    std::thread ending;
    {
        const std::lock_guard lock(mutex_);
        running_ = false;
        wakes_.notify_all();
        dropped_.notify_all();
        ending.swap(thread_);
    }
    if (ending.joinable()) ending.join();
}

void PageWatch::run(ReplySlot slot) {
    set_up_thread("bandfs-pages");
    const Replying replying(slot);
    std::unique_lock lock(mutex_);
    auto due = std::chrono::steady_clock::now() + every_;
    while (running_) {
        if (!wanted_.empty()) {
            const std::uint64_t node = wanted_.front();
            wanted_.pop_front();
            lock.unlock();
            drop_(node);
            lock.lock();
            ++done_;
            dropped_.notify_all();
        } else if (readers_ == 0) {
            wakes_.wait(lock);
            due = std::chrono::steady_clock::now() + every_;
        } else if (wakes_.wait_until(lock, due) == std::cv_status::timeout) {
            lock.unlock();
            look_at_all();
            lock.lock();
            due = std::chrono::steady_clock::now() + every_;
        }
    }
}

void PageWatch::look_at_all() {
    for (const std::shared_ptr<FileData>& file : files_->paged()) {
        if (file->look().changed_by_others) drop_(file->node());
    }
}

bool PageWatch::changed_by_others(const Inode& inode) {
    if (files_ == nullptr || !inode.is_regular()) return false;
    const std::shared_ptr<FileData> file = files_->find(inode);
    return file && file->look().changed_by_others;
}

void PageWatch::drop_if_changed(const Inode& inode) {
    if (changed_by_others(inode)) drop(inode.id());
}

void PageWatch::drop(std::uint64_t node) {
    std::unique_lock lock(mutex_);
    if (!running_) return;
    wanted_.push_back(node);
    const std::uint64_t mine = ++asked_;
    wakes_.notify_all();
    dropped_.wait_for(lock, kPatience, [&] { return !running_ || done_ >= mine; });
}

PageWatch::Reader::Reader(PageWatch& watch, std::shared_ptr<FileData> file) : watch_(watch), file_(std::move(file)) {
    file_->paged(1);
    const std::lock_guard lock(watch_.mutex_);
    if (watch_.readers_++ == 0) watch_.wakes_.notify_all();
}

PageWatch::Reader::~Reader() {
    file_->paged(-1);
    const std::lock_guard lock(watch_.mutex_);
    --watch_.readers_;
}

}  // namespace bandfs
