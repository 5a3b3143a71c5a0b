// gate/payer.h - who is charged for a request.
#pragma once

#include <optional>

#include "bandfs/group.h"

namespace bandfs {

/// A group as the data plane knows it.
struct Payer {
    std::optional<GroupId> id;  ///< nullopt for the default group
    bool in_debt = false;       ///< it has had more than its share, by jobs that passed out of turn
};

}  // namespace bandfs
