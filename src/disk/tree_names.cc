// disk/tree_names.cc - making, renaming and removing names.
//
// What loses its last name while the kernel knows it (an open file, somebody's working directory) can be reached
// through a descriptor alone: such an inode keeps its descriptor until it is forgotten.
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "disk/tree.h"

namespace bandfs {

template <typename Call>
Result<Entry> Tree::make(Inode& parent, const char* name, mode_t mode, const Identity& who, Call&& call) {
    Result<HeldFd> directory = this->directory(parent, name);
    if (!directory) return directory.error();
    {
        const ActingAs caller(who);
        if (call((*directory)->get()) != 0) return last_errno();
    }
    const Result<Entry> entry = lookup(parent, name);
    if (entry && (entry->attr.st_mode & S_IFMT) == (mode & S_IFMT)) return entry;
    if (entry) inodes_.forget(*entry->inode, 1);
    return made_and_lost(mode);
}

/// It was made, so that is the answer, also when somebody else has moved it away before it could be looked up. The
/// inode in its place leads nowhere.
Entry Tree::made_and_lost(mode_t mode) {
    struct stat attr {};
    attr.st_mode = mode;
    const Found found{{0, ++lost_, {}}, attr, -1};  // on no device
    const InodePtr inode = inodes_.enter(
        found.key, [&](NodeId id) { return make_inode(id, found, std::make_shared<const BackingMount>()); });
    return {inode.get(), attr, inode->generation(), true};
}

Result<Entry> Tree::make_node(Inode& parent, const char* name, mode_t mode, dev_t device, const Identity& who) {
    const mode_t type = (mode & S_IFMT) != 0 ? 0 : S_IFREG;
    return make(parent, name, mode | type, who,
                [&](int directory) { return ::mknodat(directory, name, mode, device); });
}

Result<Entry> Tree::make_directory(Inode& parent, const char* name, mode_t mode, const Identity& who) {
    return make(parent, name, S_IFDIR | mode, who, [&](int directory) { return ::mkdirat(directory, name, mode); });
}

Result<Entry> Tree::make_symlink(Inode& parent, const char* name, const char* target, const Identity& who) {
    return make(parent, name, S_IFLNK | 0777, who, [&](int directory) { return ::symlinkat(target, directory, name); });
}

Result<CreatedFile> Tree::create(Inode& parent, const char* name, int flags, mode_t mode, const Identity& who) {
    Result<HeldFd> directory = this->directory(parent, name);
    if (!directory) return directory.error();
    Result<UniqueFd> fd = with_descriptors([&]() -> Result<UniqueFd> {
        if (!share_.has_room_for_file((*directory)->get())) return Errno{EMFILE};
        const ActingAs caller(who);
        constexpr int kNew = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
        UniqueFd made(::openat((*directory)->get(), name, kNew | file_flags_, mode));
        if (!made) return last_errno();
        return made;
    });
    if (!fd) return fd.code() == EEXIST && !(flags & O_EXCL) ? Errno{ESTALE} : fd.error();
    Result<Found> found = identify(fd->get());
    if (!found) return found.error();
    InodePtr inode = enter(fd->get(), *found);
    inode->seen_at(parent.shared_from_this(), name, now_ns());
    if (holds_descriptors(parent)) {
        if (Result<UniqueFd> way = links_.reopen(fd->get(), O_PATH); way) kept(*inode, *std::move(way));
    }
    return CreatedFile{{inode.get(), found->attr, inode->generation()}, std::move(*fd)};
}

Result<CreatedFile> Tree::create_nameless(Inode& directory, int flags, mode_t mode, const Identity& who) {
    Result<HeldFd> held = this->directory(directory, ".");
    if (!held) return held.error();
    Result<UniqueFd> fd = with_descriptors([&]() -> Result<UniqueFd> {
        if (!share_.has_room_for_file((*held)->get())) return Errno{EMFILE};
        const ActingAs caller(who);
        UniqueFd made(
            ::openat((*held)->get(), ".", O_TMPFILE | O_RDWR | (flags & O_EXCL) | O_CLOEXEC | file_flags_, mode));
        if (!made) return last_errno();
        return made;
    });
    if (!fd) return fd.error();
    Result<Found> found = identify(fd->get());
    if (!found) return found.error();
    Result<UniqueFd> way = links_.reopen(fd->get(), O_PATH);
    if (!way) return way.error();
    InodePtr inode = enter(fd->get(), *found);
    pool_.pin(*inode, std::move(*way));  // nothing else leads to it
    return CreatedFile{{inode.get(), found->attr, inode->generation()}, std::move(*fd)};
}

Result<Entry> Tree::link(Inode& inode, Inode& parent, const char* name) {
    Result<HeldFd> file = descriptor(inode);
    if (!file) return file.error();
    Result<HeldFd> directory = this->directory(parent, name);
    if (!directory) return directory.error();
    // The magic link is followed to the file itself, also when that is a symbolic link.
    const std::string source = MagicLinks::name((*file)->get());
    if (::linkat(links_.directory(), source.c_str(), (*directory)->get(), name, AT_SYMLINK_FOLLOW) != 0)
        return last_errno();
    inode.seen_at(parent.shared_from_this(), name, now_ns());
    pool_.unpin(inode);
    return lookup_itself(inode);
}

Result<LostName> Tree::remove(Inode& parent, const char* name, int flags) {
    Result<HeldFd> directory = this->directory(parent, name);
    if (!directory) return directory.error();
    Result<UniqueFd> victim = with_descriptors([&] { return open_name((*directory)->get(), name); });
    if (::unlinkat((*directory)->get(), name, flags) != 0) return last_errno();
    if (!victim) return LostName{};
    return after_loss(std::move(*victim), parent, name);
}

Result<std::optional<LostName>> Tree::rename(Inode& parent, const char* name, Inode& new_parent, const char* new_name,
                                             unsigned flags, const Identity& who) {
    Result<HeldFd> from = directory(parent, name);
    if (!from) return from.error();
    Result<HeldFd> to = directory(new_parent, new_name);
    if (!to) return to.error();
    Result<UniqueFd> victim = Errno{ENOENT};
    if ((flags & (RENAME_NOREPLACE | RENAME_EXCHANGE)) == 0)
        victim = with_descriptors([&] { return open_name((*to)->get(), new_name); });
    {
        const ActingAs caller(who);
        if (::renameat2((*from)->get(), name, (*to)->get(), new_name, flags) != 0) return last_errno();
    }
    after_move(new_parent, new_name);
    if (flags & RENAME_EXCHANGE) after_move(parent, name);
    if (!victim) return std::optional<LostName>();
    return std::optional(after_loss(std::move(*victim), new_parent, new_name));
}

LostName Tree::after_loss(UniqueFd file, Inode& parent, const char* name) {
    const Result<Found> found = identify(file.get());
    if (!found) return {};
    // Some file systems (btrfs) leave a removed directory its link.
    const bool last = found->attr.st_nlink == 0 || S_ISDIR(found->attr.st_mode);
    if (const InodePtr inode = inodes_.find(found->key)) {
        const Place place = inode->place();
        const bool known_place_gone = place.parent.get() == &parent && place.name == name;
        if ((last || known_place_gone) && share_.may_keep(file.get())) pool_.pin(*inode, std::move(file));
    }
    return {found->key.device, found->key.number, last};
}

/// Where inodes are found by their names, the new one is remembered.
void Tree::after_move(Inode& parent, const char* name) {
    if (parent.mount().handles) return;
    const Result<HeldFd> directory = descriptor(parent);
    if (!directory) return;
    const Result<UniqueFd> fd = open_name((*directory)->get(), name);
    if (!fd) return;
    const Result<Found> found = identify(fd->get());
    if (!found) return;
    if (const InodePtr inode = inodes_.find(found->key)) inode->seen_at(parent.shared_from_this(), name, now_ns());
}

}  // namespace bandfs
