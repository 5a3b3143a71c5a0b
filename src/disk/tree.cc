// disk/tree.cc - how a Tree finds its inodes: by name, by handle, by number, and with how many descriptors.
#include "disk/tree.h"

#include <linux/openat2.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "sys/daemon.h"
#include "sys/mount_table.h"

namespace bandfs {
namespace {

/// Most of the limit is for the callers' open files.
std::size_t pool_capacity(const TreeSettings& settings) {
    if (settings.descriptors != 0) return settings.descriptors;
    return std::clamp<std::size_t>(descriptor_limit() / 8, 64, 65536);
}

/// A name is one component, and not the way up: no call may be led through another directory.
bool is_component(const char* name) {
    return *name != '\0' && std::strchr(name, '/') == nullptr && std::strcmp(name, "..") != 0;
}

/// For file systems without handles: as distinct as a generation, unless a file is deleted and made within one tick.
FileHandle birth_handle(int fd) {
    FileHandle handle;
    handle.type = InodeKey::kBirthTime;
    struct statx attributes {};
    if (::statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &attributes) != 0 || !(attributes.stx_mask & STATX_BTIME))
        return handle;
    const std::int64_t time[2] = {attributes.stx_btime.tv_sec, attributes.stx_btime.tv_nsec};
    std::memcpy(handle.bytes.data(), time, sizeof time);
    handle.size = sizeof time;
    return handle;
}

}  // namespace

Result<std::unique_ptr<Tree>> Tree::open(const TreeSettings& settings) {
    Result<MagicLinks> links = MagicLinks::open();
    if (!links) return links.error();
    UniqueFd root(::open(settings.source.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!root) return last_errno();
    Result<Found> found = identify(root.get());
    if (!found) return found.error();
    return std::unique_ptr<Tree>(new Tree(settings, std::move(*links), std::move(root), *found));
}

Tree::Tree(const TreeSettings& settings, MagicLinks links, UniqueFd root, const Found& found)
    : links_(std::move(links)),
      by_name_(settings.by_name),
      codec_(found.key, is_whole_file_system(root.get(), found.mount_id)),
      pool_(pool_capacity(settings)),
      inodes_(codec_) {
    root_mount_ = mount_of(root.get(), found);
    root_ = make_inode(kRootNode, found, root_mount_);
    inodes_.enter_root(root_);
    pool_.pin(*root_, std::move(root));
}

void Tree::set_access_times(const AccessTimes& times) {
    file_flags_ = times.noatime ? O_NOATIME : 0;
    directory_flags_ = times.noatime || times.nodiratime ? O_NOATIME : 0;
    relatime_ = times.relatime;
}

Tree::~Tree() {
    inodes_.forget_all();
}

Result<Tree::Found> Tree::identify(int fd) {
    Result<MountedHandle> handle = handle_of(fd);
    if (!handle) return handle.error();
    return identify(fd, *handle);
}

Result<Tree::Found> Tree::identify(int fd, const MountedHandle& handle) {
    Result<struct stat> attr = attributes_of(fd);
    if (!attr) return attr.error();
    const FileHandle name = handle.handle.size != 0 ? handle.handle : birth_handle(fd);
    return Found{{attr->st_dev, attr->st_ino, name}, *attr, handle.mount_id};
}

/// Our own mount below SOURCE would answer fstat() by asking us. The cached attributes tell its device without asking.
Status Tree::refuse_own_mount(int fd) const {
    struct statx attributes {};
    if (::statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, &attributes) != 0) return last_errno();
    if (makedev(attributes.stx_dev_major, attributes.stx_dev_minor) == refused_device_) return Errno{ELOOP};
    return {};
}

std::shared_ptr<const BackingMount> Tree::mount_of(int fd, const Found& found) {
    std::lock_guard lock(mounts_mutex_);
    std::weak_ptr<const BackingMount>& known = mounts_[found.mount_id];
    if (auto mount = known.lock()) return mount;
    auto mount = std::make_shared<BackingMount>();
    mount->id = found.mount_id;
    if (found.key.has_handle() && !by_name_ && (S_ISDIR(found.attr.st_mode) || S_ISREG(found.attr.st_mode))) {
        if (Result<UniqueFd> opened = links_.reopen(fd, O_RDONLY); opened) mount->descriptor = std::move(*opened);
        mount->handles = mount->descriptor && open_handle(mount->descriptor.get(), found.key.handle, O_PATH).ok();
    }
    known = mount;
    return mount;
}

InodePtr Tree::make_inode(NodeId id, const Found& found, std::shared_ptr<const BackingMount> mount) {
    const auto end = [this](Inode* inode) {
        inodes_.remove(*inode);
        pool_.remove(*inode);
        delete inode;
    };
    return InodePtr(new Inode(id, codec_.visible_generation(id), found.key, found.attr.st_mode, std::move(mount)), end);
}

Result<std::string> Tree::path_of_root() {
    const Result<HeldFd> root = descriptor(*root_);
    if (!root) return root.error();
    return path_of_descriptor((*root)->get());
}

