// disk/tree.h - the directory tree below SOURCE: inodes by number, and every metadata operation on them.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "disk/descriptor_pool.h"
#include "disk/descriptor_share.h"
#include "disk/inode.h"
#include "disk/inode_table.h"
#include "disk/tree_types.h"
#include "sys/identity.h"
#include "sys/magic_links.h"
#include "sys/result.h"
#include "sys/unique_fd.h"

namespace bandfs {

/// The tree below SOURCE. Thread-safe. Errors are those of the file system below, unchanged, and ESTALE for an inode
/// whose file is gone (see Inode::gone() for requests that come with a path).
///
/// Nothing leads outside: a name is one component, never followed; an inode is reopened by its handle, or by its last
/// known parent and name and then compared. Nothing is opened but regular files and directories.
///
/// A lookup opens nothing where handles work. What is replaced behind the mount before it is used is then ESTALE, and
/// the kernel looks it up again, once; so that this succeeds, lookups hold descriptors for a second after an ESTALE.
///
/// A mount point inside SOURCE shows what is mounted there. Renames and links across it are EXDEV, as below; what is
/// mounted is busy while the kernel remembers an inode of it. refuse_device() keeps the mount itself out of it.
class Tree {
public:
    static Result<std::unique_ptr<Tree>> open(const TreeSettings& settings);
    ~Tree();
    Tree(const Tree&) = delete;

    /// Called when the process has run out of descriptors and the pool has given up some of its own: has others given
    /// up, and says whether any was. May block. Set before the first request.
    void set_relief(std::function<bool()> relief) { relief_ = std::move(relief); }

    /// What is opened from now on leaves times of access as they are where that is noatime or nodiratime; to relatime
    /// whoever reads has to keep.
    void set_access_times(const AccessTimes& times);
    bool noatime() const { return file_flags_ != 0; }
    bool relatime() const { return relatime_; }

    Inode& root() { return *root_; }
    /// Where SOURCE is now, as the kernel names it.
    Result<std::string> path_of_root();
    /// Whether this path below SOURCE ("/a/b") leads, within one mount, to the file that `fd` is open on.
    bool leads_to(const std::string& path, int fd);
    /// The inode of a node id, also one that the kernel has forgotten and has a handle of. ESTALE: it means nothing.
    Result<InodePtr> inode(NodeId id);
    /// "." and ".." are the inode and its parent. `hold`: opens a descriptor, so that the inode's path has this name.
    Result<Entry> lookup(Inode& parent, const char* name, bool hold = false);
    void forget(Inode& inode, std::uint64_t lookups) { inodes_.forget(inode, lookups); }
    void forget(NodeId id, std::uint64_t lookups);
    /// What is on this device, the FUSE mount itself, is ELOOP: its requests would wait for themselves.
    void refuse_device(dev_t device) { refused_device_ = device; }

    /// A descriptor of a regular file or directory, opened anew (never by a name): `flags` are those of open(2), of
    /// which O_CREAT, O_EXCL and O_NOFOLLOW are ignored; O_NOATIME is added as set_access_times() says. Inode::gone()
    /// when the file is gone for good, ENXIO for other kinds of files.
    Result<UniqueFd> open_file(Inode& inode, int flags);

    Result<struct stat> attributes(Inode& inode);
    std::optional<timespec> birth_time(Inode& inode);  ///< where the file system knows it
    /// Sets attributes for `who`, whose identity decides which set-id bits fall on a change of owner.
    Result<struct stat> set_attributes(Inode& inode, const AttrChange& change, const Identity& who);
    /// `keeps_capabilities`: they stay, as in truncate(2) they do not.
    Status truncate(Inode& inode, std::uint64_t size, bool keeps_capabilities = false);
    /// FS_IOC_GETFLAGS and those like it, of a regular file or directory.
    Status inode_ioctl(Inode& inode, unsigned long command, void* argument);
    Result<std::string> read_link(Inode& inode);
    Result<struct statvfs> statistics(Inode& inode);

    Result<Entry> make_node(Inode& parent, const char* name, mode_t mode, dev_t device, const Identity& who);
    Result<Entry> make_directory(Inode& parent, const char* name, mode_t mode, const Identity& who);
    Result<Entry> make_symlink(Inode& parent, const char* name, const char* target, const Identity& who);
    /// Makes and opens a regular file. When the name exists it is EEXIST with O_EXCL in `flags`, else ESTALE: the
    /// kernel then looks it up again and opens what is there, with the permission checks that a new file lacks.
    Result<CreatedFile> create(Inode& parent, const char* name, int flags, mode_t mode, const Identity& who);
    /// The same with O_TMPFILE: it has no name until link() gives it one, which O_EXCL in `flags` forbids.
    Result<CreatedFile> create_nameless(Inode& directory, int flags, mode_t mode, const Identity& who);
    Result<Entry> link(Inode& inode, Inode& parent, const char* name);
    Result<LostName> unlink(Inode& parent, const char* name) { return remove(parent, name, 0); }
    Result<LostName> remove_directory(Inode& parent, const char* name) { return remove(parent, name, AT_REMOVEDIR); }
    /// As renameat2(2); a whiteout is made for `who`. Of a file that stood at the new name: what it lost.
    Result<std::optional<LostName>> rename(Inode& parent, const char* name, Inode& new_parent, const char* new_name,
                                           unsigned flags, const Identity& who);

