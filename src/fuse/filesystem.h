// fuse/filesystem.h - everything one mount consists of, as its handlers see it (fuse_req_userdata()).
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "bandfs/mount_groups.h"
#include "caller/resolver.h"
#include "caller/rules.h"
#include "disk/tree.h"
#include "fuse/control_nodes.h"
#include "fuse/control_port.h"
#include "fuse/early_interrupts.h"
#include "fuse/handles.h"
#include "fuse/page_watch.h"
#include "fuse/session_pending.h"
#include "gate/auto_groups.h"
#include "gate/data_plane.h"
#include "gate/gate.h"

namespace bandfs {

/// What a mount shows in place of what is below, to the kernel as well, which decides by it who may do what.
struct ShownAttributes {
    std::optional<uid_t> uid, gid;
    std::optional<mode_t> umask;  ///< permissions are all but these, no set-id bits

    /// Then files may be anybody's below: set-id bits are neither shown nor set.
    bool any() const { return uid || gid || umask; }
    bool operator==(const ShownAttributes&) const = default;
};

/// When the kernel may go on using the pages that it has of a file that is opened.
enum class KeptPages {
    unchanged,            ///< those of a file that has not changed below, as the kernel sees by its times
    unchanged_by_others,  ///< the same, but for changes through the mount, as the page watch sees
    always,
    never,
};

struct MountOptions {
    std::uint32_t unit_size = 131072;  ///< bytes, power of two, 4096 to 1 MiB
    double attr_timeout_s = 1.0;
    double entry_timeout_s = 1.0;
    std::optional<double> negative_timeout_s;  ///< that there is no such name; empty: as long as names
    KeptPages kept_pages = KeptPages::unchanged;
    bool direct_io = false;  ///< the kernel keeps no pages of files at all
    ShownAttributes shown;
    std::uint32_t readahead_kib = 4096;
    std::string control_name = ".bandfs";  ///< empty: no control directory
    std::uint32_t max_read = 0;            ///< bytes, the mount option max_read; 0: as the kernel likes
    bool rings = false;                    ///< requests come over io_uring where the kernel offers that
    bool backing_locks = false;            ///< flock and POSIX locks are taken on the files below
};

/// Counts of one mount that are neither the scheduler's nor the data plane's. Read by status.
struct MountCounters {
    /// Requests whose caller has no group id.
    std::atomic<std::uint64_t> unattributed{0};
};

/// What was agreed with the kernel in INIT. Written once, before the first other request.
struct AgreedFeatures {
    std::atomic<bool> parallel_direct_writes{false};  ///< FOPEN_DIRECT_IO may be combined with shared mappings
    std::atomic<bool> rings{false};                   ///< requests come over io_uring
    std::atomic<bool> cached_opens_wait{false};       ///< until there are no such writes to the file (Linux 6.9)
};

class BackingLocks;

/// One mount. Owned by src/cmd; outlives its session.
struct Filesystem {
    MountOptions options;
    std::unique_ptr<Tree> tree;
    std::shared_ptr<Gate> gate;
    std::unique_ptr<MountGroups> groups;  ///< guarded by gate's lock
    std::unique_ptr<DataPlane> data;
    std::atomic<GroupType> type{GroupType::none};
    Resolver* callers = nullptr;
    RuleSlot rules;                  ///< of type `rules`
    AutoGroups automatic;            ///< which of `groups` came into being by themselves
    std::string source_path;         ///< as the kernel named SOURCE when it was mounted, for rules by path
    ControlPort* control = nullptr;  ///< nullptr: no control directory
    ControlNodes control_nodes;
    MountCounters counters;
    AgreedFeatures kernel;
    PendingAnswers pending;
    /// The server goes: what was received is finished, and callers who read or write on are refused, ENOTCONN.
    std::atomic<bool> leaving{false};
    PageWatch pages;
    /// Makes rings for FUSE over io_uring; false when there can be none. Set by the session, for INIT.
    std::function<bool()> open_rings;
    EarlyInterrupts early_interrupts;  ///< with kernel.rings
    /// Lets the kernel ask anew for a node's attributes. Set by the session.
    std::function<void(std::uint64_t node)> forget_attributes;
    std::shared_ptr<BackingLocks> locks;  ///< with options.backing_locks; else nullptr
    Handles handles;                      ///< everything callers have open; destroyed before `data` and `tree`
};

}  // namespace bandfs
