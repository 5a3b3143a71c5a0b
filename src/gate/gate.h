// gate/gate.h - the one lock of a device group, and everything that waits behind it.
//
// CONTRACT SKETCH: the data plane's author completes this header; what other rooms use is what is declared here.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "bandfs/device_group.h"
#include "gate/job.h"
#include "sys/clock.h"

namespace bandfs {

/// What the gate counts beside the scheduler's statistics; read under the lock.
struct GateCounters {
    std::uint64_t passed_over_age = 0;   ///< held longer than the bound, passed
    std::uint64_t cancelled = 0;         ///< requests of callers that died while held
};

/// A device group with its lock, workers and timer. Thread-safe. Lives until every mount of it is gone.
class Gate {
public:
    explicit Gate(std::unique_ptr<DeviceGroup> device_group);
    ~Gate();

    /// Runs `change` under the lock, then releases what the change lets pass. This is how control reads and sets
    /// everything: no other way to the device group exists. `change` must not block, log or call libfuse.
    template <typename Change>
    auto with(Change&& change);   // change(DeviceGroup&)

    /// Takes a job of the group that `choose(mount's groups)` names under the lock, admits its units, and either queues
    /// it for the workers, performs it here and now (`may_inline`, and only when all units are admitted at once and nothing
    /// else is held), or holds it. The job belongs to the gate until finish().
    void submit(std::unique_ptr<Job> job, MountGroups& groups, std::optional<GroupId> id, bool may_inline);
    /// The caller of this job got a fatal signal: if no byte was performed it is cancelled, else what is left passes.
    /// False when the job is already finishing. (How a job is named safely from an interrupt callback, see
    /// fuse-experiments.md section 2: the callback holds libfuse's request lock and may take the gate's lock; the gate
    /// never calls libfuse under its lock.)
    bool cancel(Job& job);
    /// Every job whose caller dying() says is dying is cancelled within 250 ms of its death.
    void set_dying(std::function<bool(pid_t)> dying);
    /// The longest a unit may be held (default 30 s); then it passes, counted.
    void set_longest_hold(TimeNs longest);

    /// Waits until nothing of this mount is held or in flight; its groups go down first. False when `deadline` passed.
    bool drain(MountGroups& groups, TimeNs deadline);
};

}  // namespace bandfs
