// fuse/control_ops.cc - decode, ask the ControlPort, reply. Nothing is cached: every time-out is 0 and files are opened
// for direct I/O, so that what is read is what is. An open file is a copy of its text as of the open.
#define FUSE_USE_VERSION 314

#include "fuse/control_ops.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fuse_lowlevel.h>

#include "fuse/handles.h"

namespace bandfs {
namespace {

constexpr std::size_t kLongestValue = ControlPort::kLongestValue;

/// An open file: its text as of the open.
class ControlFile : public Handle {
public:
    explicit ControlFile(std::string text) : text_(std::move(text)) {}
    std::string_view from(off_t offset, std::size_t size) const {
        const auto begin = std::min(static_cast<std::size_t>(offset), text_.size());
        return std::string_view(text_).substr(begin, size);
    }

private:
    const std::string text_;
};

/// An open directory: its names as of the open, "." and ".." first.
class ControlDirectory : public Handle {
public:
    struct Item {
        std::string name;
        struct stat attr {};  ///< st_ino and the file type
    };
    explicit ControlDirectory(std::vector<Item> items) : items_(std::move(items)) {}
    const std::vector<Item>& items() const { return items_; }

private:
    const std::vector<Item> items_;
};

Filesystem& filesystem_of(fuse_req_t req) {
    return *static_cast<Filesystem*>(fuse_req_userdata(req));
}
ControlPort& port_of(fuse_req_t req) {
    return *filesystem_of(req).control;
}

ControlCaller caller_of(fuse_req_t req) {
    const fuse_ctx* const context = fuse_req_ctx(req);
    return {context->uid, context->gid, context->pid};
}

Result<std::string> path_of(fuse_req_t req, fuse_ino_t ino) {
    std::optional<std::string> path = filesystem_of(req).control_nodes.path(ino);
    if (!path) return Errno{ESTALE};
    return std::move(*path);
}

std::string child_path(const std::string& directory, std::string_view name) {
    return directory.empty() ? std::string(name) : directory + "/" + std::string(name);
}

/// The path of `name` in `parent`; "" of the control directory's own name in the root.
Result<std::string> path_of(fuse_req_t req, fuse_ino_t parent, const char* name) {
    if (!is_control(parent)) return std::string();
    Result<std::string> directory = path_of(req, parent);
    if (!directory) return directory;
    return child_path(*directory, name);
}

struct stat attributes_of(const ControlNode& node) {
    struct stat attr {};
    attr.st_ino = control_inode_number(node.path);
    attr.st_mode = (node.is_directory ? S_IFDIR : S_IFREG) | node.mode;
    attr.st_nlink = 1;  // of a directory: not counted, as on btrfs, so that find(1) looks everywhere
    attr.st_uid = node.owner;
    attr.st_gid = node.group;
    attr.st_blksize = kLongestValue;
    return attr;
}

void reply_status(fuse_req_t req, const Status& status) {
    fuse_reply_err(req, status.code());
}

/// Answers with the node at this path, one lookup counted.
void reply_entry(fuse_req_t req, const std::string& path) {
    const Result<ControlNode> node = port_of(req).look(path);
    if (!node) {
        fuse_reply_err(req, node.code());
        return;
    }
    ControlNodes& nodes = filesystem_of(req).control_nodes;
    fuse_entry_param entry{};
    entry.ino = nodes.enter(node->path);
    entry.attr = attributes_of(*node);
    if (fuse_reply_entry(req, &entry) != 0) nodes.forget(entry.ino, 1);
}

// ---- names and attributes

void lookup(fuse_req_t req, fuse_ino_t parent, const char* name) {
    const Result<std::string> path = path_of(req, parent, name);
    if (!path) {
        fuse_reply_err(req, path.code());
        return;
    }
    reply_entry(req, *path);
}

void forget(fuse_req_t req, fuse_ino_t ino, std::uint64_t lookups) {
    filesystem_of(req).control_nodes.forget(ino, lookups);
    fuse_reply_none(req);
}

Result<ControlNode> node_of(fuse_req_t req, fuse_ino_t ino) {
    const Result<std::string> path = path_of(req, ino);
    if (!path) return path.error();
    return port_of(req).look(*path);
}

void getattr(fuse_req_t req, fuse_ino_t ino, fuse_file_info*) {
    const Result<ControlNode> node = node_of(req, ino);
    if (!node) {
        fuse_reply_err(req, node.code());
        return;
    }
    const struct stat attr = attributes_of(*node);
    fuse_reply_attr(req, &attr, 0);
}

/// Truncation is what a shell does before it writes a value; nothing else can be set.
void setattr(fuse_req_t req, fuse_ino_t ino, struct stat*, int to_set, fuse_file_info* fi) {
    constexpr int kTruncation =
        FUSE_SET_ATTR_SIZE | FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_MTIME_NOW | FUSE_SET_ATTR_CTIME;
    const bool truncation = (to_set & FUSE_SET_ATTR_SIZE) != 0 && (to_set & ~kTruncation) == 0;
    if (!truncation) {
        fuse_reply_err(req, EPERM);
        return;
    }
    getattr(req, ino, fi);
}

/// For mounts without default_permissions: what the mode says to somebody who is neither root nor the owner.
void access(fuse_req_t req, fuse_ino_t ino, int mask) {
    const Result<ControlNode> node = node_of(req, ino);
    if (!node) {
        fuse_reply_err(req, node.code());
        return;
    }
    const ControlCaller who = caller_of(req);
    const bool may_write = who.uid == 0 || who.uid == node->owner;
    const mode_t bits = may_write ? node->mode >> 6 : node->mode;
    const bool granted = (static_cast<mode_t>(mask) & 7 & ~bits) == 0;
    fuse_reply_err(req, granted ? 0 : EACCES);
}

void statfs(fuse_req_t req, fuse_ino_t) {
    struct statvfs figures {};
    figures.f_bsize = figures.f_frsize = kLongestValue;
    figures.f_namemax = NAME_MAX;
    fuse_reply_statfs(req, &figures);
}

// ---- directories

Result<std::vector<ControlDirectory::Item>> items_of(ControlPort& port, const std::string& directory) {
    const Result<std::vector<ControlName>> names = port.list(directory);
    if (!names) return names.error();
    const auto item = [](std::string name, std::string_view path, bool is_directory) {
        ControlDirectory::Item made{std::move(name)};
        made.attr.st_ino = control_inode_number(path);
        made.attr.st_mode = is_directory ? S_IFDIR : S_IFREG;
        return made;
    };
    std::vector<ControlDirectory::Item> items;
    items.reserve(names->size() + 2);
    items.push_back(item(".", directory, true));
    const std::size_t slash = directory.rfind('/');
    items.push_back(item("..", slash == std::string::npos ? "" : directory.substr(0, slash), true));
    for (const ControlName& each : *names) {
        items.push_back(item(each.name, child_path(directory, each.name), each.is_directory));
    }
    return items;
}

void opendir(fuse_req_t req, fuse_ino_t ino, fuse_file_info* fi) {
    const Result<std::string> path = path_of(req, ino);
    if (!path) {
        fuse_reply_err(req, path.code());
        return;
    }
    Result<std::vector<ControlDirectory::Item>> items = items_of(port_of(req), *path);
    if (!items) {
        fuse_reply_err(req, items.code());
        return;
    }
    Handles& handles = filesystem_of(req).handles;
    fi->fh = handles.add(std::make_unique<ControlDirectory>(std::move(*items)));
    if (fuse_reply_open(req, fi) != 0) handles.remove(fi->fh);
}

/// Both forms of readdir. The plus form gives no node: the kernel then looks up what it wants to know.
template <typename Add>
void reply_items(fuse_req_t req, std::size_t size, off_t offset, const fuse_file_info* fi, Add&& add) {
    const std::vector<ControlDirectory::Item>& items = Handles::get<ControlDirectory>(fi->fh).items();
    std::vector<char> buffer(size);
    std::size_t used = 0;
    for (auto i = static_cast<std::size_t>(offset); i < items.size(); ++i) {
        const std::size_t needed = add(buffer.data() + used, size - used, items[i], static_cast<off_t>(i + 1));
        if (needed > size - used) break;
        used += needed;
    }
    fuse_reply_buf(req, buffer.data(), used);
}

void readdir(fuse_req_t req, fuse_ino_t, std::size_t size, off_t offset, fuse_file_info* fi) {
    reply_items(req, size, offset, fi,
                [req](char* to, std::size_t room, const ControlDirectory::Item& item, off_t next) {
                    return fuse_add_direntry(req, to, room, item.name.c_str(), &item.attr, next);
                });
}

void readdirplus(fuse_req_t req, fuse_ino_t, std::size_t size, off_t offset, fuse_file_info* fi) {
    reply_items(req, size, offset, fi,
                [req](char* to, std::size_t room, const ControlDirectory::Item& item, off_t next) {
                    fuse_entry_param entry{};
                    entry.attr = item.attr;
                    return fuse_add_direntry_plus(req, to, room, item.name.c_str(), &entry, next);
                });
}

void release(fuse_req_t req, fuse_ino_t, fuse_file_info* fi) {
    filesystem_of(req).handles.remove(fi->fh);
    fuse_reply_err(req, 0);
}

void mkdir(fuse_req_t req, fuse_ino_t parent, const char* name, mode_t) {
    const Result<std::string> path = path_of(req, parent, name);
    const Status made = path ? port_of(req).make_directory(*path, caller_of(req)) : Status(path.error());
    if (!made) {
        reply_status(req, made);
        return;
    }
    reply_entry(req, *path);
}

void rmdir(fuse_req_t req, fuse_ino_t parent, const char* name) {
    ControlPort& port = port_of(req);
    const Result<std::string> path = path_of(req, parent, name);
    const Result<ControlNode> node = path ? port.look(*path) : Result<ControlNode>(path.error());
    if (!node) {
        fuse_reply_err(req, node.code());
        return;
    }
    const Status removed = port.remove_directory(node->path, caller_of(req));
    if (removed) filesystem_of(req).control_nodes.retire(node->path);
    reply_status(req, removed);
}

// ---- files

/// The text that an open for these flags shows: of a file that is opened for writing alone it is not needed.
Result<std::string> text_to_open(ControlPort& port, const ControlNode& node, int flags) {
    const int mode = flags & O_ACCMODE;
    const bool settable = (node.mode & 0200) != 0;
    if (mode != O_RDONLY && !settable) return Errno{EROFS};
    if (mode == O_WRONLY) return std::string();
    return port.read(node.path);
}

void open(fuse_req_t req, fuse_ino_t ino, fuse_file_info* fi) {
    const Result<ControlNode> node = node_of(req, ino);
    Result<std::string> text = node ? text_to_open(port_of(req), *node, fi->flags) : Result<std::string>(node.error());
    if (!text) {
        fuse_reply_err(req, text.code());
        return;
    }
    Handles& handles = filesystem_of(req).handles;
    fi->direct_io = 1;
    fi->fh = handles.add(std::make_unique<ControlFile>(std::move(*text)));
    if (fuse_reply_open(req, fi) != 0) handles.remove(fi->fh);
}

void read(fuse_req_t req, fuse_ino_t, std::size_t size, off_t offset, fuse_file_info* fi) {
    // A copy: once the kernel has the answer another thread may release the handle, and a sanitizer looks at the memory
    // after the system call.
    const std::string text(Handles::get<ControlFile>(fi->fh).from(offset, size));
    fuse_reply_buf(req, text.data(), text.size());
}

void write(fuse_req_t req, fuse_ino_t ino, const char* text, std::size_t size, off_t offset, fuse_file_info* fi) {
    const Result<std::string> path = path_of(req, ino);
    const bool goes_on = offset > 0 || (fi->flags & O_APPEND) != 0;
    Status written = path ? Status() : Status(path.error());
    if (written && size > kLongestValue) written = Errno{EINVAL};
    if (written) written = port_of(req).write(*path, {text, size}, goes_on, caller_of(req));
    if (written) {
        fuse_reply_write(req, size);
    } else {
        reply_status(req, written);
    }
}

void write_buf(fuse_req_t req, fuse_ino_t ino, fuse_bufvec* from, off_t offset, fuse_file_info* fi) {
    const std::size_t size = fuse_buf_size(from);
    std::vector<char> text(std::min(size, kLongestValue + 1));
    fuse_bufvec to = FUSE_BUFVEC_INIT(text.size());
    to.buf[0].mem = text.data();
    const ssize_t copied = fuse_buf_copy(&to, from, fuse_buf_copy_flags{});
    if (copied < 0) {
        fuse_reply_err(req, static_cast<int>(-copied));
        return;
    }
    write(req, ino, text.data(), size > kLongestValue ? size : static_cast<std::size_t>(copied), offset, fi);
}

/// Flushing and syncing: a value is in force when its write returns.
template <typename... Arguments>
void agree(fuse_req_t req, fuse_ino_t, Arguments...) {
    fuse_reply_err(req, 0);
}

// ---- xattrs

/// A value, or its length when no room is given.
void reply_xattr(fuse_req_t req, const Result<std::string>& value, std::size_t room) {
    if (!value) {
        fuse_reply_err(req, value.code());
    } else if (room == 0) {
        fuse_reply_xattr(req, value->size());
    } else if (value->size() > room) {
        fuse_reply_err(req, ERANGE);
    } else {
        fuse_reply_buf(req, value->data(), value->size());
    }
}

void getxattr(fuse_req_t req, fuse_ino_t ino, const char* name, std::size_t room) {
    const Result<std::string> path = path_of(req, ino);
    reply_xattr(req, path ? port_of(req).get_xattr(*path, name) : path, room);
}

void listxattr(fuse_req_t req, fuse_ino_t ino, std::size_t room) {
    const Result<std::string> path = path_of(req, ino);
    const auto names = path ? port_of(req).list_xattrs(*path) : Result<std::vector<std::string>>(path.error());
    if (!names) {
        fuse_reply_err(req, names.code());
        return;
    }
    std::string list;
    for (const std::string& name : *names) list.append(name).push_back('\0');
    reply_xattr(req, list, room);
}

/// XATTR_CREATE and XATTR_REPLACE ask whether there is a value already.
Status permitted_by_flags(ControlPort& port, const std::string& path, const char* name, int flags) {
    if (flags == 0) return {};
    const bool has_value = port.get_xattr(path, name).ok();
    if ((flags & XATTR_CREATE) != 0 && has_value) return Errno{EEXIST};
    if ((flags & XATTR_REPLACE) != 0 && !has_value) return Errno{ENODATA};
    return {};
}

void setxattr(fuse_req_t req, fuse_ino_t ino, const char* name, const char* value, std::size_t size, int flags) {
    const Result<std::string> path = path_of(req, ino);
    if (!path) {
        fuse_reply_err(req, path.code());
        return;
    }
    ControlPort& port = port_of(req);
    Status set = permitted_by_flags(port, *path, name, flags);
    if (set && size > kLongestValue) set = Errno{EINVAL};
    if (set) set = port.set_xattr(*path, name, {value, size}, caller_of(req));
    reply_status(req, set);
}

/// What is there cannot be removed.
void removexattr(fuse_req_t req, fuse_ino_t ino, const char* name) {
    const Result<std::string> path = path_of(req, ino);
    const Result<std::string> value = path ? port_of(req).get_xattr(*path, name) : path;
    fuse_reply_err(req, value ? EPERM : value.code());
}

/// What a control directory does not do, whatever its arguments are.
template <int kCode, typename... Arguments>
void refuse(fuse_req_t req, Arguments...) {
    fuse_reply_err(req, kCode);
}

fuse_lowlevel_ops table() {
    fuse_lowlevel_ops ops{};
    ops.lookup = lookup;
    ops.forget = forget;
    ops.getattr = getattr;
    ops.setattr = setattr;
    ops.readlink = refuse<EINVAL>;
    ops.mknod = refuse<EPERM>;
    ops.mkdir = mkdir;
    ops.unlink = refuse<EPERM>;
    ops.rmdir = rmdir;
    ops.symlink = refuse<EPERM>;
    ops.rename = refuse<EPERM>;
    ops.link = refuse<EPERM>;
    ops.open = open;
    ops.read = read;
    ops.write = write;
    ops.flush = agree;
    ops.release = release;
    ops.fsync = agree;
    ops.opendir = opendir;
    ops.readdir = readdir;
    ops.releasedir = release;
    ops.fsyncdir = agree;
    ops.statfs = statfs;
    ops.setxattr = setxattr;
    ops.getxattr = getxattr;
    ops.listxattr = listxattr;
    ops.removexattr = removexattr;
    ops.access = access;
    ops.create = refuse<EPERM>;
    ops.getlk = refuse<EOPNOTSUPP>;
    ops.setlk = refuse<EOPNOTSUPP>;
    ops.ioctl = refuse<ENOTTY>;
    ops.write_buf = write_buf;
    ops.flock = refuse<EOPNOTSUPP>;
    ops.fallocate = refuse<EOPNOTSUPP>;
    ops.readdirplus = readdirplus;
    ops.copy_file_range = refuse<EOPNOTSUPP>;
    ops.lseek = refuse<EINVAL>;
    return ops;
}

}  // namespace

bool is_control_name(const Filesystem& filesystem, std::uint64_t parent, const char* name) {
    return parent == FUSE_ROOT_ID && filesystem.control != nullptr && filesystem.options.control_name == name;
}

const fuse_lowlevel_ops& control_ops() {
    static const fuse_lowlevel_ops ops = table();
    return ops;
}

void control_forget(Filesystem& filesystem, std::uint64_t node, std::uint64_t lookups) {
    filesystem.control_nodes.forget(node, lookups);
}

}  // namespace bandfs
