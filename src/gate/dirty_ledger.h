// gate/dirty_ledger.h - what one group has dirty, in which files, and which of its writes wait for it to become less.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <unordered_map>

#include <boost/intrusive/list.hpp>

#include "disk/dirty_extents.h"
#include "disk/file_data.h"
#include "gate/requests.h"
#include "sys/clock.h"

namespace bandfs {

/// A file with extents that this group dirtied and that are in no write-back job yet.
struct DirtyFile {
    std::shared_ptr<FileData> file;
    TimeNs since = 0;           ///< when the oldest of them was dirtied, or what was older than them was taken
    std::uint64_t noted = 0;    ///< their bytes
    std::uint64_t due = 0;      ///< of these, how many are to be written back whatever presses
    bool all_due = false;       ///< all there were when some were last made due
    bool streams = false;       ///< it was written from one byte to the next for long, and was last
    std::uint64_t run = 0;      ///< bytes that were written so last
    std::uint64_t run_end = 0;  ///< and where
};

/// How fast what a group dirtied goes to the disk, while some of it is on its way.
class WriteBackPace {
public:
    /// The last time that something was, for a tenth of a second at most, counts half, and those before the less the
    /// longer ago. 0: not known.
    std::uint64_t bytes_per_second() const { return rate_; }

    /// Something is on its way, and nothing was before.
    void begin(TimeNs now);
    void add(std::uint64_t bytes, TimeNs now);
    /// Nothing is any more.
    void end(TimeNs now);

private:
    void count(TimeNs now);

    TimeNs since_ = 0;
    std::uint64_t bytes_ = 0;  ///< since then
    std::uint64_t rate_ = 0;
};

/// Guarded by its WriteBack. Invariants: `dirty` = bytes reserved by writes under way + noted + scheduled and not yet
/// on the disk; `noted` is the sum over the files, and `streamed` over those that stream; a file whose `due` is 0 is in
/// `streaming` or in `waiting`, by age, and else in `due`, whose files take turns.
class DirtyLedger {
public:
    explicit DirtyLedger(DirtyOwner of) : owner(of) {}

    bool idle() const { return dirty == 0 && jobs == 0 && files.empty() && writes.empty(); }
    /// Files that are dirty, or are about to be: never fewer.
    std::size_t dirty_files() const { return files.size() + jobs + claims; }

    /// Bytes [begin, end) of `file` were written, and `added` of them, in pages, noted.
    void note(const std::shared_ptr<FileData>& file, std::uint64_t begin, std::uint64_t end, std::uint64_t added,
              TimeNs now);
    /// Extents of a file were put into a job, or dropped; a file without any is forgotten, one whose due are done goes
    /// back among those that wait.
    void take(FileData& file, std::uint64_t bytes, TimeNs now);
    /// So much of what is noted of a file now is due.
    void make_due(FileData& file, std::uint64_t bytes = UINT64_MAX);
    /// Those that have waited since `at` or longer are due.
    void make_older_due(TimeNs at);
    /// Since when the oldest waits; kNever: none does.
    TimeNs oldest() const;

    using Files = std::list<DirtyFile>;
    using Writes = boost::intrusive::list<WriteRequest, boost::intrusive::base_hook<WaitingWriteHook>>;

    const DirtyOwner owner;
    std::uint64_t dirty = 0;
    std::uint64_t noted = 0;
    std::uint64_t streamed = 0;
    std::uint64_t in_jobs = 0;  ///< bytes of write-back jobs that have not finished
    unsigned jobs = 0;
    unsigned claims = 0;  ///< writes that have been given room and are not in the page cache yet
    WriteBackPace pace;
    Files streaming;
    Files waiting;
    Files due;
    std::unordered_map<const FileData*, Files::iterator> files;
    Writes writes;  ///< over the bound, in order of arrival

private:
    Files& list_of(const DirtyFile& file);
    void put_by_age(Files& from, Files::iterator file);
};

}  // namespace bandfs
