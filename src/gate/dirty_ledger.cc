#include "gate/dirty_ledger.h"

#include <algorithm>
#include <iterator>

namespace bandfs {

namespace {

// What is written so long from one byte to the next gains nothing from resting: it will not be written again soon, and
// is in large pieces already.
constexpr std::uint64_t kStream = 1u << 20;

constexpr TimeNs kCountedFor = 100 * kMillisecond;
constexpr std::uint64_t kWorthCounting = 1u << 20;

}  // namespace

// The pace.

void WriteBackPace::begin(TimeNs now) {
    since_ = now;
    bytes_ = 0;
}

void WriteBackPace::add(std::uint64_t bytes, TimeNs now) {
    bytes_ += bytes;
    if (now - since_ >= kCountedFor) count(now);
}

void WriteBackPace::end(TimeNs now) {
    if (bytes_ >= kWorthCounting) count(now);
}

void WriteBackPace::count(TimeNs now) {
    const double seconds = static_cast<double>(std::max<TimeNs>(now - since_, 1)) / kSecond;
    const auto counted = static_cast<std::uint64_t>(static_cast<double>(bytes_) / seconds);
    rate_ = rate_ == 0 ? counted : (rate_ + counted) / 2;
    begin(now);
}

// The ledger.

DirtyLedger::Files& DirtyLedger::list_of(const DirtyFile& file) {
    return file.due != 0 ? due : file.streams ? streaming : waiting;
}

void DirtyLedger::note(const std::shared_ptr<FileData>& file, std::uint64_t begin, std::uint64_t end,
                       std::uint64_t added, TimeNs now) {
    auto known = files.find(file.get());
    if (known == files.end()) {
        if (added == 0) return;
        waiting.push_back(DirtyFile{.file = file, .since = now});
        known = files.emplace(file.get(), std::prev(waiting.end())).first;
    }
    DirtyFile& dirtied = *known->second;
    noted += added;
    dirtied.noted += added;
    if (dirtied.streams) streamed += added;
    dirtied.run = (dirtied.run_end == begin ? dirtied.run : 0) + (end - begin);
    dirtied.run_end = end;
    if (dirtied.streams || dirtied.run < kStream) return;
    Files& from = list_of(dirtied);
    dirtied.streams = true;
    streamed += dirtied.noted;
    put_by_age(from, known->second);
}

// Of those that wait.
void DirtyLedger::put_by_age(Files& from, Files::iterator file) {
    Files& to = list_of(*file);
    if (&to == &due) return;
    auto place = to.end();  // mostly
    while (place != to.begin() && std::prev(place)->since > file->since) --place;
    to.splice(place, from, file);
}

void DirtyLedger::take(FileData& file, std::uint64_t bytes, TimeNs now) {
    const auto known = files.find(&file);
    if (known == files.end()) return;
    const Files::iterator at = known->second;
    Files& list = list_of(*at);
    const bool was_due = at->due != 0;
    bytes = std::min(bytes, at->noted);
    noted -= bytes;
    at->noted -= bytes;
    if (at->streams) streamed -= bytes;
    at->due -= std::min(at->due, bytes);
    if (at->noted == 0) {
        list.erase(at);
        files.erase(known);
    } else if (was_due && at->due == 0) {
        if (at->all_due) at->since = now;
        if (at->streams && at->run < kStream) {
            at->streams = false;
            streamed -= at->noted;
        }
        put_by_age(list, at);
    } else if (was_due) {
        due.splice(due.end(), due, at);
    }
}

void DirtyLedger::make_due(FileData& file, std::uint64_t bytes) {
    const auto known = files.find(&file);
    if (known == files.end()) return;
    const Files::iterator at = known->second;
    Files& from = list_of(*at);
    at->due = std::min(bytes, at->noted);
    at->all_due = at->due == at->noted;
    due.splice(due.end(), from, at);
}

void DirtyLedger::make_older_due(TimeNs at) {
    for (Files* const list : {&streaming, &waiting}) {
        while (!list->empty() && list->front().since <= at) make_due(*list->front().file);
    }
}

TimeNs DirtyLedger::oldest() const {
    TimeNs oldest = kNever;
    for (const Files* const list : {&streaming, &waiting}) {
        if (!list->empty()) oldest = std::min(oldest, list->front().since);
    }
    return oldest;
}

}  // namespace bandfs
