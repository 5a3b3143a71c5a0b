// bandfs/device_group.h - the scheduler that all mounts of one disk share.
//
// CONTRACT SKETCH: src/band's author completes this header; what other rooms use is what is declared here.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "bandfs/error.h"
#include "bandfs/group.h"
#include "bandfs/mount_groups.h"
#include "bandfs/statistics.h"
#include "bandfs/unit.h"

namespace bandfs {

struct DeviceGroupSettings {
    std::uint32_t io_throttle = 4;      ///< units in flight, low mark
    std::uint32_t io_limit = 128;       ///< units in flight, high mark
    std::uint64_t token_base = 2048;    ///< tokens of one epoch, 1 to 1,000,000
    std::uint64_t held_bytes_limit = 64u << 20;  ///< of one group; what is beyond it waits in turn
};

/// Device group: not thread-safe, its owner holds one lock around every call. No call allocates on the way of a unit
/// (admit, release_next, complete, cancel, expedite); these are noexcept.
class DeviceGroup {
public:
    /// nullptr when there is no policy of that name. io_limit below io_throttle is raised to it.
    static std::unique_ptr<DeviceGroup> create(const DeviceGroupSettings& settings, std::string_view policy);
    /// The names `create` and `set_policy` take, for help texts and error messages.
    static std::span<const std::string_view> policy_names();
    ~DeviceGroup();

    // The way of a unit.
    Admission admit(Unit& unit, TimeNs now) noexcept;
    /// The next held unit that is to be issued now, nullptr when there is none. Call until nullptr after complete(),
    /// after a control call, after expedite() and at wakes_at().
    Unit* release_next(TimeNs now) noexcept;
    void complete(Unit& unit, TimeNs now) noexcept;
    /// Takes a held unit back: it will never be issued.
    void cancel(Unit& unit, TimeNs now) noexcept;
    /// Lets a held unit pass next, whatever its group's tokens and the plug say.
    void expedite(Unit& unit, TimeNs now) noexcept;
    /// When release_next() may have something although nothing completes; kNever when only a completion can help.
    TimeNs wakes_at() const noexcept;

    // Control. Each changes all or nothing.
    Error set_io_throttle(std::uint64_t n);
    Error set_io_limit(std::uint64_t n);
    Error set_weight(Group& group, std::uint64_t weight);   ///< 1 to 1,000,000
    Error set_token_base(std::uint64_t tokens);             ///< 1 to 1,000,000
    Error set_policy(std::string_view name, TimeNs now);    ///< loses no unit
    void suspend();          ///< every group goes down: everything held passes
    void resume();
    void reset_statistics();

    std::string_view policy_name() const;
    std::uint32_t io_throttle() const;
    std::uint32_t io_limit() const;
    std::uint64_t token_base() const;
    std::uint32_t issued() const;
    std::uint32_t blocked() const;
    bool plugged() const;
    std::uint64_t epoch() const;         ///< policy `weight`
    const Statistics& statistics() const;  ///< the sum over its groups, counted on its own
};

}  // namespace bandfs
