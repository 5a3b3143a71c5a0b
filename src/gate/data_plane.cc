#include "gate/data_plane.h"

#include <linux/falloc.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include "gate/write_back.h"
#include "sys/daemon.h"
#include "sys/file_io.h"

namespace bandfs {

namespace {

constexpr std::uint64_t kEverything = UINT64_MAX;
// For an allocation that writes as much as it likes: each unit takes memory.
constexpr std::uint64_t kMostCharged = 64 * kMiB;
// How long who needs a descriptor waits for one: a disk that takes longer for a file is as good as dead.
constexpr std::chrono::seconds kReliefPatience{2};

}  // namespace

std::uint64_t DataPlane::default_dirty_bytes() {
    return std::min(64 * kMiB, physical_memory_bytes() / 64);
}

std::size_t DataPlane::default_dirty_files() {
    constexpr std::size_t kFewest = 8;
    constexpr std::size_t kMost = 65536;
    return std::clamp<std::size_t>(descriptor_limit() / 4, kFewest, kMost);
}

DataPlane::DataPlane(Gate& gate, MountGroups& groups, DiskIo& io, const DataPlaneSettings& settings)
    : gate_(gate),
      groups_(groups),
      unit_size_(settings.unit_size),
      kept_(settings.kept_bytes != 0 ? settings.kept_bytes : physical_memory_bytes() / 8, counters_.passed_over_memory),
      files_(
          io, [this](FileData& file) { write_back_->discard(file, 0, kEverything); }, [this] { return relieve(); }) {
    WriteBackSettings write_back{.unit_size = settings.unit_size,
                                 .bound = settings.dirty_bytes,
                                 .most_of_all = settings.dirty_of_all,
                                 .oldest_ns = settings.oldest_dirty_ns,
                                 .most_files = settings.dirty_files};
    if (write_back.bound == 0) {
        write_back.bound = default_dirty_bytes();
        if (write_back.most_of_all == 0) write_back.most_of_all = physical_memory_bytes() / 32;
    }
    if (write_back.most_files == 0) write_back.most_files = default_dirty_files();
    gate_.enter(groups_);
    write_back_ = std::make_unique<WriteBack>(gate_, groups_, write_back, counters_);
}

DataPlane::~DataPlane() {
    write_back_.reset();
    gate_.leave(groups_);
}

bool DataPlane::read(std::unique_ptr<ReadRequest> request, std::span<const GroupId> lineage, bool may_inline) {
    FileData& data = *request->file_->data;
    const std::uint64_t offset = request->offset_;
    const bool direct = request->flags_.direct();
    std::uint64_t end = offset + request->size_;
    const bool misplaced = direct && !data.direct_allows(offset, request->size_);
    if (misplaced || (direct && data.write_back_kind() != WriteBackKind::memory)) {
        const Result<FileFacts> facts = file_facts(data.descriptor());
        if (!facts) return fail(*request, lineage, facts.error());
        end = std::clamp(facts->size, offset, end);
        if (end == offset) {  // where the kernel asks for no alignment
            request->answer(std::span<const std::byte>());
            return false;
        }
        if (misplaced) {
            request->answer(Errno{EINVAL});
            return false;
        }
    } else {
        if (!request->take_buffer(buffers_, true)) return fail(*request, lineage, Errno{ENOMEM});
        const Result<CachedRead> cached =
            data.read_cached(offset, request->place(0, request->size_), request->flags_.quiet());
        if (!cached) return fail(*request, lineage, cached.error());
        if (cached->bytes != 0 || cached->complete) {
            gate_.count(groups_, lineage, {.cached_reads = cached->complete, .cached_bytes = cached->bytes});
        }
        counters_.cached_bytes.fetch_add(cached->bytes, std::memory_order_relaxed);
        if (cached->complete) {
            counters_.cached_reads.fetch_add(1, std::memory_order_relaxed);
            request->answer(std::span<const std::byte>(request->place(0, cached->bytes)));
            return false;
        }
        request->cached_ = cached->bytes;
        if (cached->bytes == 0) request->drop_buffer();
        end = cached->end;
    }
    request->pool_ = &buffers_;
    request->cut(Direction::read, end - offset - request->cached_, unit_size_);
    request->look_for_reader();
    return gate_.submit(std::move(request), groups_, lineage, may_inline);
}

/// Answers a read that failed before it was units.
bool DataPlane::fail(ReadRequest& request, std::span<const GroupId> lineage, Errno error) {
    gate_.count(groups_, lineage, {.failures = 1});
    request.answer(error);
    return false;
}

bool DataPlane::write(std::unique_ptr<WriteRequest> request, std::span<const GroupId> lineage, bool may_inline) {
    OpenFile& file = *request->file_;
    if (request->writepage_) counters_.mapped_writes.fetch_add(1, std::memory_order_relaxed);
    const std::size_t size = request->payload_.size();
    const bool direct = request->flags_.direct();
    if (direct && !file.data->direct_allows(request->offset_, size)) {
        request->answer(Errno{EINVAL});
        return false;
    }
    const WriteBackKind kind = file.data->write_back_kind();
    const bool is_unit =
        direct || request->flags_.durability() != Durability::none || kind == WriteBackKind::synchronous;
    if (size == 0 || kind == WriteBackKind::memory) {
        request->perform(0, 0);
        if (request->first_end_.error() != 0) gate_.count(groups_, lineage, {.failures = 1});
        request->finish(JobOutcome::performed);
        return false;
    }
    if (is_unit) {
        request->memory_ = &kept_;
        request->cut(Direction::write, size, unit_size_);
        if (size > unit_size_ && request->offset_ % PooledBuffer::kPage == 0) {
            const Result<FileFacts> facts = file_facts(file.data->descriptor());
            request->overlaps_ = facts && request->offset_ + size <= facts->size;
        }
        return gate_.submit(std::move(request), groups_, lineage, may_inline);
    }
    write_to_cache(std::move(request), gate_.payer(groups_, lineage));
    return false;
}

void DataPlane::write_to_cache(std::unique_ptr<WriteRequest> request, const Payer& payer) {
    request->write_back_ = write_back_.get();
    request->owner_ = payer.id;
    const WriteBack::Room room = write_back_->reserve(*request);
    const bool waits = room == WriteBack::Room::wait_for;
    const bool in_turn = !waits && (payer.in_debt || room == WriteBack::Room::in_turn);
    const std::uint32_t reads =
        waits ? 0 : request->file_->data->write_would_read(request->offset_, request->payload_.size());
    if (!waits && !in_turn && reads == 0) {
        request->perform(0, 0);
        request->finish(JobOutcome::performed);
        return;
    }
    if (waits) {
        request->keep();
        write_back_->wait(std::move(request));
        return;
    }
    if (reads != 0) {
        request->cut(Direction::read, reads, reads);
    } else {
        request->wait_for_turn(Direction::write);
    }
    gate_.submit(std::move(request), groups_, lineage_to(payer.id), reads == 0);
}

void DataPlane::sync(std::unique_ptr<SyncRequest> request) {
    request->write_back_ = write_back_.get();
    request->keep();
    write_back_->sync(std::move(request));
}

void DataPlane::release(std::shared_ptr<OpenFile> file) {
    const std::shared_ptr<FileData> data = file->data;
    file.reset();
    if (data->dirty(0, kEverything) && data->abandoned()) write_back_->discard(*data, 0, kEverything);
}

void DataPlane::unlinked(FileKey key) {
    files_.forget_failure(key);
    const std::shared_ptr<FileData> data = files_.find(key);
    if (data && data->abandoned()) write_back_->discard(*data, 0, kEverything);
}

Status DataPlane::resize(OpenFile& file, std::uint64_t size) {
    const Status done = truncate_file(file.data->descriptor(), size);
    if (done) write_back_->discard(*file.data, size, kEverything);
    return done;
}

void DataPlane::resized(FileKey key, std::uint64_t size) {
    if (const std::shared_ptr<FileData> data = files_.find(key)) write_back_->discard(*data, size, kEverything);
}

Status DataPlane::allocate(OpenFile& file, int mode, std::uint64_t offset, std::uint64_t bytes) {
    const ChangeWatch::Ours ours = file.data->change();
    const Status done = allocate_file(file.data->descriptor(), mode, offset, bytes);
    constexpr int kEmptied = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE;
    constexpr int kShifted = FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE;
    if (done && (mode & kEmptied) != 0) write_back_->discard(*file.data, offset, offset + bytes);
    // The file system has written it, or it would have been in the wrong place.
    if (done && (mode & kShifted) != 0) write_back_->discard(*file.data, offset, kEverything);
    return done;
}

void DataPlane::charge_allocation(Job& job, const OpenFile& file, int mode, std::uint64_t offset,
                                  std::uint64_t bytes) const {
    const std::uint64_t written = file.data->written_by_allocation(mode, offset, bytes);
    if (written != 0) job.cut(Direction::write, std::min(written, kMostCharged), unit_size_);
}

bool DataPlane::relieve() {
    const std::uint64_t gone = files_.gone();
    if (!files_.any_closed()) return false;
    write_back_->hasten_closed();
    return files_.await_gone(gone, kReliefPatience);
}

bool DataPlane::drain(TimeNs deadline) {
    gate_.with([&](DeviceGroup&) { groups_.go_down(); });
    return write_back_->drain(deadline) && gate_.drain(groups_, deadline);
}

std::uint64_t DataPlane::dirty_bytes() const {
    return write_back_->dirty();
}

std::uint64_t DataPlane::dirty_bytes(DirtyOwner owner) const {
    return write_back_->dirty(owner);
}

std::uint64_t DataPlane::dirty_bound() const {
    return write_back_->bound();
}

bool DataPlane::is_dirty_bound_set() const {
    return write_back_->is_bound_set();
}

void DataPlane::set_dirty_bound(std::uint64_t bytes) {
    write_back_->set_bound(bytes);
}

}  // namespace bandfs
