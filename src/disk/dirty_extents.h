// disk/dirty_extents.h - which pages of a file the mount has dirtied and not yet written back, and for whom.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace bandfs {

/// The band group that dirtied bytes: its id, nullopt for the mount's default group.
using DirtyOwner = std::optional<std::uint64_t>;
/// Bytes per owner.
using DirtyBytes = std::vector<std::pair<DirtyOwner, std::uint64_t>>;

/// Bytes [begin, end) of a file.
struct Extent {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    std::uint64_t bytes() const { return end - begin; }
    friend bool operator==(const Extent&, const Extent&) = default;
};

inline constexpr std::uint64_t kPageBytes = 4096;

/// The dirty extents of one file. Not thread-safe. In whole pages. Invariants: extents do not overlap; two that touch and
/// agree in owner and state are one. An extent is *noted* first, then *scheduled* (a write-back job has it, and a rewrite of
/// it adds nothing: it is written once), and taken off when that job begins to write it. Who dirtied a page first owns it.
class DirtyExtents {
public:
    /// Notes [begin, end), widened to whole pages, and returns how many bytes were not dirty before.
    std::uint64_t note(std::uint64_t begin, std::uint64_t end, DirtyOwner owner);
    /// Marks extents of this owner as scheduled: from its first noted one on, over at most `span` bytes of the file and not
    /// across what somebody else dirtied. Empty when there is none.
    std::vector<Extent> schedule(DirtyOwner owner, std::uint64_t span);
    /// Takes off what is dirty of `extent` (its owner's, scheduled): the pieces that are to be written now.
    std::vector<Extent> take(Extent extent);
    /// Takes off everything in [begin, end), in whole pages inside it.
    DirtyBytes discard(std::uint64_t begin, std::uint64_t end);

    bool any(std::uint64_t begin, std::uint64_t end) const;
    bool empty() const { return extents_.empty(); }
    std::vector<DirtyOwner> noted_owners() const;

private:
    struct State {
        std::uint64_t end;
        DirtyOwner owner;
        bool scheduled;
    };
    using Map = std::map<std::uint64_t, State>;

    Map::iterator split(std::uint64_t at);
    void merge_around(Map::iterator it);

    Map extents_;   ///< by begin
};

}  // namespace bandfs
