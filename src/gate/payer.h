// gate/payer.h - who is charged for a request.
#pragma once

#include <optional>
#include <span>

#include "bandfs/group.h"

namespace bandfs {

/// A group as the data plane knows it.
struct Payer {
    std::optional<GroupId> id;  ///< nullopt for the default group
    bool in_debt = false;       ///< it has had more than its share, by jobs that passed out of turn
};

/// The lineage that leads to this group alone, nullopt for the default group. Refers to `id`.
inline std::span<const GroupId> lineage_to(const std::optional<GroupId>& id) {
    return id ? std::span(&*id, 1) : std::span<const GroupId>();
}

}  // namespace bandfs
