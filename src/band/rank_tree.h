// band/rank_tree.h - who is next among many: the smallest rank, found and changed in O(log n).
#pragma once

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

namespace bandfs {

/// A rank for each of a number of slots, kept so that the smallest is at hand.
///
/// Eight ranks, a cache line, have one parent, which holds the smallest of them, up to a single line. A change walks
/// from the slot upwards and stops where the smallest does not change: with 10,000 slots at most five lines out of 90
/// KiB, which stay in the cache. A search tree through the groups themselves visits some fourteen groups, each a cache
/// miss.
///
/// Nothing but reserve() allocates. Equal ranks are taken lowest slot first; who wants another order puts it into the
/// rank.
class RankTree {
public:
    using Rank = std::uint64_t;
    static constexpr Rank kNone = std::numeric_limits<Rank>::max();

    /// Makes room for slots below `slots`.
    void reserve(std::size_t slots) {
        if (slots <= capacity()) return;
        const std::size_t wanted = std::max(slots, capacity() + capacity() / 4);
        const std::vector<Line> ranks = levels_.empty() ? std::vector<Line>{} : std::move(levels_.front());
        levels_.clear();
        for (std::size_t lines = lines_for(wanted);; lines = lines_for(lines)) {
            levels_.emplace_back(lines, empty_line());
            if (lines == 1) break;
        }
        least_ = kNone;
        for (std::size_t line = 0; line < ranks.size(); ++line) {
            for (std::size_t i = 0; i < kFanOut; ++i) set(line * kFanOut + i, ranks[line].ranks[i]);
        }
    }

    std::size_t capacity() const noexcept { return levels_.empty() ? 0 : levels_.front().size() * kFanOut; }

    Rank rank(std::size_t slot) const noexcept { return levels_.front()[slot / kFanOut].ranks[slot % kFanOut]; }

    void set(std::size_t slot, Rank rank) noexcept {
        assert(slot < capacity());
        for (std::size_t level = 0; level < levels_.size(); ++level) {
            Line& line = levels_[level][slot / kFanOut];
            const Rank before = std::exchange(line.ranks[slot % kFanOut], rank);
            slot /= kFanOut;
            const bool top = level + 1 == levels_.size();
            const Rank least = top ? least_ : levels_[level + 1][slot / kFanOut].ranks[slot % kFanOut];
            if (rank > least) {
                if (before != least) return;  // the smallest of the line is another
                rank = line.least();
            }
            if (rank == least) return;
        }
        least_ = rank;
    }

    void clear(std::size_t slot) noexcept { set(slot, kNone); }

    bool empty() const noexcept { return least_ == kNone; }
    Rank least_rank() const noexcept { return least_; }

    /// The slot of the smallest rank; requires that there is one.
    std::size_t least() const noexcept {
        assert(!empty());
        std::size_t at = 0;
        for (auto level = levels_.rbegin(); level != levels_.rend(); ++level) {
            const Line& line = (*level)[at];
            std::size_t i = 0;
            while (line.ranks[i] != least_) ++i;
            at = at * kFanOut + i;
        }
        return at;
    }

    void swap(RankTree& other) noexcept {
        levels_.swap(other.levels_);
        std::swap(least_, other.least_);
    }

private:
    static constexpr std::size_t kFanOut = 8;

    struct alignas(64) Line {
        std::array<Rank, kFanOut> ranks;

        Rank least() const noexcept {
            const Rank a = std::min(std::min(ranks[0], ranks[1]), std::min(ranks[2], ranks[3]));
            const Rank b = std::min(std::min(ranks[4], ranks[5]), std::min(ranks[6], ranks[7]));
            return std::min(a, b);
        }
    };

    static Line empty_line() {
        Line line;
        line.ranks.fill(kNone);
        return line;
    }
    static std::size_t lines_for(std::size_t n) { return (n + kFanOut - 1) / kFanOut; }

    std::vector<std::vector<Line>> levels_;  ///< the slots first, one line last
    Rank least_ = kNone;
};

}  // namespace bandfs
