// disk/dirty_extents.h - which pages of a file the mount has dirtied and not yet written back, and for whom.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

namespace bandfs {

/// The band group that dirtied bytes: its id, nullopt for the mount's default group.
using DirtyOwner = std::optional<std::uint64_t>;

/// Bytes [begin, end) of a file.
struct Extent {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;

    std::uint64_t bytes() const { return end - begin; }
    friend bool operator==(const Extent&, const Extent&) = default;
};

/// The dirty bytes of one owner, by state.
struct OwnedBytes {
    DirtyOwner owner;
    std::uint64_t noted = 0;
    std::uint64_t scheduled = 0;
};

/// The dirty extents of one file, in whole pages. Not thread-safe.
///
/// An extent is *noted* first, then *scheduled* (a write-back job has it, and a rewrite of it adds nothing: it is
/// written once), and taken off when that job begins to write it. Who dirtied a page first owns it. Invariants: extents
/// do not overlap; two noted ones of one owner do not touch (they would be one).
class DirtyExtents {
public:
    static constexpr std::uint64_t kGranule = 4096;  ///< a page: what the kernel writes back at the least

    /// Notes [begin, end), widened to whole pages, and returns how many bytes were not dirty before.
    std::uint64_t note(std::uint64_t begin, std::uint64_t end, DirtyOwner owner);
    /// Marks extents of this owner as scheduled, over at most `span` bytes of the file and not across what is somebody
    /// else's: from its first noted one behind the last batch on, and round again, as an elevator goes. Empty when it
    /// has none.
    std::vector<Extent> schedule(DirtyOwner owner, std::uint64_t span);
    /// Takes off what is scheduled for this owner in `extent`, and returns the pieces.
    std::vector<Extent> take(Extent extent, DirtyOwner owner);
    /// Takes off every page that lies wholly in [begin, end); `end` may be UINT64_MAX.
    std::vector<OwnedBytes> discard(std::uint64_t begin, std::uint64_t end);

    /// How many bytes of [begin, end) are noted or scheduled.
    std::uint64_t bytes(std::uint64_t begin, std::uint64_t end) const;
    /// Whether one is.
    bool any(std::uint64_t begin, std::uint64_t end) const;
    bool empty() const { return extents_.empty(); }

private:
    struct State {
        std::uint64_t end;
        DirtyOwner owner;
        bool scheduled;
    };
    using Map = std::map<std::uint64_t, State>;  // by begin

    Map::iterator first_after(std::uint64_t at);
    void cut(std::uint64_t at);
    void add(std::uint64_t begin, std::uint64_t end, DirtyOwner owner);

    Map extents_;
    std::uint64_t elevator_ = 0;  ///< where the last batch ended
};

}  // namespace bandfs