bool Tree::leads_to(const std::string& path, int fd) {
    const Result<HeldFd> root = descriptor(*root_);
    if (!root || !path.starts_with('/')) return false;
    // Into no other mount: one may be our own, where the request would wait for itself.
    open_how how{};
    how.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV;
    const UniqueFd named(static_cast<int>(::syscall(SYS_openat2, (*root)->get(), path.c_str() + 1, &how, sizeof how)));
    struct stat there {};
    struct stat here {};
    return named && ::fstat(named.get(), &there) == 0 && ::fstat(fd, &here) == 0 && there.st_dev == here.st_dev &&
           there.st_ino == here.st_ino;
}

Result<InodePtr> Tree::inode(NodeId id) {
    if (InodePtr inode = inodes_.find(id)) return inode;
    return revive(id);
}

void Tree::forget(NodeId id, std::uint64_t lookups) {
    if (const InodePtr inode = inodes_.find(id)) inodes_.forget(*inode, lookups);
}

Result<InodePtr> Tree::revive(NodeId id) {
    const std::optional<FileHandle> handle = codec_.decode(id);
    if (!handle || !root_mount_->handles) return Errno{ESTALE};
    Result<UniqueFd> fd =
        with_descriptors([&] { return open_handle(root_mount_->descriptor.get(), *handle, O_PATH | O_NOFOLLOW); });
    if (!fd) return fd.error();
    Result<Found> found = identify(fd->get());
    if (!found) return found.error();
    InodePtr inode = enter(fd->get(), *found);
    inodes_.forget(*inode, 1);                    // known, but not to the kernel yet
    if (inode->id() != id) return Errno{ESTALE};  // ext4 takes generation 0 for any
    kept(*inode, std::move(*fd));
    return inode;
}

InodePtr Tree::enter(int fd, const Found& found) {
    std::shared_ptr<const BackingMount> mount = found.mount_id == root_mount_->id ? root_mount_ : mount_of(fd, found);
    return inodes_.enter(found.key, [&](NodeId id) { return make_inode(id, found, std::move(mount)); });
}

/// Keeps a descriptor for the next who needs it, as long as there are enough.
HeldFd Tree::kept(Inode& inode, UniqueFd descriptor) {
    if (share_.may_keep(descriptor.get())) return pool_.put(inode, std::move(descriptor));
    return std::make_shared<const UniqueFd>(std::move(descriptor));
}

Result<HeldFd> Tree::descriptor(Inode& inode) {
    if (HeldFd held = pool_.get(inode)) return held;
    Result<UniqueFd> fd = open_anew(inode, O_PATH | O_NOFOLLOW);
    if (!fd) return fd.error();
    return kept(inode, std::move(*fd));
}

Result<HeldFd> Tree::directory(Inode& inode, const char* name) {
    if (!is_component(name)) return Errno{EINVAL};
    Result<HeldFd> held = descriptor(inode);
    if (held.code() == ESTALE) return inode.gone(now_ns());
    return held;
}

/// The flags are for where handles work; by name it is opened with O_PATH.
Result<UniqueFd> Tree::open_anew(Inode& inode, int flags) {
    Result<UniqueFd> fd = with_descriptors([&] { return reopen(inode, flags); });
    if (fd.code() == ESTALE) hold_until_ = now_ns() + kSecond;
    return fd;
}

Result<UniqueFd> Tree::reopen(Inode& inode, int flags) {
    const BackingMount& mount = inode.mount();
    if (mount.handles) return open_handle(mount.descriptor.get(), inode.key().handle, flags);
    const Place place = inode.place();
    if (!place.parent) return Errno{ESTALE};
    Result<HeldFd> parent = descriptor(*place.parent);
    if (!parent) return parent.error();
    Result<UniqueFd> fd = open_name((*parent)->get(), place.name.c_str());
    if (!fd) return fd.code() == ENOENT || fd.code() == ENOTDIR ? Errno{ESTALE} : fd.error();
    Result<Found> found = identify(fd->get());
    if (!found) return found.error();
    if (found->key != inode.key()) return Errno{ESTALE};
    return fd;
}

/// Not by openat2(2) with RESOLVE_BENEATH: that is EXDEV when the file is moved to another directory meanwhile, and one
/// component leads nowhere else.
Result<UniqueFd> Tree::open_name(int directory, const char* name) {
    UniqueFd fd(::openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!fd) return last_errno();
    return fd;
}

Result<UniqueFd> Tree::open_file(Inode& inode, int flags) {
    if (!inode.is_regular() && !inode.is_directory()) return Errno{ENXIO};
    flags &= ~(O_CREAT | O_EXCL | O_NOFOLLOW);
    const bool directory = inode.is_directory();
    const int quiet = directory ? directory_flags_.load() : file_flags_.load();
    const bool truncates = (flags & O_TRUNC) != 0;
    return with_descriptors([&]() -> Result<UniqueFd> {
        if (truncates && !share_.has_room_for_file(links_.directory())) return Errno{EMFILE};
        Result<UniqueFd> fd = open_as_told(inode, flags | quiet);
        // Not root, and somebody else's file: that it can be read is worth more.
        if (fd.code() == EPERM && quiet != 0) fd = open_as_told(inode, flags);
        return truncates ? std::move(fd) : share_.granted(std::move(fd), directory);
    });
}

