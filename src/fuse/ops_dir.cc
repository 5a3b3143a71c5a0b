// fuse/ops_dir.cc - OPENDIR, READDIR, READDIRPLUS, RELEASEDIR and FSYNCDIR.
//
// Offsets are those of the directory below, handed through: they stay good while names come and go.
#include <dirent.h>
#include <sys/stat.h>

#include <cstddef>
#include <memory>
#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

#include "disk/open_directory.h"
#include "fuse/access_time.h"
#include "fuse/data_job.h"
#include "fuse/data_job_caller.h"
#include "fuse/handles.h"
#include "fuse/meta_operations.h"
#include "fuse/request.h"

namespace bandfs {
namespace {

/// A directory that a caller has open.
class DirectoryHandle final : public Handle {
public:
    DirectoryHandle(InodePtr of, OpenDirectory opened) : inode(std::move(of)), directory(std::move(opened)) {}

    const InodePtr inode;
    std::mutex mutex;  ///< readers of one handle take turns
    OpenDirectory directory;
};

/// fsync(2) of a directory: on a worker, since it waits for the journal. The kernel closes the directory after the
/// answer.
class FuseSyncDirectory final : private DeferredReply, public Job {
public:
    FuseSyncDirectory(fuse_req_t request, const OpenDirectory& directory, bool data_only)
        : DeferredReply(request), Job(fuse_req_ctx(request)->pid), directory_(directory), data_only_(data_only) {
        defer_until_killed(*this);
    }

private:
    bool perform(std::uint64_t, std::uint64_t) override {
        status_ = directory_.sync(data_only_);
        return true;
    }
    void finish(JobOutcome outcome) override {
        const Replying replying = begin_reply();
        fuse_reply_err(request(), outcome == JobOutcome::performed ? status_.code() : EINTR);
    }

    const OpenDirectory& directory_;
    const bool data_only_;
    Status status_;
};

/// An answer to READDIR or READDIRPLUS while it is being filled.
class Listing {
public:
    Listing(fuse_req_t request, const Inode& directory, std::size_t bytes)
        : request_(request),
          device_(directory.key().device),
          hold_(lineage_needs_file(filesystem_of(request))),
          buffer_(bytes) {}

    /// False: there is no room left, and nothing was added.
    bool add(const DirectoryItem& item) {
        struct stat attr {};
        attr.st_ino = shown_number(filesystem_of(request_), device_, item.number);
        attr.st_mode = DTTOIF(item.type);
        return grow(fuse_add_direntry(request_, here(), left(), item.name, &attr, item.next));
    }

    /// The same with the inode's attributes: a lookup, unless it is one of "." and "..", or it fails.
    bool add_plus(Tree& tree, Inode& parent, const DirectoryItem& item) {
        if (fuse_add_direntry_plus(request_, nullptr, 0, item.name, nullptr, 0) > left()) return false;
        fuse_entry_param param{};
        param.attr.st_ino = shown_number(filesystem_of(request_), device_, item.number);
        param.attr.st_mode = DTTOIF(item.type);
        if (!is_dot(item.name)) {
            if (const Result<Entry> entry = tree.lookup(parent, item.name, hold_); entry) {
                looked_up_.push_back(entry->inode);
                PageWatch& pages = filesystem_of(request_).pages;
                if (const auto changed = pages.changed_by_others(*entry->inode)) pages.drop(changed);
                param = entry_param_of(filesystem_of(request_), *entry);
            }
        }
        return grow(fuse_add_direntry_plus(request_, here(), left(), item.name, &param, item.next));
    }

    bool empty() const { return filled_ == 0; }

    /// Sends it. The kernel has none of the lookups when the answer could not be delivered.
    void reply(Tree& tree) {
        if (fuse_reply_buf(request_, buffer_.data(), filled_) == 0) return;
        for (Inode* inode : looked_up_) tree.forget(*inode, 1);
    }

private:
    static bool is_dot(std::string_view name) { return name == "." || name == ".."; }
    char* here() { return buffer_.data() + filled_; }
    std::size_t left() const { return buffer_.size() - filled_; }
    bool grow(std::size_t bytes) {
        if (bytes > left()) return false;
        filled_ += bytes;
        return true;
    }

