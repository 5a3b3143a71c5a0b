// fuse/data_job_caller.h - which band groups may take what a caller asks for.
#pragma once

#include <span>
#include <vector>

#include "bandfs/group.h"

struct fuse_req;

namespace bandfs {

struct Filesystem;
struct FileOpener;
struct OpenFile;

/// Group ids, nearest first; the first that has a group attached takes the caller, the default group when none has.
class CallerLineage {
public:
    CallerLineage() = default;
    explicit CallerLineage(GroupId id) : one_(id), has_one_(true) {}
    explicit CallerLineage(std::vector<GroupId> several) : several_(std::move(several)) {}

    std::span<const GroupId> ids() const { return has_one_ ? std::span<const GroupId>(&one_, 1) : several_; }
    std::vector<GroupId> to_vector() const { return {ids().begin(), ids().end()}; }

private:
    GroupId one_ = 0;  ///< the usual case, without an allocation
    bool has_one_ = false;
    std::vector<GroupId> several_;
};

/// The lineage of who sent this request, as the mount's type sees it: empty for type `none`. `file` is the one that it
/// is about; none while that is being opened, but for rules by path.
///
/// A caller that cannot be attributed (it is gone, or has no number here) has no lineage and is counted, but for the
/// thread that opened the file, which had one then. Where groups come into being by themselves, this is when.
CallerLineage lineage_of(fuse_req* request, const OpenFile* file = nullptr);

/// For a file that is being opened by this request; `file` as for lineage_of().
FileOpener opener_of(fuse_req* request, const OpenFile* file = nullptr);

/// Of what the kernel writes back of a mapping of the file, for nobody in particular: that of who opened it, as it was
/// then. By another type or other rules since, it is that user's, as far as these ask for no more.
CallerLineage lineage_of_mapping(Filesystem& filesystem, const OpenFile& file);

/// Whether lineage_of() of a file that is being opened has to wait for its descriptor.
bool lineage_needs_file(const Filesystem& filesystem);

/// Has the resolver take notice of who sent this request, if lineage_of() did not: of a caller it has never met it
/// could not say later that it is gone.
void remember_caller(fuse_req* request);

}  // namespace bandfs