Result<UniqueFd> Tree::open_as_told(Inode& inode, int flags) {
    if (inode.mount().handles && !pool_.get(inode)) {
        Result<UniqueFd> fd = open_anew(inode, flags);
        return fd.code() == ESTALE ? inode.gone(now_ns()) : std::move(fd);
    }
    const Result<HeldFd> held = descriptor(inode);
    if (!held) return held.code() == ESTALE ? inode.gone(now_ns()) : held.error();
    return with_descriptors([&] { return links_.reopen((*held)->get(), flags); });
}

Result<Entry> Tree::lookup(Inode& parent, const char* name, bool hold) {
    if (std::strcmp(name, ".") == 0) return lookup_itself(parent);
    if (std::strcmp(name, "..") == 0) return lookup_parent(parent);
    Result<HeldFd> directory = this->directory(parent, name);
    if (!directory) return directory.error();
    if (!hold && !holds_descriptors(parent)) {
        if (std::optional<Result<Entry>> entry = look_up_unopened((*directory)->get(), parent, name)) return *entry;
    }
    Result<UniqueFd> fd = with_descriptors([&] { return open_name((*directory)->get(), name); });
    if (!fd) return fd.error();
    return enter_name(std::move(*fd), parent, name);
}

/// Whether what is found in this directory is held by a descriptor, since it could not be found again without, or has
/// lately not been.
bool Tree::holds_descriptors(const Inode& parent) const {
    return !parent.mount().handles || !codec_.handles_say_numbers() || now_ns() < hold_until_;
}

/// nullopt: it has to be opened, since it is on another mount, or was replaced between the two questions.
std::optional<Result<Entry>> Tree::look_up_unopened(int directory, Inode& parent, const char* name) {
    const Result<MountedHandle> handle = handle_of(directory, name);
    if (!handle) return handle.error();
    if (handle->mount_id != parent.mount().id) return std::nullopt;
    struct stat attr {};
    if (::fstatat(directory, name, &attr, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) != 0) return last_errno();
    const Found found{{attr.st_dev, attr.st_ino, handle->handle}, attr, handle->mount_id};
    if (!codec_.handle_says_number(found.key)) return std::nullopt;
    const InodePtr inode =
        inodes_.enter(found.key, [&](NodeId id) { return make_inode(id, found, parent.shared_mount()); });
    inode->seen_unheld(now_ns());
    return Entry{inode.get(), attr, inode->generation()};
}

Result<Entry> Tree::enter_name(UniqueFd fd, Inode& parent, const char* name) {
    Result<MountedHandle> handle = handle_of(fd.get());
    if (!handle) return handle.error();
    if (handle->mount_id != root_mount_->id) {
        if (Status status = refuse_own_mount(fd.get()); !status) return status.error();
    }
    Result<Found> found = identify(fd.get(), *handle);
    if (!found) return found.error();
    InodePtr inode = enter(fd.get(), *found);
    inode->seen_at(parent.shared_from_this(), name, now_ns());
    kept(*inode, std::move(fd));
    return Entry{inode.get(), found->attr, inode->generation()};
}

Result<Entry> Tree::lookup_itself(Inode& inode) {
    Result<struct stat> attr = attributes(inode);
    if (!attr) return attr.error();
    inodes_.count(inode);
    return Entry{&inode, *attr, inode.generation()};
}

Result<Entry> Tree::lookup_parent(Inode& directory) {
    if (&directory == root_.get()) return lookup_itself(directory);
    Result<HeldFd> held = descriptor(directory);
    if (!held) return held.error();
    UniqueFd fd(::openat((*held)->get(), "..", O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!fd) return last_errno();
    // The directory may have been moved out of SOURCE behind our back, or been its root under another mount.
    if (!below_root(fd.get())) return Errno{ESTALE};
    Result<Found> found = identify(fd.get());
    if (!found) return found.error();
    InodePtr inode = enter(fd.get(), *found);
    kept(*inode, std::move(fd));
    return Entry{inode.get(), found->attr, inode->generation()};
}

bool Tree::below_root(int directory) const {
    UniqueFd holder;
    dev_t device = 0;
    ino_t number = 0;
    for (;;) {
        const Result<struct stat> attr = attributes_of(directory);
        if (!attr) return false;
        if (attr->st_dev == root_->key().device && attr->st_ino == root_->key().number) return true;
        if (attr->st_dev == device && attr->st_ino == number) return false;  // "/", its own parent
        device = attr->st_dev;
        number = attr->st_ino;
        UniqueFd parent(::openat(directory, "..", O_PATH | O_DIRECTORY | O_CLOEXEC));
        if (!parent) return false;
        holder = std::move(parent);
        directory = holder.get();
    }
}

}  // namespace bandfs
