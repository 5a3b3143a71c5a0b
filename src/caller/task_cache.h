// caller/task_cache.h - what is known of the threads that send requests, by thread id.
#pragma once

#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>

#include <boost/intrusive/list.hpp>
#include <boost/intrusive/unordered_set.hpp>

#include "caller/group_type.h"
#include "caller/proc_view.h"

namespace bandfs {

/// A thread that was seen alive under its number.
struct KnownTask {
    pid_t tid = 0;
    UniqueFd descriptor;  ///< none when there was none to be had
    pid_t process = 0;    ///< never changes
};

/// Threads, with their process and what else was read of them. Thread-safe.
///
/// 1. An entry is about one task, not about a number: each look-up asks the kernel whether the thread is still one of
///    that process, or, for what is kept of the task itself, whether the task of the kept descriptor has ended. (Not
///    within the time in which no number comes to another task.) A successor under the number gets an entry of its own.
/// 2. There are at most `capacity` entries and as many descriptors, and one more for each lock; those not asked for
/// longest
///    go first (to a tenth of a second).
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

    /// What is known of a property, and as of when. No value: the task has none that can be told.
    struct Reading {
        std::optional<std::uint64_t> value;
        TimeNs as_of = 0;
    };
    /// What a property is read with, when `before` has become too old.
    using Read = Reading (*)(void* context, GroupType type, const KnownTask& task, const Reading& before, TimeNs now);

    /// Keeps `view`.
    TaskCache(ProcView& view, std::size_t capacity);

    ~TaskCache();

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
        Reading reading;
    };
    /// Aligned, so that a look-up of one of many touches two cache lines and not three.
    struct alignas(64) Entry : boost::intrusive::unordered_set_base_hook<>, boost::intrusive::list_base_hook<> {
        KnownTask task;
        TimeNs checked = 0;     // that it had its number
        TimeNs seen_alive = 0;  // or it was taken for that
        TimeNs moved_up = 0;    // in the order of asking
        bool gone = false;
        /// Of two types, for a process that serves mounts of different types; `none` is free.
        std::array<Property, 2> properties{};
    };
    struct TidOf {
        using type = pid_t;
        const pid_t& operator()(const Entry& entry) const { return entry.task.tid; }
    };
    struct Scattered {
        std::size_t operator()(pid_t tid) const { return static_cast<std::uint32_t>(tid) * 0x9e3779b9U >> 12U; }
    };
    using Index =
        boost::intrusive::unordered_set<Entry, boost::intrusive::key_of_value<TidOf>, boost::intrusive::hash<Scattered>,
                                        boost::intrusive::power_2_buckets<true>>;
    struct alignas(64) Shard {
        std::mutex mutex;
        std::array<Index::bucket_type, 512> buckets;
        Index by_tid{Index::bucket_traits(buckets.data(), buckets.size())};
        boost::intrusive::list<Entry> by_time;  // the most recently asked for first
    };

    /// How find() tells that the entry's task still has its number.
    enum class Liveness { of_number, of_task };

    Shard& shard_of(pid_t tid) { return shards_[static_cast<std::uint32_t>(tid) % kShards]; }
    static Entry* known(Shard& shard, pid_t tid, TimeNs now);
    bool has_ended(const Entry& entry, Liveness liveness);
    Entry* find(Shard& shard, pid_t tid, TimeNs now, Liveness liveness);
    std::unique_ptr<Entry> meet(pid_t tid, TimeNs now, bool& ret_nobody);
    Entry* keep(Shard& shard, std::unique_ptr<Entry> entry);
    void forget(Shard& shard, Entry& entry);

    static constexpr std::size_t kShards = 64;

    ProcView& view_;
    const std::size_t capacity_;
    std::atomic<std::size_t> entries_ = 0;
    std::array<Shard, kShards> shards_;
};

}  // namespace bandfs
