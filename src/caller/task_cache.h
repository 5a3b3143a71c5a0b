// caller/task_cache.h - what is known of the threads that send requests, by thread id.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "caller/group_type.h"
#include "caller/proc_view.h"

namespace bandfs {

/// A thread that was seen alive under its number.
struct KnownTask {
    pid_t tid = 0;
    UniqueFd descriptor;  ///< none: no descriptor was to be had, and it is not kept
    TaskInfo info;        ///< as of when it was first seen; the process never changes
};

/// Threads, with their process and what else was read of them. Thread-safe.
///
/// 1. An entry is about one task, not about a number: each look-up asks the kernel whether the task of the kept
/// descriptor
///    has ended, and a successor under the number gets an entry of its own.
/// 2. There are at most `capacity` entries and as many descriptors; the least recently asked for goes first.
/// 3. A task that ended is still answered for, for kLastWords after it was last seen alive and as long as nobody has
/// its
///    number: requests that it left behind are its own. (Numbers are dealt out in turn: even of 32,768 none is given
///    out and given back again within that time by fewer than 300,000 new tasks a second.)
///
/// One of 64 locks is held during a look-up, system calls included: receivers seldom want the same one, and what a
/// look-up may wait for (the kernel's lock on cgroups, while it moves a task) the next would wait for as well.
class TaskCache {
public:
    static constexpr TimeNs kLastWords = 100'000'000;

    /// What a property is read with. nullopt: it has none that can be told.
    using Read = std::optional<std::uint64_t> (*)(void* context, GroupType type, const KnownTask& task);

    /// Keeps `view`.
    TaskCache(ProcView& view, std::size_t capacity);

    /// The process of a thread; nullopt when it is gone (or tid is 0).
    std::optional<pid_t> process(pid_t tid);
    /// A property of a thread as it was at most `trust` ago.
    std::optional<std::uint64_t> property(pid_t tid, GroupType type, TimeNs trust, Read read, void* context);

    struct Seen {
        pid_t process = 0;
        bool gone = false;
    };
    /// The thread last known by that number, ended or not and whoever has the number now; a thread not known yet when
    /// it is alive; else nullopt.
    std::optional<Seen> last_known(pid_t tid);

private:
    struct Property {
        GroupType type;
        TimeNs read_at = 0;
        std::optional<std::uint64_t> value;
    };
    struct Entry {
        KnownTask task;
        TimeNs seen_alive = 0;
        bool gone = false;
        /// Of two types, for a process that serves mounts of different types; `none` is free.
        std::array<Property, 2> properties{};
    };
    struct Shard {
        std::mutex mutex;
        std::list<Entry> entries;  // the most recently asked for first
        std::unordered_map<pid_t, std::list<Entry>::iterator> by_tid;
    };

    Shard& shard_of(pid_t tid);
    Entry* known(Shard& shard, pid_t tid);
    Entry* find(Shard& shard, pid_t tid, TimeNs now, Entry& unkept);
    Result<Entry> meet(pid_t tid, TimeNs now);
    Entry* keep(Shard& shard, Entry entry, Entry& unkept);

    static constexpr std::size_t kShards = 64;

    ProcView& view_;
    const std::size_t shard_capacity_;
    std::array<Shard, kShards> shards_;
};

}  // namespace bandfs
