// cmd/device_service.h - the scheduler of a device group, as a server runs it for all its mounts.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "caller/resolver.h"
#include "cmd/mount_request.h"
#include "cmd/outcome.h"
#include "gate/gate.h"

namespace bandfs {

/// The longest that a request is held when nobody says how long, in seconds.
inline constexpr std::uint32_t kDefaultHold = 30;

/// The gate comes into being with the first mount, which says how; later ones have to agree with what is in force then,
/// as long as there is one.
/// Thread-safe.
class DeviceService {
public:
    explicit DeviceService(std::string name) : name_(std::move(name)), callers_(Resolver::create()) {}

    const std::string& name() const { return name_; }
    Resolver& callers() { return *callers_; }

    /// Makes the gate as `wanted` says, or compares `wanted` with it: `conflict`, with the value in force.
    Outcome<std::shared_ptr<Gate>> join(const DeviceRequest& wanted);

    /// The gate, nullptr before the first mount.
    std::shared_ptr<Gate> gate();
    /// The longest that a request is held, in seconds.
    std::uint32_t hold_s();
    void set_hold(std::uint32_t seconds);

private:
    Outcome<Done> make(const DeviceRequest& wanted);
    Outcome<Done> compare(const DeviceRequest& wanted);

    const std::string name_;
    const std::unique_ptr<Resolver> callers_;
    std::mutex mutex_;
    std::shared_ptr<Gate> gate_;  ///< guarded by mutex_
    std::uint32_t hold_s_ = 0;    ///< guarded by mutex_
};

}  // namespace bandfs
