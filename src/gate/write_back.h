// gate/write_back.h - puts what a mount has dirtied on the disk, as jobs of the groups that dirtied it.
//
// A buffered write is answered once it is in the page cache. What it dirtied is noted in its file and counted in the
// ledger of its group. Extents become jobs, of up to 1 MiB of a file, when
//   - the group has three quarters of what it may have, in bytes or in files, or a write of it waits for its bound, or
//   it has more than a mark of what was written from one byte to the next (pressure);
//   - they are older than 5 s;
//   - their file is fsynced: then at once, expedited, and a few at a time, so that a large one leaves the disk to
//   others too;
//   - the mount ends.
// Until then a rewrite adds nothing, and a file that loses its last name is not written at all. A group has few jobs at
// the gate at a time: enough for the scheduler to see that it wants the disk, and no more, for what is not in a job yet
// can still be rewritten, merged or dropped. What is scattered gains most by that, and what is streamed nothing: it
// will not be rewritten soon, and a disk that waits for it idles.
//
// Where no bound was set, a group may have as much of what is scattered as went to the disk for it in 4 s: so much is
// there as soon as it is wanted, and on a slow disk nobody runs far ahead of his share. How fast that is is forgotten
// when nothing is dirty.
//
// A dirty file keeps its descriptor, also when nobody has it open any more. So their number is bounded, too, and when
// the process runs out of descriptors all the same, closed files are written first.
//
// What an fsync puts before others is charged like the rest. A group that has done so lately, or that is in debt by it,
// waits for its turn with its next write (DataPlane): that is what gives a writer that fsyncs all the time its share.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>

#include "gate/dirty_ledger.h"
#include "gate/gate.h"
#include "gate/requests.h"
#include "gate/write_back_job.h"

namespace bandfs {

struct DataCounters;

struct WriteBackSettings {
    std::uint32_t unit_size = 131072;
    std::uint64_t bound = 0;  ///< dirty bytes of a group beyond which its writes wait, at first
    /// Dirty bytes of all groups for which those whose write-back is fast may go beyond their bound, until one is set;
    /// 0: none.
    std::uint64_t most_of_all = 0;
    TimeNs oldest_ns = 0;  ///< what has been dirty longer is due
    /// Dirty files of all groups beyond which a write to one that is not dirty waits, if its group has its part.
    std::size_t most_files = 0;
};

/// Thread-safe. Its lock is taken before those of the gate and of a file, and never inside them. Destroyed when it is
/// idle (drained) or when nothing of what is dirty matters any more and no job of it is at the gate.
///
/// Duties: a write that waits is let run by the completion of the write-back it waits for, since pressure keeps jobs of
/// its group at the gate while it waits; a fsync by the completion of the last job it waits for; what is dirty and not
/// due, or was due in part and is so no more, is looked at by the flusher when the oldest of it has its age.
class WriteBack {
public:
    WriteBack(Gate& gate, MountGroups& groups, const WriteBackSettings& settings, DataCounters& counters);
    ~WriteBack();
    WriteBack(const WriteBack&) = delete;
    WriteBack& operator=(const WriteBack&) = delete;

    /// How a write into the page cache goes on.
    enum class Room : std::uint8_t {
        given,     ///< at once: it has room under the bound of its group
        in_turn,   ///< it has room, when it is its group's turn: that has put others back lately, for an fsync
        wait_for,  ///< it has none: wait()
    };
    Room reserve(WriteRequest& request);
    /// Parks a write until there is room for it.
    void wait(std::unique_ptr<WriteRequest> request);
    /// A write is in the page cache, as far as it went. It gives back its room.
    void wrote(WriteRequest& request);
    /// The same for a write that will not be performed.
    void forget(WriteRequest& request);

    /// Of a write into the page cache, for its group.
    void count_failure(DirtyOwner owner);

    void sync(std::unique_ptr<SyncRequest> request);
    void forget(SyncRequest& request);

    /// Has files written first that nobody has open, of the group that has most of them.
    void hasten_closed();

    /// Extents of [begin, end) need not be written any more.
    void discard(FileData& file, std::uint64_t begin, std::uint64_t end);

    /// From now on everything is due, and nothing waits for the bound. False when `deadline` passed before all was
    /// written.
    bool drain(TimeNs deadline);

    std::uint64_t dirty() const;
    std::uint64_t dirty(DirtyOwner owner) const;
    std::uint64_t bound() const;
    /// Whether no group may ever have more than that.
    bool is_bound_set() const;
    void set_bound(std::uint64_t bytes);

private:
    friend class WriteBackJob;

    /// An fsync that waits for the jobs of its file up to one.
    struct WaitingSync {
        SyncRequest* request;
        std::uint64_t last_job;
        std::size_t jobs;
    };
    /// The write-back jobs of a file.
    struct FileJobs {
        WriteBackJob::List all;                          ///< at the gate, or in `later`
        std::list<std::unique_ptr<WriteBackJob>> later;  ///< of an fsync, not yet at the gate
        std::list<WaitingSync> syncs;
        unsigned urgent = 0;    ///< of an fsync, at the gate
        bool hastened = false;  ///< what is in `later` is wanted although no fsync waits
    };

    void on_disk(WriteBackJob& job, std::uint64_t bytes, bool failed);  // called by the job
    void finished(WriteBackJob& job);                                   // called by the job

    // Each requires the lock.
    DirtyLedger& ledger_of(DirtyOwner owner);
    bool has_room(const DirtyLedger& ledger, const WriteRequest& request) const;
    std::size_t files_of_group() const;
    void take_room(DirtyLedger& ledger, WriteRequest& request);
    void give_up(DirtyLedger& ledger, WriteRequest& request);
    std::uint64_t bound_of(const DirtyLedger& ledger) const;
    void press(DirtyLedger& ledger);
    void wake_flusher_for(const DirtyLedger& ledger);
    void pump(DirtyLedger& ledger);
    std::unique_ptr<WriteBackJob> next_job(DirtyLedger& ledger, const std::shared_ptr<FileData>& file);
    void submit(std::unique_ptr<WriteBackJob> job);
    void submit_later(FileJobs& jobs);
    void hasten(const std::shared_ptr<FileData>& file);
    void count_down(FileJobs& jobs, const WriteBackJob& job);
    void let_writes_run(DirtyLedger& ledger);
    void go_on_with_all();
    void forget_if_idle(DirtyLedger& ledger);
    void drop(FileData& file, std::uint64_t begin, std::uint64_t end);
    void flush_old();

    Gate& gate_;
    MountGroups& groups_;
    const WriteBackSettings settings_;
    DataCounters& counters_;

    mutable std::mutex mutex_;
    // Guarded by it:
    std::uint64_t bound_;
    std::uint64_t most_of_all_;
    std::unordered_map<DirtyOwner, DirtyLedger> ledgers_;
    std::unordered_map<const FileData*, FileJobs> file_jobs_;
    std::unordered_map<DirtyOwner, TimeNs> passed_at_;  ///< when a job of that group last went ahead of others
    std::uint64_t jobs_made_ = 0;
    unsigned urgent_limit_;  ///< jobs of an fsync at the gate at a time
    bool draining_ = false;
    bool stopping_ = false;
    TimeNs flusher_due_ = kNever;  ///< until when it sleeps
    std::condition_variable flusher_wakes_;
    std::condition_variable drained_;
    std::thread flusher_;
};

}  // namespace bandfs
