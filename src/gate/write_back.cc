#include "gate/write_back.h"

#include <algorithm>
#include <cassert>
#include <iterator>
#include <utility>

#include "gate/data_plane.h"
#include "gate/steady_time.h"
#include "sys/thread_setup.h"

namespace bandfs {

namespace {

// Of a file per job.
constexpr std::uint64_t kJobSpan = kMiB;
// What a group has in jobs at a time, in bytes and in jobs: at 128 KiB a unit, 32 units for the scheduler to see.
constexpr std::uint64_t kBytesInJobs = 4 * kMiB;
constexpr unsigned kJobsOfGroup = 32;
// How many jobs of an fsync are ahead of everything else at a time: two keep a disk busy, and on a slow one what else
// comes waits behind them; where a job takes less than this, more are tried.
constexpr unsigned kFewestUrgent = 2;
constexpr unsigned kMostUrgent = 8;
constexpr TimeNs kQuickJobNs = 5 * kMillisecond;
// Without a bound that was set: what went to the disk in so many seconds.
constexpr std::uint64_t kSecondsOfBound = 4;
// What a group may rest of what is streamed: an eighth of its bound, and not more than a slow disk writes in a fifth of
// a second.
constexpr std::uint64_t kMostStreamed = 8 * kMiB;
// Files with resting extents keep a descriptor each; so many of a group may rest at most.
constexpr std::size_t kMostRestingFiles = 8192;
// So many are written for one who needs a descriptor: several disk requests at once, and the next comes soon.
constexpr std::size_t kHastenedFiles = 16;

// Who fsyncs in a loop comes back sooner.
constexpr TimeNs kLately = kSecond;

std::uint64_t in_pages(std::uint64_t offset, std::uint64_t bytes) {
    constexpr std::uint64_t kPage = DirtyExtents::kGranule;
    return bytes == 0 ? 0 : ((offset + bytes - 1) / kPage - offset / kPage + 1) * kPage;
}

// Of what a group may have, what may rest.
std::uint64_t resting_part(std::uint64_t bound) {
    return bound * 3 / 4;
}

/// Closes a file, which may take the disk's time when it had no name any more.
class LetGo final : public Job {
public:
    explicit LetGo(std::shared_ptr<FileData> file) : Job(0), file_(std::move(file)) {}
    bool perform(std::uint64_t, std::uint64_t) override { return true; }
    void finish(JobOutcome) override {}

private:
    const std::shared_ptr<FileData> file_;
};

}  // namespace

WriteBack::WriteBack(Gate& gate, MountGroups& groups, const WriteBackSettings& settings, DataCounters& counters)
    : gate_(gate),
      groups_(groups),
      settings_(settings),
      counters_(counters),
      bound_(settings.bound),
      most_of_all_(settings.most_of_all),
      urgent_limit_(kFewestUrgent),
      flusher_([this] { flush_old(); }) {}

WriteBack::~WriteBack() {
    {
        const std::lock_guard lock(mutex_);
        assert(file_jobs_.empty());
        stopping_ = true;
    }
    flusher_wakes_.notify_one();
    flusher_.join();
}

DirtyLedger& WriteBack::ledger_of(DirtyOwner owner) {
    return ledgers_.try_emplace(owner, owner).first->second;
}

void WriteBack::forget_if_idle(DirtyLedger& ledger) {
    if (ledger.idle()) ledgers_.erase(ledger.owner);
    if (draining_) drained_.notify_all();
}

// Writes and their room.

bool WriteBack::has_room(const DirtyLedger& ledger, const WriteRequest& request) const {
    if (draining_ || ledger.dirty == 0) return true;
    const std::uint64_t bytes = in_pages(request.offset_, request.payload_.size());
    if (ledger.dirty + bytes > bound_of(ledger)) return false;
    const FileData* const file = request.file_->data.get();
    const auto known = ledger.files.find(file);
    if (known == ledger.files.end()) return ledger.dirty_files() < files_of_group() || file_jobs_.contains(file);
    const std::uint64_t resting = ledger.noted - ledger.streamed;
    return !known->second->streams || ledger.dirty - resting + bytes <= bound_;
}

std::uint64_t WriteBack::bound_of(const DirtyLedger& ledger) const {
    const std::uint64_t part = most_of_all_ / std::max<std::size_t>(ledgers_.size(), 1);
    return std::max(bound_, std::min(part, kSecondsOfBound * ledger.pace.bytes_per_second()));
}

// How many dirty files a group may have: its part of all there may be. While a group that has just come gets its part,
// the others can be above theirs.
std::size_t WriteBack::files_of_group() const {
    return std::max<std::size_t>(settings_.most_files / std::max<std::size_t>(ledgers_.size(), 1), 1);
}

void WriteBack::take_room(DirtyLedger& ledger, WriteRequest& request) {
    request.reserved_ = in_pages(request.offset_, request.payload_.size());
    ledger.dirty += request.reserved_;
    ledger.claims += request.claims_ = 1;
}

// It wants no room any more, whether it had it or waited for it.
void WriteBack::give_up(DirtyLedger& ledger, WriteRequest& request) {
    if (request.WaitingWriteHook::is_linked()) ledger.writes.erase(ledger.writes.iterator_to(request));
    ledger.dirty -= std::exchange(request.reserved_, 0);
    ledger.claims -= std::exchange(request.claims_, 0);
}

WriteBack::Room WriteBack::reserve(WriteRequest& request) {
    const std::lock_guard lock(mutex_);
    DirtyLedger& ledger = ledger_of(request.owner_);
    if (!ledger.writes.empty() || !has_room(ledger, request)) return Room::wait_for;
    take_room(ledger, request);
    const auto passed = passed_at_.find(request.owner_);
    if (passed == passed_at_.end()) return Room::given;
    if (now_ns() - passed->second < kLately) return Room::in_turn;
    passed_at_.erase(passed);
    return Room::given;
}

void WriteBack::wait(std::unique_ptr<WriteRequest> request) {
    counters_.waited_writes.fetch_add(1, std::memory_order_relaxed);
    WriteRequest& waiting = *request;
    const std::lock_guard lock(mutex_);
    DirtyLedger& ledger = ledger_of(waiting.owner_);
    gate_.park(std::move(request), groups_);
    ledger.writes.push_back(waiting);
    let_writes_run(ledger);
    pump(ledger);
}

void WriteBack::let_writes_run(DirtyLedger& ledger) {
    while (!ledger.writes.empty() && has_room(ledger, ledger.writes.front())) {
        WriteRequest& request = ledger.writes.front();
        ledger.writes.pop_front();
        take_room(ledger, request);
        gate_.unpark(request);
    }
}

void WriteBack::wrote(WriteRequest& request) {
    const std::shared_ptr<FileData>& file = request.file_->data;
    const std::lock_guard lock(mutex_);
    DirtyLedger& ledger = ledger_of(request.owner_);
    if (const std::uint64_t written = request.written(); written != 0) {
        const std::uint64_t added = file->note_dirty(request.offset_, written, request.owner_);
        ledger.dirty += added;
        ledger.note(file, request.offset_, request.offset_ + written, added, now_ns());
        wake_flusher_for(ledger);
    }
    give_up(ledger, request);
    pump(ledger);
    let_writes_run(ledger);
    forget_if_idle(ledger);
}

void WriteBack::forget(WriteRequest& request) {
    const std::lock_guard lock(mutex_);
    const auto found = ledgers_.find(request.owner_);
    if (found == ledgers_.end()) return;
    DirtyLedger& ledger = found->second;
    give_up(ledger, request);
    let_writes_run(ledger);
    forget_if_idle(ledger);
}

// Jobs.

// Makes due what presses: streams, so that they go on beside what is due already, and the rest when nothing else is.
void WriteBack::press(DirtyLedger& ledger) {
    const std::uint64_t may_rest = resting_part(bound_of(ledger));
    const bool files_press = ledger.files.size() > std::min(kMostRestingFiles, resting_part(files_of_group()));
    const bool all_press = draining_ || files_press || !ledger.writes.empty() || ledger.noted > may_rest;
    const bool streams_press = ledger.streamed > std::min(bound_ / 8, kMostStreamed);
    if (!ledger.streaming.empty() && (all_press || streams_press)) ledger.make_due(*ledger.streaming.front().file);
    if (!ledger.due.empty() || ledger.waiting.empty() || !all_press) return;
    // Somewhat more, lest the next write presses again.
    const std::uint64_t beyond = ledger.noted > may_rest ? ledger.noted - may_rest + may_rest / 8 : 0;
    ledger.make_due(*ledger.waiting.front().file, draining_ || files_press ? UINT64_MAX : std::max(beyond, kJobSpan));
}

// Hands jobs of a group to the gate as far as something is due or presses.
void WriteBack::pump(DirtyLedger& ledger) {
    while (ledger.jobs < kJobsOfGroup && ledger.in_jobs < kBytesInJobs) {
        press(ledger);
        if (ledger.due.empty()) return;
        const std::shared_ptr<FileData> file = ledger.due.front().file;
        if (file->abandoned()) {
            drop(*file, 0, UINT64_MAX);
            ledger.take(*file, UINT64_MAX, now_ns());
            gate_.submit(std::make_unique<LetGo>(file), groups_, {}, false);
        } else if (auto job = next_job(ledger, file)) {
            submit(std::move(job));
        }
    }
}

// Makes a job of the next extents of a file. nullptr when there are none, whatever was counted.
std::unique_ptr<WriteBackJob> WriteBack::next_job(DirtyLedger& ledger, const std::shared_ptr<FileData>& file) {
    std::vector<Extent> extents = file->schedule(ledger.owner, kJobSpan);
    if (extents.empty()) {
        ledger.take(*file, UINT64_MAX, now_ns());
        return nullptr;
    }
    auto job = std::make_unique<WriteBackJob>(*this, file, ledger.owner, std::move(extents), settings_.unit_size,
                                              ++jobs_made_);
    ledger.take(*file, job->bytes(), now_ns());
    wake_flusher_for(ledger);
    ledger.in_jobs += job->bytes();
    if (ledger.jobs++ == 0) ledger.pace.begin(now_ns());
    file_jobs_[file.get()].all.push_back(*job);
    return job;
}

void WriteBack::submit(std::unique_ptr<WriteBackJob> job) {
    const DirtyOwner owner = job->owner();
    WriteBackJob& submitted = *job;
    gate_.submit(std::move(job), groups_, lineage_to(owner), false);
    // Not destroyed yet: its finish() needs our lock.
    if (submitted.expedited) {
        passed_at_[owner] = now_ns();
        gate_.expedite(submitted);
    }
}

void WriteBack::submit_later(FileJobs& jobs) {
    while (!jobs.later.empty() && jobs.urgent < urgent_limit_) {
        std::unique_ptr<WriteBackJob> job = std::move(jobs.later.front());
        jobs.later.pop_front();
        job->urgent = true;
        job->expedited = jobs.hastened || !jobs.syncs.empty();  // else who waited for them was killed
        job->submitted = now_ns();
        ++jobs.urgent;
        submit(std::move(job));
    }
}

void WriteBack::on_disk(WriteBackJob& job, std::uint64_t bytes, bool failed) {
    if (failed) counters_.writeback_errors.fetch_add(1, std::memory_order_relaxed);
    const std::lock_guard lock(mutex_);
    DirtyLedger& ledger = ledger_of(job.owner());
    ledger.dirty -= bytes;
    if (!failed) ledger.pace.add(bytes, now_ns());
    let_writes_run(ledger);
}

void WriteBack::count_failure(DirtyOwner owner) {
    gate_.count(groups_, lineage_to(owner), {.failures = 1});
}

void WriteBack::finished(WriteBackJob& job) {
    const std::lock_guard lock(mutex_);
    const auto of_file = file_jobs_.find(job.file().get());
    FileJobs& jobs = of_file->second;
    jobs.all.erase(jobs.all.iterator_to(job));
    if (job.urgent) {
        --jobs.urgent;
        const bool quick = now_ns() - job.submitted < kQuickJobNs;
        urgent_limit_ = quick ? std::min(urgent_limit_ + 1, kMostUrgent) : kFewestUrgent;
    }
    count_down(jobs, job);
    submit_later(jobs);
    if (jobs.all.empty()) file_jobs_.erase(of_file);
    DirtyLedger& ledger = ledger_of(job.owner());
    ledger.in_jobs -= job.bytes();
    if (--ledger.jobs == 0) ledger.pace.end(now_ns());
    let_writes_run(ledger);
    pump(ledger);
    forget_if_idle(ledger);
}

// Fsync.

void WriteBack::sync(std::unique_ptr<SyncRequest> request) {
    const std::shared_ptr<FileData>& file = request->file_->data;
    const std::lock_guard lock(mutex_);
    hasten(file);
    const auto jobs = file_jobs_.find(file.get());
    if (jobs == file_jobs_.end()) {
        gate_.submit(std::move(request), groups_, {}, false);
        return;
    }
    jobs->second.syncs.push_back({request.get(), jobs_made_, jobs->second.all.size()});
    gate_.park(std::move(request), groups_);
    submit_later(jobs->second);
}

// What is at the gate of a file passes; the rest of it becomes jobs that submit_later() has pass.
void WriteBack::hasten(const std::shared_ptr<FileData>& file) {
    const auto known = file_jobs_.find(file.get());
    if (known != file_jobs_.end()) {
        for (WriteBackJob& job : known->second.all) gate_.expedite(job);
    }
    for (auto& [owner, ledger] : ledgers_) {
        while (ledger.files.contains(file.get())) {
            if (auto job = next_job(ledger, file)) file_jobs_[file.get()].later.push_back(std::move(job));
        }
    }
}

// A job of a file is done: fsyncs that waited for no other can go on.
void WriteBack::count_down(FileJobs& jobs, const WriteBackJob& job) {
    for (auto it = jobs.syncs.begin(); it != jobs.syncs.end();) {
        WaitingSync& sync = *it;
        const bool ready = job.number() <= sync.last_job && --sync.jobs == 0;
        if (ready) gate_.unpark(*sync.request);
        it = ready ? jobs.syncs.erase(it) : std::next(it);
    }
}

void WriteBack::forget(SyncRequest& request) {
    const std::lock_guard lock(mutex_);
    const auto jobs = file_jobs_.find(request.file_->data.get());
    if (jobs == file_jobs_.end()) return;
    jobs->second.syncs.remove_if([&](const WaitingSync& sync) { return sync.request == &request; });
}

void WriteBack::hasten_closed() {
    std::vector<std::shared_ptr<FileData>> closed;  // outlives the lock
    const std::lock_guard lock(mutex_);
    for (const auto& [owner, ledger] : ledgers_) {
        std::vector<std::shared_ptr<FileData>> own;
        for (const DirtyLedger::Files* const list : {&ledger.due, &ledger.streaming, &ledger.waiting}) {
            for (const DirtyFile& dirty : *list) {
                if (!dirty.file->open_somewhere()) own.push_back(dirty.file);
            }
        }
        if (own.size() > closed.size()) closed.swap(own);
    }
    if (closed.size() > kHastenedFiles) closed.resize(kHastenedFiles);
    for (const std::shared_ptr<FileData>& file : closed) {
        hasten(file);
        const auto jobs = file_jobs_.find(file.get());
        if (jobs == file_jobs_.end()) continue;
        jobs->second.hastened = true;
        submit_later(jobs->second);
    }
    // Those whose turn has come in its group, but not at the disk.
    std::size_t passing = closed.size();
    for (auto& [file, jobs] : file_jobs_) {
        if (passing >= kHastenedFiles) return;
        if (jobs.hastened || jobs.all.front().file()->open_somewhere()) continue;
        for (WriteBackJob& job : jobs.all) gate_.expedite(job);
        ++passing;
    }
}

// What need not be written.

void WriteBack::discard(FileData& file, std::uint64_t begin, std::uint64_t end) {
    if (!file.dirty(begin, end)) return;
    const std::shared_ptr<FileData> kept = file.shared_from_this();  // not closed under the lock
    const std::lock_guard lock(mutex_);
    drop(file, begin, end);
    go_on_with_all();
}

// After a change that concerns every group.
void WriteBack::go_on_with_all() {
    for (auto it = ledgers_.begin(); it != ledgers_.end();) {
        DirtyLedger& ledger = (it++)->second;
        let_writes_run(ledger);
        pump(ledger);
        forget_if_idle(ledger);
    }
}

void WriteBack::drop(FileData& file, std::uint64_t begin, std::uint64_t end) {
    for (const OwnedBytes& gone : file.discard(begin, end)) {
        DirtyLedger& ledger = ledger_of(gone.owner);
        ledger.dirty -= gone.noted + gone.scheduled;
        if (gone.noted != 0) ledger.take(file, gone.noted, now_ns());
    }
}

// Time, the end, and figures.

void WriteBack::flush_old() {
    set_up_thread("bandfs-flusher");
    std::unique_lock lock(mutex_);
    while (!stopping_) {
        TimeNs oldest = kNever;
        std::erase_if(passed_at_, [now = now_ns()](const auto& entry) { return now - entry.second >= kLately; });
        for (auto it = ledgers_.begin(); it != ledgers_.end();) {
            DirtyLedger& ledger = (it++)->second;
            ledger.make_older_due(now_ns() - settings_.oldest_ns);
            pump(ledger);
            let_writes_run(ledger);
            oldest = std::min(oldest, ledger.oldest());
            forget_if_idle(ledger);
        }
        flusher_due_ = oldest == kNever ? kNever : oldest + settings_.oldest_ns;
        if (flusher_due_ == kNever) {
            flusher_wakes_.wait(lock);
        } else {
            flusher_wakes_.wait_until(lock, steady_time(flusher_due_));
        }
    }
}

// Has the flusher wake when the oldest that waits has its age.
void WriteBack::wake_flusher_for(const DirtyLedger& ledger) {
    const TimeNs oldest = ledger.oldest();
    if (oldest == kNever || oldest + settings_.oldest_ns >= flusher_due_) return;
    flusher_due_ = oldest + settings_.oldest_ns;
    flusher_wakes_.notify_one();
}

bool WriteBack::drain(TimeNs deadline) {
    std::unique_lock lock(mutex_);
    draining_ = true;
    go_on_with_all();
    const auto done = [&] {
        return std::ranges::all_of(ledgers_, [](const auto& entry) { return entry.second.idle(); });
    };
    if (deadline == kNever) {
        drained_.wait(lock, done);
        return true;
    }
    return drained_.wait_until(lock, steady_time(deadline), done);
}

std::uint64_t WriteBack::bound() const {
    const std::lock_guard lock(mutex_);
    return bound_;
}

bool WriteBack::is_bound_set() const {
    const std::lock_guard lock(mutex_);
    return most_of_all_ == 0;
}

void WriteBack::set_bound(std::uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    bound_ = bytes;
    most_of_all_ = 0;
    go_on_with_all();
}

std::uint64_t WriteBack::dirty() const {
    const std::lock_guard lock(mutex_);
    std::uint64_t bytes = 0;
    for (const auto& [owner, ledger] : ledgers_) bytes += ledger.dirty;
    return bytes;
}

std::uint64_t WriteBack::dirty(DirtyOwner owner) const {
    const std::lock_guard lock(mutex_);
    const auto found = ledgers_.find(owner);
    return found == ledgers_.end() ? 0 : found->second.dirty;
}

}  // namespace bandfs
