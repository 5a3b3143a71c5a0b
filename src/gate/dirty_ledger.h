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
    TimeNs since = 0;         ///< the oldest of them was dirtied not before this
    std::uint64_t noted = 0;  ///< their bytes
    std::uint64_t due = 0;    ///< of these, how many are to be written back whatever presses
};

/// Guarded by its WriteBack. Invariants: `dirty` = bytes reserved by writes under way + noted + scheduled and not yet
/// on the disk; `noted` is the sum over the files; a file is in `waiting`, by age, while its `due` is 0, and else in
/// `due`, whose files take turns.
class DirtyLedger {
public:
    explicit DirtyLedger(DirtyOwner of) : owner(of) {}

    bool idle() const { return dirty == 0 && jobs == 0 && files.empty() && writes.empty(); }
    /// Files that are dirty, or are about to be: never fewer.
    std::size_t dirty_files() const { return files.size() + jobs + claims; }

    /// Extents of `file` were noted.
    void note(const std::shared_ptr<FileData>& file, std::uint64_t bytes, TimeNs now);
    /// Extents of a file were put into a job, or dropped; a file without any is forgotten, one whose due are done goes
    /// back among those that wait.
    void take(FileData& file, std::uint64_t bytes, TimeNs now);
    /// What is noted of a file now is due, after what is due already.
    void make_due(FileData& file);
    /// Those that have waited since `at` or longer are due.
    void make_older_due(TimeNs at);

    using Files = std::list<DirtyFile>;
    using Writes = boost::intrusive::list<WriteRequest, boost::intrusive::base_hook<WaitingWriteHook>>;

    const DirtyOwner owner;
    std::uint64_t dirty = 0;
    std::uint64_t noted = 0;
    std::uint64_t in_jobs = 0;  ///< bytes of write-back jobs that have not finished
    unsigned jobs = 0;
    unsigned claims = 0;  ///< writes that have been given room and are not in the page cache yet
    Files waiting;
    Files due;
    std::unordered_map<const FileData*, Files::iterator> files;
    Writes writes;  ///< over the bound, in order of arrival
};

}  // namespace bandfs