    /// As getxattr(2) and listxattr(2): an empty span asks for the length. `open`: a descriptor of the file, or -1.
    Result<std::size_t> get_xattr(Inode& inode, const char* name, std::span<char> value, int open = -1);
    Result<std::size_t> list_xattrs(Inode& inode, std::span<char> names);
    Status set_xattr(Inode& inode, const char* name, std::string_view value, int flags, const Identity& who);
    Status remove_xattr(Inode& inode, const char* name, const Identity& who);

    /// Gives up descriptors that were not used since the call before: see DescriptorPool.
    void drop_unused_descriptors() { pool_.drop_unused(); }
    /// Descriptors kept for inodes, and inodes known: for tests and status.
    std::size_t descriptors() const { return pool_.size(); }
    std::size_t inodes() const { return inodes_.size(); }

private:
    struct Found {
        InodeKey key;
        struct stat attr {};
        int mount_id = -1;
    };

    Tree(const TreeSettings& settings, MagicLinks links, UniqueFd root, const Found& found);

    static Result<Found> identify(int fd);
    static Result<Found> identify(int fd, const MountedHandle& handle);
    static Result<struct stat> attributes_of(int fd);
    Status refuse_own_mount(int fd) const;

    HeldFd kept(Inode& inode, UniqueFd descriptor);
    Result<HeldFd> descriptor(Inode& inode);
    Result<HeldFd> directory(Inode& inode, const char* name);
    Result<UniqueFd> open_as_told(Inode& inode, int flags);
    Result<UniqueFd> open_anew(Inode& inode, int flags);
    Result<UniqueFd> reopen(Inode& inode, int flags);
    Result<InodePtr> revive(NodeId id);
    std::shared_ptr<const BackingMount> mount_of(int fd, const Found& found);
    InodePtr make_inode(NodeId id, const Found& found, std::shared_ptr<const BackingMount> mount);

    static Result<UniqueFd> open_name(int directory, const char* name);
    InodePtr enter(int fd, const Found& found);
    bool holds_descriptors(const Inode& parent) const;
    std::optional<Result<Entry>> look_up_unopened(int directory, Inode& parent, const char* name);
    Result<Entry> enter_name(UniqueFd fd, Inode& parent, const char* name);
    Result<Entry> lookup_itself(Inode& inode);
    Result<Entry> lookup_parent(Inode& directory);
    bool below_root(int directory) const;
    /// Makes something of `mode` in `parent` by `call`, a system call on its descriptor that gives -1 and errno, and
    /// looks it up.
    template <typename Call>
    Result<Entry> make(Inode& parent, const char* name, mode_t mode, const Identity& who, Call&& call);
    Entry made_and_lost(mode_t mode);

    Result<LostName> remove(Inode& parent, const char* name, int flags);
    LostName after_loss(UniqueFd file, Inode& parent, const char* name);
    void after_move(Inode& parent, const char* name);

    /// Runs `call`, which gives a Result: without descriptors again with fewer in the pool, and while others give up.
    template <typename Call>
    auto with_descriptors(Call&& call) {
        auto result = call();
        for (int i = 0; i != kMostReliefs && lacks_descriptors(result) && DescriptorPool::shed_all(); ++i)
            result = call();
        for (int i = 0; i != kMostReliefs && lacks_descriptors(result) && relief_ && relief_(); ++i) result = call();
        return result;
    }
    static constexpr int kMostReliefs = 32;

    const MagicLinks links_;
    const bool by_name_;
    std::atomic<int> file_flags_{0}, directory_flags_{0};  ///< O_NOATIME or 0
    std::atomic<bool> relatime_{false};
    const NodeIdCodec codec_;
    std::atomic<dev_t> refused_device_{0};
    std::atomic<TimeNs> hold_until_{0};
    std::atomic<std::uint64_t> lost_{0};  ///< inodes that led nowhere from the first
    std::function<bool()> relief_;
    DescriptorPool pool_;
    const DescriptorShare share_ = DescriptorShare::of_process();
    InodeTable inodes_;
    std::mutex mounts_mutex_;
    std::map<int, std::weak_ptr<const BackingMount>> mounts_;  ///< by id
    std::shared_ptr<const BackingMount> root_mount_;
    InodePtr root_;
};

}  // namespace bandfs
