// fuse/session.h - one mount's conversation with the kernel: the receive loop.
//
// A receiver reads a message, gives it to libfuse, and has the handler answer it or hand it to the data plane; then it
// reads the next. Nothing held occupies a receiver.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "fuse/filesystem.h"
#include "sys/result.h"
#include "sys/unique_fd.h"

namespace bandfs {

struct SessionSettings {
    std::vector<std::string> libfuse_options{};  ///< for fuse_session_new: "debug", "max_read=65536"
    unsigned receivers = 0;                      ///< threads that wait for messages; 0: from the number of processors
    unsigned most_receivers = 0;  ///< of these and those in reserve, also when all sleep; 0: 64 in reserve
    bool rings = true;            ///< where the kernel offers FUSE over io_uring
    unsigned idle_receivers = 0;  ///< that stay in reserve when nothing is to do; 0: 10
};

/// A session on a mounted /dev/fuse descriptor. The mount itself is made and taken down by the caller (src/cmd).
/// Thread-safe but for start(), which comes first. Uses SIGUSR1 of the process to wake its receivers.
class Session {
public:
    /// `dev_fuse` is a descriptor of /dev/fuse that is mounted. EINVAL when libfuse refuses an option.
    static Result<std::unique_ptr<Session>> create(Filesystem& filesystem, UniqueFd dev_fuse,
                                                   const SessionSettings& settings);
    virtual ~Session() = default;

    /// Starts the receivers and returns at once. `ready` is called once, from a receiver, when the kernel's INIT has
    /// been answered; `ended` once, from the last receiver, when the mount is gone (unmounted, aborted) or stop() was
    /// called: every request has been answered then and every file closed. `ended` must not call stop() or destroy the
    /// session.
    virtual Status start(std::function<void()> ready, std::function<void()> ended) = 0;
    /// Ends the receivers and returns when `ended` has. Requests that nobody received are lost with the mount, so drain
    /// the data plane and unmount before, or be in a hurry. Idempotent.
    virtual void stop() = 0;
};

}  // namespace bandfs
