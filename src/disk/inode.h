// disk/inode.h - one backing file or directory that the kernel, or a request under way, knows.
#pragma once

#include <sys/stat.h>

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <string>

#include <boost/intrusive/list.hpp>

#include "disk/inode_key.h"
#include "sys/clock.h"
#include "sys/result.h"
#include "sys/unique_fd.h"

namespace bandfs {

class Inode;
using InodePtr = std::shared_ptr<Inode>;

/// A descriptor that stays open while somebody holds it, also when the pool gives it up meanwhile.
using HeldFd = std::shared_ptr<const UniqueFd>;

/// The mount that backing files are on: SOURCE's, or one at a mount point inside SOURCE. Kept while an inode on it is
/// known.
struct BackingMount {
    int id = -1;           ///< as in /proc/self/mountinfo
    UniqueFd descriptor;   ///< what open_handle() needs
    bool handles = false;  ///< files on it can be opened by handle; otherwise by parent and name
};

/// Where a file was found last, for file systems and users without handles.
struct Place {
    InodePtr parent;
    std::string name;
};

/// An inode. At most one lives for each InodeKey of a Tree, hard links are one. It lives while the kernel has lookups
/// on it or somebody holds an InodePtr; the Tree outlives it. Thread-safe.
///
/// Members are guarded by who uses them: lookups_ and self_ by the InodeTable's lock, held_, pinned_, used_in_ and the
/// hook by the DescriptorPool's, place_ by mutex_. None of these locks is taken under another.
class Inode : public std::enable_shared_from_this<Inode>, public boost::intrusive::list_base_hook<> {
public:
    Inode(NodeId id, std::uint32_t generation, const InodeKey& key, mode_t type,
          std::shared_ptr<const BackingMount> mount)
        : id_(id), generation_(generation), type_(type & S_IFMT), key_(key), mount_(std::move(mount)) {}

    NodeId id() const { return id_; }
    std::uint32_t generation() const { return generation_; }  ///< with the id, never used for another file
    const InodeKey& key() const { return key_; }
    const BackingMount& mount() const { return *mount_; }
    const std::shared_ptr<const BackingMount>& shared_mount() const { return mount_; }
    bool is_directory() const { return S_ISDIR(type_); }
    bool is_regular() const { return S_ISREG(type_); }

    /// The file was found by this name, and a descriptor of it is held. Remembers where, if that is how it is found
    /// again.
    void seen_at(InodePtr parent, std::string name, TimeNs now);
    /// The same without a descriptor: it may be gone at once.
    void seen_unheld(TimeNs now) { seen_ = now - kFresh; }
    Place place() const;

    /// What a request that came with a path is told when the file is gone. ESTALE: the kernel then looks the whole path
    /// up again, once, and finds what has taken the file's place. ENOENT when it has just done so (kFresh), or, of a
    /// directory, was told before: then the path was changed once more meanwhile, or begins there, which on a local
    /// file system looks like this.
    Errno gone(TimeNs now);
    static constexpr TimeNs kFresh = 100 * kMillisecond;

private:
    friend class InodeTable;
    friend class DescriptorPool;

    const NodeId id_;
    const std::uint32_t generation_;
    const mode_t type_;
    const InodeKey key_;
    const std::shared_ptr<const BackingMount> mount_;

    std::uint64_t lookups_ = 0;  ///< that the kernel has, or is being answered with
    InodePtr self_;              ///< set while lookups_ is not 0

    HeldFd held_;
    bool pinned_ = false;   ///< held_ is the only way to the file: no name is left, or none was known
    unsigned used_in_ = 0;  ///< the pool's period

    static constexpr TimeNs kToldGone = std::numeric_limits<TimeNs>::max();
    std::atomic<TimeNs> seen_{std::numeric_limits<TimeNs>::min() / 2};  ///< when its name was found last, or kToldGone

    mutable std::mutex mutex_;
    std::unique_ptr<Place> place_;
};

}  // namespace bandfs
