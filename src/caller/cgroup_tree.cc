#include "caller/cgroup_tree.h"

#include <algorithm>
#include <mutex>

#include "sys/clock.h"

namespace bandfs {
namespace {

/// Cgroups known at a time: a few hundred bytes each. Beyond it all are forgotten and learnt again, which no machine
/// with a usual number of cgroups ever sees.
constexpr std::size_t kKnownCgroups = 65'536;
/// What is not there is looked for again after this.
constexpr TimeNs kLookAgain = kSecond;

/// The hierarchy of `type` among the mounts; for cpuset v1 first, since there the controller is what is on.
const CgroupMount* mount_of(const std::vector<CgroupMount>& mounts, GroupType type, std::string_view below = {}) {
    const CgroupMount* unified = nullptr;
    for (const CgroupMount& mount : mounts) {
        if (!below.empty() && mount.root != "/" && below != mount.root && !below.starts_with(mount.root + "/"))
            continue;
        if (mount.unified) {
            if (unified == nullptr) unified = &mount;
            continue;
        }
        const std::string_view wanted = type == GroupType::cpuset ? "cpuset" : controller_of(type);
        if (std::find(mount.controllers.begin(), mount.controllers.end(), wanted) != mount.controllers.end())
            return &mount;
    }
    return type.controller == 0 ? unified : nullptr;
}

std::string_view below_root(const CgroupMount& mount, std::string_view path) {
    return mount.root == "/" ? path : path.substr(std::min(mount.root.size(), path.size()));
}

std::string directory(const CgroupMount& mount, std::string_view path) {
    const std::string_view rest = below_root(mount, path);
    return rest.empty() || rest == "/" ? mount.point : mount.point + std::string(rest);
}

/// The path of a cgroup from its directory; nullopt when that is not below the mount point.
std::optional<std::string> path_at(const CgroupMount& mount, std::string_view directory) {
    if (!directory.starts_with(mount.point)) return std::nullopt;
    const std::string_view rest = directory.substr(mount.point.size());
    if (rest.empty()) return mount.root;
    if (!rest.starts_with('/')) return std::nullopt;
    return (mount.root == "/" ? "" : mount.root) + std::string(rest);
}

}  // namespace

std::size_t CgroupTree::KeyHash::operator()(const Key& key) const {
    const auto type = static_cast<std::uint64_t>(key.type.kind) << 8U | key.type.controller;
    return std::hash<std::uint64_t>{}((key.id ^ type << 48U) * 0x9e3779b97f4a7c15U);
}

CgroupTree::CgroupTree(ProcView& view) : view_(view) {}

std::shared_ptr<const CgroupTree::Mounts> CgroupTree::mounts_with(GroupType type) {
    {
        const std::shared_lock lock(mutex_);
        if (mounts_ && (mount_of(*mounts_, type) != nullptr || view_.now() - mounts_read_at_ < kLookAgain))
            return mounts_;
    }
    const Result<std::string> mountinfo = view_.read_file("/proc/self/mountinfo");
    auto mounts = std::make_shared<const Mounts>(mountinfo ? parse_cgroup_mounts(*mountinfo) : Mounts{});
    const TimeNs now = view_.now();
    const std::unique_lock lock(mutex_);
    mounts_ = mounts;
    mounts_read_at_ = now;
    return mounts;
}

bool CgroupTree::is_mounted(GroupType type) {
    return mount_of(*mounts_with(type), type) != nullptr;
}

Result<std::uint64_t> CgroupTree::id_at(GroupType type, std::string_view path) {
    const auto mounts = mounts_with(type);
    if (mount_of(*mounts, type) == nullptr) return Errno{ENODEV};
    const CgroupMount* mount = mount_of(*mounts, type, path);
    const bool outside = path == "/.." || path.starts_with("/../");  // of this cgroup namespace
    if (mount == nullptr || outside) return Errno{ENOENT};
    const Result<std::uint64_t> id = view_.directory_id(directory(*mount, path));
    if (id && !knows(type, *id)) remember(type, *id, *mount, path);
    return id;
}

bool CgroupTree::knows(GroupType type, std::uint64_t id) const {
    const std::shared_lock lock(mutex_);
    const auto node = nodes_.find(Key{type, id});
    return node != nodes_.end() && (node->second.unseen_until == kNever || view_.now() < node->second.unseen_until);
}

void CgroupTree::note_unseen(GroupType type, std::uint64_t id) {
    insert(type, id, Node{"", {id}, view_.now() + kLookAgain});
}

void CgroupTree::insert(GroupType type, std::uint64_t id, Node node) {
    const std::unique_lock lock(mutex_);
    if (nodes_.size() >= kKnownCgroups) nodes_.clear();
    nodes_.insert_or_assign(Key{type, id}, std::move(node));
}

void CgroupTree::remember(GroupType type, std::uint64_t id, const CgroupMount& mount, std::string_view path) {
    Node node{std::string(path), {id}, kNever};
    std::string_view rest = below_root(mount, path);
    while (rest.size() > 1) {
        rest = rest.substr(0, rest.rfind('/'));
        const Result<std::uint64_t> parent = view_.directory_id(mount.point + std::string(rest));
        if (!parent) return;  // removed meanwhile
        node.lineage.push_back(*parent);
    }
    insert(type, id, std::move(node));
}

std::optional<std::string> CgroupTree::path_of(GroupType type, std::uint64_t id) {
    const auto mounts = mounts_with(type);
    std::optional<std::string> known;
    {
        const std::shared_lock lock(mutex_);
        if (const auto node = nodes_.find(Key{type, id}); node != nodes_.end() && !node->second.path.empty())
            known = node->second.path;
    }
    if (known)
        if (const CgroupMount* mount = mount_of(*mounts, type, *known); mount != nullptr) {
            const Result<std::uint64_t> there = view_.directory_id(directory(*mount, *known));
            if (there && *there == id) return known;
        }
    const CgroupMount* mount = mount_of(*mounts, type);
    if (mount == nullptr) return std::nullopt;
    const Result<std::string> found = view_.directory_of(mount->point, id);
    const auto path = found ? path_at(*mount, *found) : std::nullopt;
    if (path) remember(type, id, *mount, *path);
    return path;
}

std::optional<std::string> CgroupTree::members_file(GroupType type, std::uint64_t id) {
    const auto mounts = mounts_with(type);
    const auto path = path_of(type, id);
    const CgroupMount* mount = path ? mount_of(*mounts, type, *path) : nullptr;
    if (mount == nullptr || (mount->unified && type == GroupType::cpuset)) return std::nullopt;
    return directory(*mount, *path) + (mount->unified ? "/cgroup.threads" : "/tasks");
}

std::vector<std::uint64_t> CgroupTree::lineage(GroupType type, std::uint64_t id) {
    if (!knows(type, id) && !path_of(type, id)) note_unseen(type, id);
    const std::shared_lock lock(mutex_);
    const auto node = nodes_.find(Key{type, id});
    return node == nodes_.end() ? std::vector{id} : node->second.lineage;
}

}  // namespace bandfs
