// disk/descriptor_pool.h - the O_PATH descriptors of inodes: as many as may be, the most recently used ones.
#pragma once

#include <cstddef>
#include <mutex>
#include <vector>

#include <boost/intrusive/list.hpp>

#include "disk/inode.h"
#include "sys/unique_fd.h"

namespace bandfs {

/// Keeps at most `capacity` descriptors, and further ones that are pinned because nothing else leads to their files.
/// Thread-safe. Closes outside its lock.
class DescriptorPool {
public:
    explicit DescriptorPool(std::size_t capacity);
    ~DescriptorPool();
    DescriptorPool(const DescriptorPool&) = delete;
    DescriptorPool& operator=(const DescriptorPool&) = delete;

    /// The inode's descriptor, nullptr when it has none now.
    HeldFd get(Inode& inode);
    /// Gives the inode a descriptor, unless it has one, and returns the one it has.
    HeldFd put(Inode& inode, UniqueFd descriptor);
    /// The inode keeps its descriptor, and has `descriptor` when it has none.
    void pin(Inode& inode, UniqueFd descriptor);
    /// There is another way to its file now: its descriptor is as good as any other.
    void unpin(Inode& inode);
    /// Closes the descriptor of an inode that ends.
    void remove(Inode& inode);
    /// Closes the half of them that was used longest ago, in every pool of the process, which has run out of
    /// descriptors. False when there were none.
    static bool shed_all();
    /// Closes those that were not used since the call before and can be opened again by a handle: the disk keeps the
    /// space of a file that was removed behind the mount as long as it is open.
    void drop_unused();
    std::size_t size() const;

private:
    /// Takes the descriptors used longest ago off their inodes, until `keep` are left; the caller closes them unlocked.
    std::vector<HeldFd> take_oldest(std::size_t keep);

    void use(Inode& inode);

    const std::size_t capacity_;
    mutable std::mutex mutex_;
    unsigned period_ = 0;  ///< counts calls of drop_unused()
    boost::intrusive::list<Inode>
        recent_;  ///< those that have a descriptor and are not pinned; the last used one first
};

}  // namespace bandfs
