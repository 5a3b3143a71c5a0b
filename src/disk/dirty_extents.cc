#include "disk/dirty_extents.h"

#include <algorithm>
#include <iterator>

namespace bandfs {

namespace {

constexpr std::uint64_t kGranule = DirtyExtents::kGranule;

std::uint64_t rounded_down(std::uint64_t at) {
    return at / kGranule * kGranule;
}

std::uint64_t rounded_up(std::uint64_t at) {
    return at > UINT64_MAX - kGranule ? UINT64_MAX : rounded_down(at + kGranule - 1);
}

}  // namespace

// The first extent that ends behind `at`.
DirtyExtents::Map::iterator DirtyExtents::first_after(std::uint64_t at) {
    auto it = extents_.upper_bound(at);
    if (it != extents_.begin() && std::prev(it)->second.end > at) --it;
    return it;
}

// Makes `at` a boundary: no extent reaches across it.
void DirtyExtents::cut(std::uint64_t at) {
    const auto it = first_after(at);
    if (it == extents_.end() || it->first >= at) return;
    State tail = it->second;
    it->second.end = at;
    extents_.emplace(at, tail);
}

// Adds a noted extent where nothing is, and makes it one with those of its kind it touches.
void DirtyExtents::add(std::uint64_t begin, std::uint64_t end, DirtyOwner owner) {
    auto next = extents_.lower_bound(begin);
    if (next != extents_.end() && next->first == end && next->second.owner == owner && !next->second.scheduled) {
        end = next->second.end;
        next = extents_.erase(next);
    }
    if (next != extents_.begin()) {
        State& before = std::prev(next)->second;
        if (before.end == begin && before.owner == owner && !before.scheduled) {
            before.end = end;
            return;
        }
    }
    extents_.emplace_hint(next, begin, State{end, owner, false});
}

std::uint64_t DirtyExtents::note(std::uint64_t begin, std::uint64_t end, DirtyOwner owner) {
    begin = rounded_down(begin);
    end = rounded_up(end);
    std::uint64_t added = 0;
    while (begin < end) {
        const auto it = first_after(begin);
        if (it != extents_.end() && it->first <= begin) {
            begin = it->second.end;
            continue;
        }
        const std::uint64_t gap_end = it == extents_.end() ? end : std::min(end, it->first);
        add(begin, gap_end, owner);
        added += gap_end - begin;
        begin = gap_end;
    }
    return added;
}

std::vector<Extent> DirtyExtents::schedule(DirtyOwner owner, std::uint64_t span) {
    std::vector<Extent> batch;
    const auto wanted = [&](const Map::value_type& extent) {
        return extent.second.owner == owner && !extent.second.scheduled;
    };
    const auto start = extents_.lower_bound(elevator_);
    auto it = std::find_if(start, extents_.end(), wanted);
    if (it == extents_.end()) {
        it = std::find_if(extents_.begin(), start, wanted);
        if (it == start) return batch;
    }
    const std::uint64_t limit = it->first + span;
    cut(limit);
    for (; it != extents_.end() && it->first < limit; ++it) {
        if (it->second.owner != owner || it->second.scheduled) break;
        it->second.scheduled = true;
        batch.push_back({it->first, it->second.end});
    }
    elevator_ = batch.back().end;
    return batch;
}

std::vector<Extent> DirtyExtents::take(Extent extent, DirtyOwner owner) {
    std::vector<Extent> taken;
    cut(extent.begin);
    cut(extent.end);
    for (auto it = extents_.lower_bound(extent.begin); it != extents_.end() && it->first < extent.end;) {
        if (!it->second.scheduled || it->second.owner != owner) {
            ++it;
            continue;
        }
        taken.push_back({it->first, it->second.end});
        it = extents_.erase(it);
    }
    return taken;
}

std::vector<OwnedBytes> DirtyExtents::discard(std::uint64_t begin, std::uint64_t end) {
    std::vector<OwnedBytes> gone;
    begin = rounded_up(begin);
    end = end == UINT64_MAX ? end : rounded_down(end);
    if (begin >= end) return gone;
    cut(begin);
    cut(end);
    for (auto it = extents_.lower_bound(begin); it != extents_.end() && it->first < end; it = extents_.erase(it)) {
        auto of = std::find_if(gone.begin(), gone.end(),
                               [&](const OwnedBytes& bytes) { return bytes.owner == it->second.owner; });
        if (of == gone.end()) of = gone.insert(gone.end(), OwnedBytes{it->second.owner});
        (it->second.scheduled ? of->scheduled : of->noted) += it->second.end - it->first;
    }
    return gone;
}

std::uint64_t DirtyExtents::bytes(std::uint64_t begin, std::uint64_t end) const {
    std::uint64_t sum = 0;
    auto it = extents_.upper_bound(begin);
    if (it != extents_.begin()) --it;
    for (; it != extents_.end() && it->first < end; ++it) {
        const std::uint64_t from = std::max(it->first, begin);
        const std::uint64_t to = std::min(it->second.end, end);
        if (from < to) sum += to - from;
    }
    return sum;
}

bool DirtyExtents::any(std::uint64_t begin, std::uint64_t end) const {
    auto it = extents_.upper_bound(begin);
    if (it != extents_.begin() && std::prev(it)->second.end > begin) return begin < end;
    return it != extents_.end() && it->first < end;
}

}  // namespace bandfs
