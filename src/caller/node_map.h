// caller/node_map.h - the NUMA node of a thread.
#pragma once

#include <optional>
#include <vector>

#include "caller/proc_view.h"

namespace bandfs {

/// Which nodes and processors this machine has, as when it was made. Immutable, so thread-safe.
class NodeMap {
public:
    /// Keeps `view`. A machine without nodes in /sys has one, node 0.
    explicit NodeMap(ProcView& view);

    /// The node that this thread may allocate on when that is one, otherwise the one it runs on (or ran last); nullopt
    /// when it is gone.
    std::optional<unsigned> node_of(pid_t tid);
    /// The node with memory where there is only one: everybody's.
    std::optional<unsigned> only_node() const { return only_node_; }

private:
    ProcView& view_;
    std::optional<unsigned> only_node_;
    std::vector<unsigned> node_of_cpu_;
};

}  // namespace bandfs
