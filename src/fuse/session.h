// fuse/session.h - one mount's conversation with the kernel: the receive loop.
//
// CONTRACT SKETCH: the data plane's author completes this header; src/cmd uses what is declared here.
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
    std::vector<std::string> libfuse_options;  ///< for fuse_session_new: "debug", "max_read=65536"
    unsigned receivers = 0;                    ///< threads that receive; 0: from the number of processors
};

/// A session on a mounted /dev/fuse descriptor. The mount itself is made and taken down by the caller (src/cmd).
class Session {
public:
    /// `dev_fuse` is a descriptor of /dev/fuse that is mounted. EINVAL when libfuse refuses an option.
    static Result<std::unique_ptr<Session>> create(Filesystem& filesystem, UniqueFd dev_fuse,
                                                   const SessionSettings& settings);
    virtual ~Session() = default;

    /// Starts the receivers and returns at once. `ready` is called once, from a receiver, when the kernel's INIT has been
    /// answered; `ended` once, when the mount is gone (unmounted) or stop() has finished.
    virtual Status start(std::function<void()> ready, std::function<void()> ended) = 0;
    /// Ends the receivers; what is held must have been drained before. Idempotent.
    virtual void stop() = 0;
};

}  // namespace bandfs
