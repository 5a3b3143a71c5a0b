#include "virtual_disk.h"

#include <algorithm>
#include <cmath>

namespace bandfs::sim {
namespace {

constexpr unsigned kPassedOver = 32;

std::uint64_t distance(std::uint64_t a, std::uint64_t b) {
    return a > b ? a - b : b - a;
}

}  // namespace

VirtualDisk::VirtualDisk(const DiskSpec& spec, std::uint64_t seed) : spec_(spec), random_(seed) {
    for (Lanes& lanes : lanes_) lanes.free = spec.parallelism;
}

void VirtualDisk::submit(DiskJob& job, TimeNs now) {
    Lanes& lanes = lanes_of(job);
    ++in_flight_;
    job.reaches = now + spec_.path;
    if (lanes.free == 0) {
        lanes.waiting.push_back({&job});
        return;
    }
    --lanes.free;
    start(lanes, job, now);
}

TimeNs VirtualDisk::next_completion() const {
    return done_.empty() ? kNever : done_.top().at;
}

DiskJob& VirtualDisk::take_completion() {
    const Done done = done_.top();
    done_.pop();
    --in_flight_;
    Lanes& lanes = lanes_of(*done.job);
    if (lanes.waiting.empty()) {
        ++lanes.free;
    } else {
        start(lanes, next_waiting(lanes), done.at);
    }
    return *done.job;
}

void VirtualDisk::start(Lanes& lanes, DiskJob& job, TimeNs now) {
    now = std::max(now, job.reaches);
    const bool write = job.direction == Direction::write;
    const double bandwidth = write && spec_.write_bandwidth > 0 ? spec_.write_bandwidth : spec_.bandwidth;
    const TimeNs fixed = write && spec_.write_request_cost >= 0 ? spec_.write_request_cost : spec_.request_cost;
    const double factor = noise();
    const auto scaled = [&](double ns) { return static_cast<TimeNs>(std::llround(ns * factor)); };
    const TimeNs ready = now + scaled(static_cast<double>(fixed + seek(lanes, job)));
    const TimeNs from = std::max(ready, lanes.bus_free_at);
    const TimeNs done = spec_.slice > 0 ? move_bytes(lanes, job.bytes, bandwidth, from)
                                        : from + std::max<TimeNs>(1, scaled(job.bytes * 1e9 / bandwidth));
    lanes.bus_free_at = done;
    lanes.head = job.offset + job.bytes;
    job.service = done - now;
    done_.push({done, sequence_++, &job});
}

TimeNs VirtualDisk::move_bytes(Lanes& lanes, std::uint32_t bytes, double bandwidth, TimeNs from) const {
    const double per_slice = bandwidth * static_cast<double>(spec_.slice) / 1e9;
    if (from >= lanes.slice_ends) {
        lanes.slice_ends = from - from % spec_.slice + spec_.slice;
        lanes.slice_bytes = per_slice;
    }
    while (lanes.slice_bytes < bytes) {
        from = lanes.slice_ends;
        lanes.slice_ends += spec_.slice;
        lanes.slice_bytes += per_slice;
    }
    lanes.slice_bytes -= bytes;
    return from + std::max<TimeNs>(1, static_cast<TimeNs>(bytes * 1e9 / spec_.burst_bandwidth));
}

DiskJob& VirtualDisk::next_waiting(Lanes& lanes) {
    auto chosen = lanes.waiting.begin();
    if (spec_.reorder && chosen->passed < kPassedOver) {
        for (auto each = lanes.waiting.begin(); each != lanes.waiting.end(); ++each) {
            if (distance(each->job->offset, lanes.head) < distance(chosen->job->offset, lanes.head)) chosen = each;
        }
        for (auto each = lanes.waiting.begin(); each != chosen; ++each) ++each->passed;
    }
    DiskJob& job = *chosen->job;
    lanes.waiting.erase(chosen);
    return job;
}

TimeNs VirtualDisk::seek(const Lanes& lanes, const DiskJob& job) const {
    const std::uint64_t way = distance(job.offset, lanes.head);
    if (way == 0 || spec_.seek_max == 0) return 0;
    const double part = std::sqrt(std::min(1.0, static_cast<double>(way) / spec_.size));
    return spec_.seek_min + static_cast<TimeNs>(part * static_cast<double>(spec_.seek_max - spec_.seek_min));
}

double VirtualDisk::noise() {
    if (spec_.noise == 0) return 1;
    return std::uniform_real_distribution<double>(1 - spec_.noise, 1 + spec_.noise)(random_);
}

}  // namespace bandfs::sim
