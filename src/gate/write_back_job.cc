#include "gate/write_back_job.h"

#include <algorithm>
#include <utility>

#include "gate/write_back.h"

namespace bandfs {

namespace {

std::uint64_t sum_of(const std::vector<Extent>& extents) {
    std::uint64_t bytes = 0;
    for (const Extent& extent : extents) bytes += extent.bytes();
    return bytes;
}

}  // namespace

WriteBackJob::WriteBackJob(WriteBack& write_back, std::shared_ptr<FileData> file, DirtyOwner owner,
                           std::vector<Extent> extents, std::uint32_t unit_size, std::uint64_t number)
    : Job(Direction::write, sum_of(extents), unit_size, 0),
      write_back_(write_back),
      file_(std::move(file)),
      owner_(owner),
      extents_(std::move(extents)),
      number_(number) {}

// The extents that bytes [begin, end) of the job are.
std::vector<Extent> WriteBackJob::slice(std::uint64_t begin, std::uint64_t end) const {
    std::vector<Extent> slice;
    std::uint64_t at = 0;
    for (const Extent& extent : extents_) {
        const std::uint64_t from = std::max(begin, at);
        const std::uint64_t to = std::min(end, at + extent.bytes());
        if (from < to) slice.push_back({extent.begin + (from - at), extent.begin + (to - at)});
        at += extent.bytes();
    }
    return slice;
}

bool WriteBackJob::perform(std::uint64_t begin, std::uint64_t end) {
    Status status;
    const std::uint64_t bytes = file_->write_back(slice(begin, end), owner_, status);
    if (!status) failed_ = true;
    write_back_.on_disk(*this, bytes, !status);
    return true;
}

void WriteBackJob::finish(JobOutcome) {
    write_back_.finished(*this);
}

}  // namespace bandfs
