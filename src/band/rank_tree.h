// band/rank_tree.h - who is next among many: the smallest rank of a kind, at hand, and changed in O(log n).
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

/// A kind and a rank for each of a number of slots, or none, kept so that the smallest rank of each kind is at hand.
///
/// A tournament: eight slots, a cache line, have one winner of each kind, four winners have one, up to a single one. A
/// change plays its slot's games again, upwards, and stops where the winner stays: with 10,000 slots at most seven
/// games, out of 80 KiB for the slots and 27 KiB for each kind, which stay in the cache. Only slots that ever had a
/// rank take part, so who has room for many and uses the lowest has few games. A search tree through the groups
/// themselves visits some fourteen groups, each a cache miss.
///
/// The kind of a slot is kept in the upper bits of its rank: x-or-ed with a kind, the ranks of that kind are smaller
/// than all others.
///
/// Nothing but reserve() allocates. Which of equal ranks is taken is not said; who wants an order puts it into the
/// rank.
template <unsigned kKinds>
class RankTree {
public:
    using Rank = std::uint64_t;
    using Slot = std::uint32_t;
    using Kind = unsigned;
    static constexpr int kRankBits = 60;
    static constexpr Rank kEnd = Rank{1} << kRankBits;  ///< ranks are less
    static constexpr Rank kNone = std::numeric_limits<Rank>::max();
    static_assert(kKinds < kNone >> kRankBits);

    RankTree() { reserve(1); }

    /// Makes room for slots below `slots`.
    void reserve(std::size_t slots) {
        if (slots <= capacity()) return;
        const std::vector<Slots> before = std::exchange(slots_, {});
        slots_.resize(lines_for(slots + slots / 4, kSlots));
        levels_.clear();
        height_ = reach_ = 1;
        for (std::size_t players = slots_.size();; players = lines_for(players, kWinners)) {
            const std::size_t lines = lines_for(players, kWinners);
            levels_.push_back({std::vector<Winners>(lines * kKinds), lines});
            if (players == 1) break;
        }
        for (Slot slot = 0; slot < before.size() * kSlots; ++slot) {
            const Rank tagged = before[slot / kSlots].ranks[slot % kSlots];
            if (tagged != kNone) set(slot, kind_of(tagged), tagged % kEnd);
        }
    }

    std::size_t capacity() const noexcept { return slots_.size() * kSlots; }

    /// Whether the slot has a rank, of whatever kind.
    bool has(Slot slot) const noexcept { return slots_[slot / kSlots].ranks[slot % kSlots] != kNone; }

    /// Gives the slot a rank of that kind in place of what it had.
    void set(Slot slot, Kind kind, Rank rank) noexcept {
        assert(slot < capacity() && kind < kKinds && rank < kEnd);
        while (slot / kSlots >= reach_) rise();
        const Rank before = exchange(slot, tag(kind) | rank);
        if (before != kNone && kind_of(before) != kind) play(slot, kind_of(before), kNone);
        play(slot, kind, rank);
    }

    void clear(Slot slot) noexcept {
        assert(slot < capacity());
        const Rank before = exchange(slot, kNone);
        if (before != kNone) play(slot, kind_of(before), kNone);
    }

    bool empty(Kind kind) const noexcept { return least_rank(kind) == kNone; }
    /// kNone when there is none of that kind.
    Rank least_rank(Kind kind) const noexcept { return top(kind).rank; }
    /// The slot of the smallest rank; requires that there is one.
    Slot least(Kind kind) const noexcept {
        assert(!empty(kind));
        return top(kind).slot;
    }

private:
    static constexpr Slot kSlots = 8, kWinners = 4;  ///< in a line

    struct Player {
        Rank rank = kNone;
        Slot slot = 0;
    };

    /// Two of a game so far: the smaller rank and where it was. Without a branch that nobody could predict.
    struct Lesser {
        Rank rank;
        std::size_t at;

        Lesser(Rank a, std::size_t at_a, Rank b, std::size_t at_b) : rank(b < a ? b : a), at(b < a ? at_b : at_a) {}
        Lesser(const Lesser& a, const Lesser& b) : Lesser(a.rank, a.at, b.rank, b.at) {}
    };

    struct alignas(64) Slots {
        std::array<Rank, kSlots> ranks;  ///< with their kind above them

        Slots() { ranks.fill(kNone); }
        /// The winner of a kind; `first` is the first slot of the line.
        Player winner(Kind kind, Slot first) const noexcept {
            const auto two = [&](std::size_t i) {
                return Lesser(ranks[i] ^ tag(kind), i, ranks[i + 1] ^ tag(kind), i + 1);
            };
            const Lesser least(Lesser(two(0), two(2)), Lesser(two(4), two(6)));
            return {least.rank < kEnd ? least.rank : kNone, first + static_cast<Slot>(least.at)};
        }
    };

    struct alignas(64) Winners {
        std::array<Player, kWinners> players;

        Player winner() const noexcept {
            const auto two = [&](std::size_t i) { return Lesser(players[i].rank, i, players[i + 1].rank, i + 1); };
            return players[Lesser(two(0), two(2)).at];
        }
    };

    /// The winners of each line below, kind after kind.
    struct Level {
        std::vector<Winners> lines;
        std::size_t of_each_kind;

        Winners& of(Kind kind, std::size_t line) { return lines[kind * of_each_kind + line]; }
        const Winners& of(Kind kind, std::size_t line) const { return lines[kind * of_each_kind + line]; }
    };

    static constexpr Rank tag(Kind kind) { return Rank{kind} << kRankBits; }
    static constexpr Kind kind_of(Rank tagged) { return static_cast<Kind>(tagged >> kRankBits); }
    static std::size_t lines_for(std::size_t n, std::size_t in_a_line) { return (n + in_a_line - 1) / in_a_line; }

    Rank exchange(Slot slot, Rank tagged) noexcept {
        return std::exchange(slots_[slot / kSlots].ranks[slot % kSlots], tagged);
    }

    /// The slot has another rank of that kind: its games are played again.
    void play(Slot slot, Kind kind, Rank rank) noexcept {
        Player player{rank, slot};
        const Winners* below = nullptr;
        std::size_t at = slot / kSlots;
        for (std::size_t i = 0; i < height_; ++i) {
            Level& level = levels_[i];
            Winners& line = level.of(kind, at / kWinners);
            Player& winner = line.players[at % kWinners];
            if (player.rank >= winner.rank) {
                if (winner.slot != slot) return;  // somebody else stays ahead of it
                player = below != nullptr ? below->winner() : slots_[at].winner(kind, slot - slot % kSlots);
            }
            winner = player;
            below = &line;
            at /= kWinners;
        }
    }

    const Player& top(Kind kind) const noexcept { return levels_[height_ - 1].of(kind, 0).players[0]; }
    /// The next level is played for, too.
    void rise() noexcept {
        for (Kind kind = 0; kind < kKinds; ++kind) levels_[height_].of(kind, 0).players[0] = top(kind);
        ++height_;
        reach_ *= kWinners;
    }

    std::vector<Slots> slots_;
    std::vector<Level> levels_;  ///< the last has one winner of each kind
    std::size_t height_ = 1;     ///< levels that are played for; the first player of the last is the winner
    std::size_t reach_ = 1;      ///< lines of slots below that player
};

}  // namespace bandfs