    const fuse_req_t request_;
    const dev_t device_;  ///< of the directory
    const bool hold_;     ///< as in Tree::lookup()
    std::vector<char> buffer_;
    std::size_t filled_ = 0;
    std::vector<Inode*> looked_up_;  ///< each with a lookup counted
};

void op_opendir(fuse_req_t request, fuse_ino_t node, fuse_file_info* info) {
    Filesystem& filesystem = filesystem_of(request);
    using Made = std::unique_ptr<DirectoryHandle>;
    Result<Made> handle = on_inode(request, node, [info](Tree& tree, Inode& inode) -> Result<Made> {
        Result<OpenDirectory> directory = OpenDirectory::open(tree, inode, info->flags);
        if (!directory) return directory.error();
        return std::make_unique<DirectoryHandle>(inode.shared_from_this(), std::move(*directory));
    });
    if (!handle) {
        fuse_reply_err(request, handle.code());
        return;
    }
    info->fh = filesystem.handles.add(std::move(*handle));
    if (fuse_reply_open(request, info) != 0) filesystem.handles.remove(info->fh);
}

/// A file below with the control directory's name is hidden by it.
bool hidden(const Filesystem& filesystem, const Inode& directory, std::string_view name) {
    return filesystem.control != nullptr && directory.id() == kRootNode && name == filesystem.options.control_name;
}

/// Answers with what add(listing, item) takes of the directory from `offset` on.
template <typename Add>
void list(fuse_req_t request, std::size_t bytes, off_t offset, const fuse_file_info& info, Add&& add) {
    Filesystem& filesystem = filesystem_of(request);
    auto& handle = Handles::get<DirectoryHandle>(info.fh);
    Listing listing(request, *handle.inode, bytes);
    std::unique_lock lock(handle.mutex);
    handle.directory.set_quiet(spares_access_time(*filesystem.tree, handle.directory.descriptor()));
    Status status = handle.directory.seek(offset);
    while (status) {
        const Result<const DirectoryItem*> item = handle.directory.item();
        if (!item) status = item.error();
        if (!item || *item == nullptr) break;
        if (!hidden(filesystem, *handle.inode, (*item)->name) && !add(listing, *handle.inode, **item)) break;
        handle.directory.advance();
    }
    lock.unlock();
    // What was read before a failure is answered first; the next call meets the failure again.
    if (status || !listing.empty()) {
        listing.reply(*filesystem.tree);
    } else {
        reply_status(request, status);
    }
}

void op_readdir(fuse_req_t request, fuse_ino_t, std::size_t bytes, off_t offset, fuse_file_info* info) {
    list(request, bytes, offset, *info,
         [](Listing& listing, Inode&, const DirectoryItem& item) { return listing.add(item); });
}

void op_readdirplus(fuse_req_t request, fuse_ino_t, std::size_t bytes, off_t offset, fuse_file_info* info) {
    Tree& tree = tree_of(request);
    list(request, bytes, offset, *info, [&tree](Listing& listing, Inode& directory, const DirectoryItem& item) {
        return listing.add_plus(tree, directory, item);
    });
}

void op_releasedir(fuse_req_t request, fuse_ino_t, fuse_file_info* info) {
    filesystem_of(request).handles.remove(info->fh);
    fuse_reply_err(request, 0);
}

void op_fsyncdir(fuse_req_t request, fuse_ino_t, int data_only, fuse_file_info* info) {
    Filesystem& filesystem = filesystem_of(request);
    const OpenDirectory& directory = Handles::get<DirectoryHandle>(info->fh).directory;
    filesystem.gate->submit(std::make_unique<FuseSyncDirectory>(request, directory, data_only != 0), *filesystem.groups,
                            {}, false);
}

}  // namespace

void add_directory_operations(fuse_lowlevel_ops& table) {
    table.opendir = op_opendir;
    table.readdir = op_readdir;
    table.readdirplus = op_readdirplus;
    table.releasedir = op_releasedir;
    table.fsyncdir = op_fsyncdir;
}

}  // namespace bandfs
