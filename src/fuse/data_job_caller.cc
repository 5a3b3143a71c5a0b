#include "fuse/data_job_caller.h"

#include <cerrno>
#include <optional>

#include "fuse/filesystem.h"
#include "fuse/request.h"
#include "sys/clock.h"
#include "sys/magic_links.h"

namespace bandfs {
namespace {

CallerIds ids_of(fuse_req* request) {
    const fuse_ctx* context = fuse_req_ctx(request);
    return {context->pid, context->uid, context->gid};
}

/// Whether groups of that type lie within each other.
bool has_ancestors(GroupType type) {
    return type.kind == GroupType::Kind::cgroup || type.kind == GroupType::Kind::cpuset;
}

/// What of a path is below a directory, "/" in front; empty when nothing is.
std::string path_below(const std::string& directory, const std::string& path) {
    if (directory == "/") return path;
    const bool below = path.size() > directory.size() && path.starts_with(directory) && path[directory.size()] == '/';
    return below ? path.substr(directory.size()) : "";
}

/// Where the file is below SOURCE, or was last by a name that was removed; empty when that cannot be told.
std::string path_below_source(Filesystem& filesystem, const OpenFile* file) {
    if (file == nullptr) return {};
    const int fd = file->data->descriptor();
    const Result<std::string> whole = path_of_descriptor(fd);
    if (!whole) return {};
    std::string path = path_below(filesystem.source_path, *whole);
    if (path.empty()) {
        const Result<std::string> moved = filesystem.tree->path_of_root();
        path = moved ? path_below(*moved, *whole) : "";
    }
    // A name may end so by itself.
    constexpr std::string_view kRemoved = " (deleted)";
    if (path.ends_with(kRemoved) && !filesystem.tree->leads_to(path, fd)) path.resize(path.size() - kRemoved.size());
    return path;
}

/// By what callers are told apart now: the type, and of rules which list of them.
GroupType terms_in_force(const Filesystem& filesystem, GroupType type) {
    if (type != GroupType::rules) return type;
    const std::shared_ptr<const RuleList> rules = filesystem.rules.get();
    return {GroupType::Kind::rules, rules ? rules->number() : std::uint8_t{0}};
}

/// Whether it is the thread that opened the file, of which is known what it was then.
bool is_opener(const Filesystem& filesystem, GroupType type, const CallerIds& caller, const OpenFile* file) {
    return file != nullptr && caller.tid != 0 && caller.tid == file->opener.ids.tid &&
           terms_in_force(filesystem, type) == file->opener.terms;
}

CallerLineage lineage_of_unknown(Filesystem& filesystem, GroupType type, const CallerIds& caller,
                                 const OpenFile* file) {
    const bool opened = is_opener(filesystem, type, caller, file);
    if (!opened) filesystem.counters.unattributed.fetch_add(1, std::memory_order_relaxed);
    return opened ? CallerLineage(file->opener.lineage) : CallerLineage();
}

CallerLineage lineage_by_rules(Filesystem& filesystem, const CallerIds& caller, const OpenFile* file) {
    const std::shared_ptr<const RuleList> rules = filesystem.rules.get();
    if (!rules || rules->empty()) return {};
    const auto task = rules->asks_task() ? filesystem.callers->match_task(*rules, caller.tid) : std::nullopt;
    const std::string path = rules->asks_path() ? path_below_source(filesystem, file) : std::string();
    const auto id = rules->first(caller, task, path);
    if (rules->asks_task() && !task && (!id || is_opener(filesystem, GroupType::rules, caller, file)))
        return lineage_of_unknown(filesystem, GroupType::rules, caller, file);
    return id ? CallerLineage(*id) : CallerLineage();
}

CallerLineage find_lineage(Filesystem& filesystem, GroupType type, const CallerIds& caller, const OpenFile* file) {
    if (type == GroupType::rules) return lineage_by_rules(filesystem, caller, file);
    const std::optional<GroupId> id = filesystem.callers->resolve(type, caller);
    if (!id) return lineage_of_unknown(filesystem, type, caller, file);
    return has_ancestors(type) ? CallerLineage(filesystem.callers->lineage(type, *id)) : CallerLineage(*id);
}

/// Where groups come into being by themselves, this is when.
void note_use(Filesystem& filesystem, const CallerLineage& lineage) {
    if (!filesystem.automatic.in_use()) return;
    filesystem.automatic.seen(*filesystem.gate, *filesystem.groups, lineage.ids(), now_ns());
}

CallerLineage lineage_by(Filesystem& filesystem, GroupType type, const CallerIds& caller, const OpenFile* file) {
    if (type == GroupType::none) return {};
    CallerLineage lineage = find_lineage(filesystem, type, caller, file);
    note_use(filesystem, lineage);
    return lineage;
}

}  // namespace

CallerLineage lineage_of(fuse_req* request, const OpenFile* file) {
    Filesystem& filesystem = filesystem_of(request);
    return lineage_by(filesystem, filesystem.type.load(std::memory_order_relaxed), ids_of(request), file);
}

FileOpener opener_of(fuse_req* request, const OpenFile* file) {
    Filesystem& filesystem = filesystem_of(request);
    const GroupType type = filesystem.type.load(std::memory_order_relaxed);
    const GroupType terms = terms_in_force(filesystem, type);
    return {ids_of(request), terms, lineage_by(filesystem, type, ids_of(request), file).to_vector()};
}

CallerLineage lineage_of_mapping(Filesystem& filesystem, const OpenFile& file) {
    const GroupType type = filesystem.type.load(std::memory_order_relaxed);
    const FileOpener& opener = file.opener;
    // Another may have the thread's number by now: what it was is known by the old terms alone.
    if (terms_in_force(filesystem, type) != opener.terms)
        return lineage_by(filesystem, type, {0, opener.ids.uid, opener.ids.gid}, &file);
    CallerLineage lineage(opener.lineage);
    note_use(filesystem, lineage);
    return lineage;
}

bool lineage_needs_file(const Filesystem& filesystem) {
    if (filesystem.type.load(std::memory_order_relaxed) != GroupType::rules) return false;
    const auto rules = filesystem.rules.get();
    return rules && rules->asks_path();
}

void remember_caller(fuse_req* request) {
    Filesystem& filesystem = filesystem_of(request);
    using Kind = GroupType::Kind;
    const Kind kind = filesystem.type.load(std::memory_order_relaxed).kind;
    // Every other type's id is a property of the thread or its process, so the resolver has met it.
    if (kind == Kind::none || kind == Kind::user || kind == Kind::gid || kind == Kind::rules)
        (void)filesystem.callers->resolve(GroupType::pid, ids_of(request));
}

}  // namespace bandfs
