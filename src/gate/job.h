// gate/job.h - a read, a write or a piece of write-back, as the gate holds and runs it.
//
// CONTRACT SKETCH: the gate's author completes this header; src/fuse derives from Job as declared here.
//
// A job is `bytes` of one direction of one group, cut into units of the mount's unit_size. Its units are admitted, held and
// released one by one and in order; adjacent units that are released together are performed together, as one call to the
// disk. Units are allocated with the job, before any lock is taken.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>

#include "bandfs/group.h"
#include "bandfs/unit.h"

namespace bandfs {

/// How a job ended: every byte performed, or taken back before its first byte was (EINTR).
enum class JobOutcome { performed, cancelled };

class Job {
public:
    Job(Direction direction, std::uint64_t bytes, std::uint32_t unit_size, pid_t caller_tid);
    virtual ~Job() = default;
    Job(const Job&) = delete;

    /// Does bytes [begin, end) of the job. Called on a worker (or inline) with no lock held, never twice at once for one
    /// job, in order without gaps. Failures are kept by the job for finish(). False: the job failed or came to its end
    /// early (end of file); what is left of it is not performed but counts as completed.
    virtual bool perform(std::uint64_t begin, std::uint64_t end) = 0;

    /// Called exactly once, with no lock held, after the last perform() or instead of it. Answers the request and
    /// destroys the job. The gate touches nothing of the job after this call began.
    virtual void finish(JobOutcome outcome) = 0;

    pid_t caller_tid() const;
};

}  // namespace bandfs
