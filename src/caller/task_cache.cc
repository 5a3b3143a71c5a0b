#include "caller/task_cache.h"

#include <algorithm>

#include "caller/task_text.h"
#include "sys/clock.h"

namespace bandfs {

namespace {

/// Moving an entry up the order touches its neighbours; not each of its requests needs to.
constexpr TimeNs kMoveUpAfter = 100 * kMillisecond;

}  // namespace

TaskCache::TaskCache(ProcView& view, std::size_t capacity) : view_(view), capacity_(capacity) {}

TaskCache::~TaskCache() {
    for (Shard& shard : shards_)
        while (!shard.by_time.empty()) forget(shard, shard.by_time.front());
}

/// The entry of that number, made the most recent one.
TaskCache::Entry* TaskCache::known(Shard& shard, pid_t tid, TimeNs now) {
    const auto found = shard.by_tid.find(tid);
    if (found == shard.by_tid.end()) return nullptr;
    if (now - found->moved_up > kMoveUpAfter) {
        shard.by_time.splice(shard.by_time.begin(), shard.by_time, shard.by_time.iterator_to(*found));
        found->moved_up = now;
    }
    return &*found;
}

/// Without a descriptor the number has to do; nothing is kept of such a task that its successor could be given.
bool TaskCache::has_ended(const Entry& entry, Liveness liveness) {
    if (liveness == Liveness::of_task && entry.task.descriptor) return view_.is_gone(entry.task.descriptor);
    return !view_.is_thread_of(entry.task.process, entry.task.tid);
}

/// The entry of whoever has the number now, else of who had it a moment ago.
TaskCache::Entry* TaskCache::find(Shard& shard, pid_t tid, TimeNs now, Liveness liveness) {
    if (tid <= 0) return nullptr;
    Entry* entry = known(shard, tid, now);
    if (entry != nullptr && !entry->gone) {
        const bool certain = liveness == Liveness::of_task && now - entry->checked < view_.reuse_time();
        if (!certain) {
            entry->gone = has_ended(*entry, liveness);
            if (liveness == Liveness::of_task) entry->checked = now;
        }
        if (!entry->gone) {
            entry->seen_alive = now;
            return entry;
        }
    }
    bool nobody = false;
    if (auto successor = meet(tid, now, nobody)) return keep(shard, std::move(successor));
    const bool recent = entry != nullptr && nobody && now - entry->seen_alive <= kLastWords;
    return recent ? entry : nullptr;
}

/// A task not known yet; nullptr when there is none (`ret_nobody`) or it cannot be known. What is read by its number
/// counts only if the task still has it afterwards.
std::unique_ptr<TaskCache::Entry> TaskCache::meet(pid_t tid, TimeNs now, bool& ret_nobody) {
    auto entry = std::make_unique<Entry>();
    KnownTask& task = entry->task;
    task.tid = tid;
    entry->checked = entry->seen_alive = entry->moved_up = now;
    Result<UniqueFd> descriptor = view_.open_task(tid);
    ret_nobody = descriptor.code() == ESRCH;
    if (ret_nobody) return nullptr;
    if (descriptor) task.descriptor = std::move(*descriptor);

    const Result<TaskInfo> info = task.descriptor ? view_.info(task.descriptor) : Errno{ENOTTY};
    if (info) {
        task.process = info->process;
        return entry;
    }
    const Result<std::string> status = view_.read_task(tid, TaskFile::status);
    const auto process = status ? status_process(*status) : std::nullopt;
    ret_nobody =
        status.code() == ENOENT || status.code() == ESRCH || (task.descriptor && view_.is_gone(task.descriptor));
    if (!process || ret_nobody) return nullptr;
    task.process = *process;
    return entry;
}

TaskCache::Entry* TaskCache::keep(Shard& shard, std::unique_ptr<Entry> entry) {
    const auto predecessor = shard.by_tid.find(entry->task.tid);
    if (predecessor != shard.by_tid.end())
        forget(shard, *predecessor);
    else if (entries_ >= capacity_ && !shard.by_time.empty())
        forget(shard, shard.by_time.back());
    ++entries_;
    shard.by_tid.insert(*entry);
    shard.by_time.push_front(*entry);
    return entry.release();
}

void TaskCache::forget(Shard& shard, Entry& entry) {
    shard.by_tid.erase(shard.by_tid.iterator_to(entry));
    shard.by_time.erase(shard.by_time.iterator_to(entry));
    delete &entry;
    --entries_;
}

std::optional<pid_t> TaskCache::process(pid_t tid) {
    const TimeNs now = view_.now();
    Shard& shard = shard_of(tid);
    const std::lock_guard lock(shard.mutex);
    const Entry* entry = find(shard, tid, now, Liveness::of_number);
    if (entry == nullptr) return std::nullopt;
    return entry->task.process;
}

std::optional<std::uint64_t> TaskCache::property(pid_t tid, GroupType type, TimeNs trust, Read read, void* context) {
    const TimeNs now = view_.now();
    Shard& shard = shard_of(tid);
    const std::lock_guard lock(shard.mutex);
    Entry* entry = find(shard, tid, now, Liveness::of_task);
    if (entry == nullptr) return std::nullopt;

    auto& properties = entry->properties;
    auto property =
        std::find_if(properties.begin(), properties.end(), [&](const Property& it) { return it.type == type; });
    const Reading before = property != properties.end() ? property->reading : Reading{};
    if (property != properties.end() && (entry->gone || now - before.as_of < trust)) return before.value;
    if (entry->gone) return std::nullopt;

    const Property fresh{type, read(context, type, entry->task, before, now)};
    if (!entry->task.descriptor) return fresh.reading.value;
    if (view_.is_gone(entry->task.descriptor)) {  // what was read may be another task's
        entry->gone = true;
        return before.value;
    }
    if (property == properties.end())
        property = std::min_element(properties.begin(), properties.end(), [](const Property& a, const Property& b) {
            return a.reading.as_of < b.reading.as_of;
        });
    *property = fresh;
    return fresh.reading.value;
}

std::optional<TaskCache::Seen> TaskCache::last_known(pid_t tid) {
    if (tid <= 0) return std::nullopt;
    const TimeNs now = view_.now();
    Shard& shard = shard_of(tid);
    const std::lock_guard lock(shard.mutex);
    Entry* entry = known(shard, tid, now);
    if (entry == nullptr) entry = find(shard, tid, now, Liveness::of_number);
    if (entry == nullptr) return std::nullopt;
    if (!entry->gone) entry->gone = has_ended(*entry, Liveness::of_number);
    return Seen{entry->task.process, entry->gone};
}

}  // namespace bandfs
