#include "fuse/dispatch.h"

#include <algorithm>
#include <cerrno>
#include <new>

#include "fuse/control_ops.h"
#include "fuse/filesystem.h"
#include "fuse/meta_operations.h"
#include "fuse/operations.h"
#include "fuse/request.h"
#include "fuse/session_init.h"

namespace bandfs {
namespace {

using Table = fuse_lowlevel_ops;

void add_data_operations(Table& table) {
    table.open = op_open;
    table.create = op_create;
    table.release = op_release;
    table.read = op_read;
    table.write_buf = op_write_buf;
    table.fsync = op_fsync;
    table.fallocate = op_fallocate;
    table.lseek = op_lseek;
    table.getlk = op_getlk;
    table.setlk = op_setlk;
    table.flock = op_flock;
}

const Table& ordinary() {
    static const Table table = [] {
        Table t{};
        add_meta_operations(t);
        add_data_operations(t);
        return t;
    }();
    return table;
}

// Whether a request means the control directory, by the kinds of arguments that say what it is about.
constexpr auto kNode = [](const Filesystem&, fuse_ino_t node, auto&&...) { return is_control(node); };
constexpr auto kEntry = [](const Filesystem& fs, fuse_ino_t parent, const char* name, auto&&...) {
    return is_control(parent) || is_control_name(fs, parent, name);
};
constexpr auto kSymlink = [](const Filesystem& fs, const char*, fuse_ino_t parent, const char* name) {
    return kEntry(fs, parent, name);
};
constexpr auto kRename = [](const Filesystem& fs, fuse_ino_t parent, const char* name, fuse_ino_t new_parent,
                            const char* new_name,
                            unsigned) { return kEntry(fs, parent, name) || kEntry(fs, new_parent, new_name); };
constexpr auto kLink = [](const Filesystem& fs, fuse_ino_t node, fuse_ino_t new_parent, const char* new_name) {
    return is_control(node) || kEntry(fs, new_parent, new_name);
};
/// The handler that the session calls in place of Member, a member of fuse_lowlevel_ops.
template <auto Member, auto MeansControl, typename Pointer = decltype(Member)>
struct Route;

template <auto Member, auto MeansControl, typename... Arguments>
struct Route<Member, MeansControl, void (*Table::*)(fuse_req_t, Arguments...)> {
    static void handle(fuse_req_t request, Arguments... arguments) noexcept {
        const bool control = MeansControl(filesystem_of(request), arguments...);
        const auto handler = (control ? control_ops() : ordinary()).*Member;
        // ENOSYS would switch the operation off for the whole mount.
        if (handler == nullptr) {
            fuse_reply_err(request, EOPNOTSUPP);
            return;
        }
        try {
            handler(request, arguments...);
        } catch (const std::bad_alloc&) {
            fuse_reply_err(request, ENOMEM);
        } catch (...) {
            fuse_reply_err(request, EIO);
        }
    }
};

template <auto Member, auto MeansControl>
void route(Table& table) {
    if (ordinary().*Member != nullptr) table.*Member = Route<Member, MeansControl>::handle;
}

void forget(fuse_req_t request, fuse_ino_t node, std::uint64_t lookups) noexcept {
    (is_control(node) ? control_ops() : ordinary()).forget(request, node, lookups);
}

void forget_multi(fuse_req_t request, size_t count, fuse_forget_data* forgets) noexcept {
    fuse_forget_data* const end = forgets + count;
    fuse_forget_data* const controls =
        std::partition(forgets, end, [](const fuse_forget_data& forget) { return !is_control(forget.ino); });
    for (const fuse_forget_data* control = controls; control != end; ++control)
        control_forget(filesystem_of(request), control->ino, control->nlookup);
    ordinary().forget_multi(request, static_cast<size_t>(controls - forgets), forgets);
}

/// An error would be close(2)'s.
void flush(fuse_req_t request, fuse_ino_t node, fuse_file_info* info) noexcept {
    if (is_control(node))
        fuse_reply_err(request, 0);
    else
        op_flush(request, node, info);
}

Table make_dispatch_table() {
    Table table{};
    table.init = choose_capabilities;
    table.forget = forget;
    table.forget_multi = forget_multi;
    table.flush = flush;

    route<&Table::lookup, kEntry>(table);
    route<&Table::mknod, kEntry>(table);
    route<&Table::mkdir, kEntry>(table);
    route<&Table::unlink, kEntry>(table);
    route<&Table::rmdir, kEntry>(table);
    route<&Table::create, kEntry>(table);
    route<&Table::symlink, kSymlink>(table);
    route<&Table::rename, kRename>(table);
    route<&Table::link, kLink>(table);

    route<&Table::getattr, kNode>(table);
    route<&Table::setattr, kNode>(table);
    route<&Table::readlink, kNode>(table);
    route<&Table::access, kNode>(table);
    route<&Table::statfs, kNode>(table);
    route<&Table::setxattr, kNode>(table);
    route<&Table::getxattr, kNode>(table);
    route<&Table::listxattr, kNode>(table);
    route<&Table::removexattr, kNode>(table);
    route<&Table::ioctl, kNode>(table);
    route<&Table::opendir, kNode>(table);
    route<&Table::readdir, kNode>(table);
    route<&Table::readdirplus, kNode>(table);
    route<&Table::releasedir, kNode>(table);
    route<&Table::fsyncdir, kNode>(table);
    route<&Table::open, kNode>(table);
    route<&Table::read, kNode>(table);
    route<&Table::write_buf, kNode>(table);
    route<&Table::release, kNode>(table);
    route<&Table::fsync, kNode>(table);
    route<&Table::fallocate, kNode>(table);
    route<&Table::lseek, kNode>(table);
    route<&Table::getlk, kNode>(table);
    route<&Table::setlk, kNode>(table);
    route<&Table::flock, kNode>(table);
    return table;
}

}  // namespace

const fuse_lowlevel_ops& dispatch_table() {
    static const Table table = make_dispatch_table();
    return table;
}

}  // namespace bandfs
