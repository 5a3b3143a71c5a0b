#include "gate/dirty_ledger.h"

#include <algorithm>

namespace bandfs {

void DirtyLedger::note(const std::shared_ptr<FileData>& file, std::uint64_t bytes, TimeNs now) {
    noted += bytes;
    const auto known = files.find(file.get());
    if (known != files.end()) {
        known->second->noted += bytes;
        return;
    }
    waiting.push_back(DirtyFile{file, now, bytes, 0});
    files.emplace(file.get(), std::prev(waiting.end()));
}

void DirtyLedger::take(FileData& file, std::uint64_t bytes, TimeNs now) {
    const auto known = files.find(&file);
    if (known == files.end()) return;
    const Files::iterator at = known->second;
    const bool was_due = at->due != 0;
    bytes = std::min(bytes, at->noted);
    noted -= bytes;
    at->noted -= bytes;
    at->due -= std::min(at->due, bytes);
    Files& list = was_due ? due : waiting;
    if (at->noted == 0) {
        list.erase(at);
        files.erase(known);
    } else if (was_due && at->due == 0) {
        at->since = now;
        waiting.splice(waiting.end(), due, at);
    } else if (was_due) {
        due.splice(due.end(), due, at);
    }
}

void DirtyLedger::make_due(FileData& file) {
    const auto known = files.find(&file);
    if (known == files.end()) return;
    const Files::iterator at = known->second;
    Files& from = at->due != 0 ? due : waiting;
    at->due = at->noted;
    due.splice(due.end(), from, at);
}

void DirtyLedger::make_older_due(TimeNs at) {
    while (!waiting.empty() && waiting.front().since <= at) make_due(*waiting.front().file);
}

}  // namespace bandfs
