// gate/held_jobs.h - the jobs that wait, in the order they arrived.
#pragma once

#include <boost/intrusive/list.hpp>
#include <cstddef>
#include <vector>

#include "gate/job.h"

namespace bandfs {

using JobQueue = boost::intrusive::list<Job, boost::intrusive::base_hook<JobQueueHook>>;
using JobHeldList = boost::intrusive::list<Job, boost::intrusive::base_hook<JobHeldHook>>;

/// Not thread-safe: the gate's lock guards it.
class HeldJobs {
public:
private:
    JobHeldList list_;
};

}  // namespace bandfs
