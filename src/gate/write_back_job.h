// gate/write_back_job.h - some dirty extents of a file on their way to the disk.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include <boost/intrusive/list.hpp>

#include "disk/file_data.h"
#include "gate/job.h"

namespace bandfs {

class WriteBack;

using FileJobHook = JobHook<struct FileJobTag>;

/// Extents of one owner within 1 MiB of one file. What of them was discarded meanwhile is not written. Never cancelled:
/// nobody waits for it.
class WriteBackJob final : public Job, public FileJobHook {
public:
    using List = boost::intrusive::list<WriteBackJob, boost::intrusive::base_hook<FileJobHook>>;

    /// `number`: jobs are numbered in the order they are made.
    WriteBackJob(WriteBack& write_back, std::shared_ptr<FileData> file, DirtyOwner owner, std::vector<Extent> extents,
                 std::uint32_t unit_size, std::uint64_t number);

    const std::shared_ptr<FileData>& file() const { return file_; }
    DirtyOwner owner() const { return owner_; }
    std::uint64_t number() const { return number_; }

    // Guarded by the WriteBack.
    bool urgent = false;     ///< made for an fsync
    bool expedited = false;  ///< and that still waits
    TimeNs submitted = 0;

    bool perform(std::uint64_t begin, std::uint64_t end) override;
    bool failed() const override { return failed_; }
    bool overlaps() const override { return true; }
    void finish(JobOutcome outcome) override;

private:
    std::vector<Extent> slice(std::uint64_t begin, std::uint64_t end) const;

    WriteBack& write_back_;
    const std::shared_ptr<FileData> file_;
    const DirtyOwner owner_;
    const std::vector<Extent> extents_;
    const std::uint64_t number_;
    std::atomic<bool> failed_{false};
};

}  // namespace bandfs
