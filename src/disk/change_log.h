// disk/change_log.h - whether what changed a file came through its mount, as size and times tell.
//
// The kernel keeps pages of files above the mount. What is written there goes into them as well; what others write
// below has to make it drop them. It must not drop them for what was written above: a write on its way has its bytes in
// such a page before they are below, and who reads the page again meanwhile gets it without them, for good. (Linux 6.18
// does so itself where it is asked to compare times, FUSE_AUTO_INVAL_DATA: a reader of a file that others append to saw
// zeros in one of a thousand looks.)
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>

#include "bandfs/unit.h"
#include "disk/file_key.h"
#include "sys/clock.h"

namespace bandfs {

/// What is known of one file. Not thread-safe. `realtime` is the time of day in nanoseconds, of the clock that times
/// the file's changes.
///
/// What others write while a change through the mount is being made, in the same tick of that clock (10 ms) as its end,
/// or in less than 20 ms between two of these, is taken for ours.
///
/// A write is pending from when the server has it: held, it has its bytes in the kernel's pages alone for seconds. When
/// these were dropped meanwhile, or shortly before it came, they are to be dropped once more when it is below.
class ChangeLog {
public:
    /// `tells_ours`: the file system is in this machine, so that its clock is ours. Elsewhere every change is others'.
    explicit ChangeLog(bool tells_ours = false) : tells_ours_(tells_ours) {}

    bool tells_ours() const { return tells_ours_; }
    /// It is made or emptied through the mount: nothing of what was there before matters.
    void begins_anew(TimeNs realtime);
    /// Whether it was changed through the mount since the last look.
    bool changed() const { return changed_; }
    /// Before begins(): whether the file has to be looked at first, since others may have changed it after our last
    /// change.
    bool wants_look(TimeNs realtime) const;
    /// A change through the mount, and when it is done.
    void begins();
    void ends(TimeNs realtime);

    /// A write by way of the kernel's pages has come, and is done: true when these were dropped under it.
    void write_comes(TimeNs realtime);
    bool write_goes();

    /// The file is `now` like this. A change of others that is so recent that another could leave the same times is
    /// told a second time when the clock has moved on.
    void look(const struct stat& now, TimeNs realtime);
    /// The kernel's pages are not what is below, whatever times tell.
    void pages_are_old() { changed_by_others_ = true; }
    /// Whether the kernel has to drop its pages since this was last asked: others have changed the file, as far as it
    /// was looked at, or nothing is known. Who asks has them dropped.
    bool take_changed_by_others();
    /// They have just been dropped.
    void dropped();

    /// Whether it is being changed through the mount, or is to be, or was lately.
    bool changed_lately(TimeNs realtime) const;
    /// Whether the time of the last access is what it was at the last call. nullopt: it does not matter.
    bool access_time_stays(std::optional<TimeNs> accessed, TimeNs realtime);

private:
    struct State {
        std::uint64_t size = 0;
        TimeNs mtime = 0;
        TimeNs ctime = 0;
        friend bool operator==(const State&, const State&) = default;
    };
    /// Longer than a file that changes lies still between two changes: see changed_lately().
    static constexpr TimeNs kLately = 60 * kSecond;

    bool tells_ours_;
    bool changed_ = false;           ///< through the mount since the last look, or now
    bool changed_by_others_ = true;  ///< and nobody has been told
    unsigned under_way_ = 0;         ///< changes through the mount
    TimeNs ended_ = 0;               ///< the last of them that has
    TimeNs doubted_until_ = 0;       ///< others may change it unseen; 0: not so
    unsigned pending_ = 0;           ///< writes
    bool hit_ = false;               ///< pages were dropped that one of them had written to
    TimeNs hit_until_ = 0;           ///< writes that come until then may have written to them
    std::optional<TimeNs> accessed_;
    std::optional<State> known_;
};

/// Remembers what is known of files that nobody has open. Not thread-safe. Of fixed size: a file whose place another
/// one took is not known.
class ChangeMemory {
public:
    void remember(FileKey key, const ChangeLog& log);
    /// What is known of a file; nullopt: nothing.
    std::optional<ChangeLog> recall(FileKey key) const;

private:
    struct Place {
        FileKey key;
        ChangeLog log;
    };
    static constexpr unsigned kPlacesLog2 = 14;  // 2 MiB

    Place& place_of(FileKey key) const;

    std::unique_ptr<Place[]> places_ = std::make_unique<Place[]>(std::size_t{1} << kPlacesLog2);
};

/// The log of an open file. Thread-safe.
class ChangeWatch {
public:
    struct Seen {
        struct stat file {};
        TimeNs realtime = 0;            ///< from before that
        bool changed_by_others = true;  ///< since that was last told; also when it cannot be looked at
        bool drop_owed = false;         ///< somebody was told, and the pages are not dropped yet
        bool changed_lately = false;    ///< through the mount
    };
    /// A change through the mount, while it lives. `fd` is open on the file.
    class Ours {
    public:
        Ours(ChangeWatch& watch, int fd) : watch_(watch) { watch_.begins(fd); }
        ~Ours() { watch_.ends(); }
        Ours(const Ours&) = delete;
        Ours& operator=(const Ours&) = delete;

    private:
        ChangeWatch& watch_;
    };

    explicit ChangeWatch(const ChangeLog& log) : tells_ours_(log.tells_ours()), log_(log) {}

    // See ChangeLog.

    bool tells_ours() const { return tells_ours_; }
    void begins_anew();
    void write_comes();
    /// True: who calls has the pages dropped once more.
    bool write_goes();
    void pages_are_old();
    Seen look(int fd);
    /// Who was told that others have changed the file will have the kernel drop its pages; has done it.
    void owe_drop();
    void dropped();
    bool access_time_stays(std::optional<TimeNs> accessed, TimeNs realtime);
    /// What is to be remembered when the file is closed.
    ChangeLog close(int fd);

private:
    void begins(int fd);
    void ends();
    bool look_at(int fd, Seen& seen);  // with mutex_

    const bool tells_ours_;
    std::mutex mutex_;
    ChangeLog log_;            ///< guarded by mutex_
    unsigned drops_owed_ = 0;  ///< guarded by mutex_
};

}  // namespace bandfs
