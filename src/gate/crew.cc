#include "gate/crew.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include "gate/steady_time.h"
#include "sys/thread_setup.h"

namespace bandfs {

namespace {

// Who watches the time sleeps at least this long, so that a policy that asks for a time that has passed makes nobody
// spin.
constexpr TimeNs kShortestSleepNs = 5'000;

}  // namespace

Crew::Crew(std::mutex& mutex, std::function<void(Worker&)> work) : mutex_(mutex), work_(std::move(work)) {
    workers_.reserve(kMost);
}

void Crew::call_for(std::size_t jobs, unsigned looking, Wakes& wakes) {
    for (std::size_t hands = coming_ + looking; hands < jobs; ++hands) {
        if (asleep_ != nullptr) {
            wake_one(wakes);
        } else if (started_ < kMost) {
            ++started_;
            ++coming_;
            ++wakes.start;
        } else {
            return;
        }
    }
}

void Crew::call_all(Wakes& wakes) {
    while (asleep_ != nullptr) wake_one(wakes);
}

void Crew::wake_one(Wakes& wakes) {
    Worker* const worker = asleep_;
    asleep_ = worker->next;
    if (worker == watcher_) unwatch();
    worker->woken = true;
    ++coming_;
    wakes.workers[wakes.count++] = worker;
}

void Crew::wake(const Wakes& wakes) {
    for (unsigned i = 0; i != wakes.count; ++i) wakes.workers[i]->wakes.notify_one();
    for (unsigned i = 0; i != wakes.start; ++i) start();
}

void Crew::start() {
    auto made = std::make_unique<Worker>();
    Worker& worker = *made;
    {
        const std::lock_guard lock(mutex_);
        workers_.push_back(std::move(made));
    }
    try {
        worker.thread = std::thread([this, &worker] {
            set_up_thread("bandfs-io");
            work_(worker);
        });
    } catch (const std::system_error&) {
        const std::lock_guard lock(mutex_);
        --started_;
        --coming_;
    }
}

bool Crew::sleep(Worker& self, std::unique_lock<std::mutex>& lock, TimeNs due) {
    self.woken = false;
    self.next = asleep_;
    asleep_ = &self;
    const auto woken = [&] { return self.woken; };
    if (due == kNever) {
        self.wakes.wait(lock, woken);
    } else {
        watcher_ = &self;
        watcher_due_ = std::max(due, now_ns() + kShortestSleepNs);
        self.wakes.wait_until(lock, steady_time(watcher_due_), woken);
        if (watcher_ == &self) unwatch();
    }
    if (self.woken) {
        arrived();
        return true;
    }
    Worker** link = &asleep_;
    while (*link != &self) link = &(*link)->next;
    *link = self.next;
    return false;
}

void Crew::unwatch() {
    watcher_ = nullptr;
    watcher_due_ = kNever;
}

void Crew::join() {
    // A worker that is being joined may just be starting the next.
    for (std::size_t i = 0;; ++i) {
        std::unique_lock lock(mutex_);
        if (i == workers_.size()) return;
        std::thread& thread = workers_[i]->thread;
        lock.unlock();
        if (thread.joinable()) thread.join();
    }
}

}  // namespace bandfs
