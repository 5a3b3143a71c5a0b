#include "caller/task_cache.h"

#include <algorithm>

#include "caller/task_text.h"

namespace bandfs {

TaskCache::TaskCache(ProcView& view, std::size_t capacity)
    : view_(view), shard_capacity_(std::max<std::size_t>(capacity / kShards, 1)) {}

TaskCache::Shard& TaskCache::shard_of(pid_t tid) {
    return shards_[(static_cast<std::uint32_t>(tid) * 0x9e3779b9U >> 16U) % kShards];
}

/// The entry of that number, made the most recent one.
TaskCache::Entry* TaskCache::known(Shard& shard, pid_t tid) {
    const auto found = shard.by_tid.find(tid);
    if (found == shard.by_tid.end()) return nullptr;
    shard.entries.splice(shard.entries.begin(), shard.entries, found->second);
    return &*found->second;
}

/// The entry of whoever has the number now, else of who had it a moment ago. `unkept` is where an entry lives that is
/// for this once, when descriptors have run out.
TaskCache::Entry* TaskCache::find(Shard& shard, pid_t tid, TimeNs now, Entry& unkept) {
    if (tid <= 0) return nullptr;
    Entry* entry = known(shard, tid);
    if (entry != nullptr && !entry->gone) {
        entry->gone = view_.is_gone(entry->task.descriptor);
        if (!entry->gone) {
            entry->seen_alive = now;
            return entry;
        }
    }
    Result<Entry> successor = meet(tid, now);
    if (successor) return keep(shard, std::move(*successor), unkept);
    const bool recent = entry != nullptr && successor.code() == ESRCH && now - entry->seen_alive <= kLastWords;
    return recent ? entry : nullptr;
}

/// A task not known yet. What is read by its number counts only if the task still has it afterwards.
Result<TaskCache::Entry> TaskCache::meet(pid_t tid, TimeNs now) {
    Entry entry;
    entry.task.tid = tid;
    entry.seen_alive = now;
    Result<UniqueFd> descriptor = view_.open_task(tid);
    if (descriptor) {
        entry.task.descriptor = std::move(*descriptor);
        const Result<TaskInfo> info = view_.info(entry.task.descriptor);
        if (info) {
            entry.task.info = *info;
            return entry;
        }
        if (info.code() == ESRCH) return Errno{ESRCH};
    } else if (descriptor.code() == ESRCH) {
        return Errno{ESRCH};
    }
    const Result<std::string> status = view_.read_task(tid, TaskFile::status);
    if (!status) return status.code() == ENOENT ? Errno{ESRCH} : status.error();
    const auto process = status_process(*status);
    if (!process) return Errno{EPROTO};
    if (entry.task.descriptor && view_.is_gone(entry.task.descriptor)) return Errno{ESRCH};
    entry.task.info.process = *process;
    return entry;
}

TaskCache::Entry* TaskCache::keep(Shard& shard, Entry entry, Entry& unkept) {
    if (!entry.task.descriptor) {
        unkept = std::move(entry);
        return &unkept;
    }
    if (Entry* predecessor = known(shard, entry.task.tid)) {
        *predecessor = std::move(entry);
        return predecessor;
    }
    if (shard.entries.size() >= shard_capacity_) {
        shard.by_tid.erase(shard.entries.back().task.tid);
        shard.entries.pop_back();
    }
    shard.entries.push_front(std::move(entry));
    shard.by_tid.emplace(shard.entries.front().task.tid, shard.entries.begin());
    return &shard.entries.front();
}

std::optional<pid_t> TaskCache::process(pid_t tid) {
    const TimeNs now = view_.now();
    Shard& shard = shard_of(tid);
    const std::lock_guard lock(shard.mutex);
    Entry unkept;
    const Entry* entry = find(shard, tid, now, unkept);
    if (entry == nullptr) return std::nullopt;
    return entry->task.info.process;
}

std::optional<std::uint64_t> TaskCache::property(pid_t tid, GroupType type, TimeNs trust, Read read, void* context) {
    const TimeNs now = view_.now();
    Shard& shard = shard_of(tid);
    const std::lock_guard lock(shard.mutex);
    Entry unkept;
    Entry* entry = find(shard, tid, now, unkept);
    if (entry == nullptr) return std::nullopt;

    auto& properties = entry->properties;
    auto property =
        std::find_if(properties.begin(), properties.end(), [&](const Property& it) { return it.type == type; });
    const bool read_before = property != properties.end();
    if (read_before && (entry->gone || now - property->read_at < trust)) return property->value;
    if (entry->gone) return std::nullopt;

    const Property fresh{type, now, read(context, type, entry->task)};
    if (entry->task.descriptor && view_.is_gone(entry->task.descriptor)) {  // it may be another task's
        entry->gone = true;
        return read_before ? property->value : std::nullopt;
    }
    if (!read_before)
        property = std::min_element(properties.begin(), properties.end(),
                                    [](const Property& a, const Property& b) { return a.read_at < b.read_at; });
    *property = fresh;
    return fresh.value;
}

std::optional<TaskCache::Seen> TaskCache::last_known(pid_t tid) {
    if (tid <= 0) return std::nullopt;
    const TimeNs now = view_.now();
    Shard& shard = shard_of(tid);
    const std::lock_guard lock(shard.mutex);
    Entry unkept;
    Entry* entry = known(shard, tid);
    if (entry == nullptr) entry = find(shard, tid, now, unkept);
    if (entry == nullptr) return std::nullopt;
    if (!entry->gone && entry->task.descriptor) entry->gone = view_.is_gone(entry->task.descriptor);
    return Seen{entry->task.info.process, entry->gone};
}

}  // namespace bandfs
