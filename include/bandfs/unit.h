// bandfs/unit.h - one bio-sized piece of a read or write, the thing that is scheduled.
#pragma once

#include <cstdint>

#include <boost/intrusive/list_hook.hpp>

namespace bandfs {

class Group;

/// A point in time or a length of it, in nanoseconds. The scheduler has no clock: its caller passes `now`, and all that
/// is required is that it never runs backwards.
using TimeNs = std::int64_t;

/// Later than every `now`.
inline constexpr TimeNs kNever = INT64_MAX;

/// The sector of dm-band's statistics, in bytes.
inline constexpr std::uint32_t kSectorBytes = 512;

enum class Direction : std::uint8_t { read, write };
inline constexpr int kDirections = 2;

/// Where a unit is in its life.
///   idle   -> issued   admit() answered immediate
///   idle   -> held     admit() answered held (waiting in turn for the group's byte bound counts as held)
///   held   -> issued   release_next() returned it
///   held   -> idle     cancel()
///   issued -> idle     complete()
/// Every other move is misuse and asserts.
enum class UnitState : std::uint8_t { idle, held, issued };

/// Which list a held unit stands in.
///   queue      its group's queue of its direction: the policy may choose it
///   waiting    behind its group's bound on held bytes: it moves into the queue in turn
///   expedited  the device group's list of units that pass next
enum class HeldIn : std::uint8_t { queue, waiting, expedited };

/// One piece of a read or write of at most unit_size bytes. Or a turn, which has no bytes: it is held until its group's
/// turn comes, like any other, costs nothing, counts as no request, and says nothing about the disk.
///
/// The owner fills in `group`, `bytes` and `direction` while the unit is idle and keeps it alive and in place until it
/// is idle again; the device group owns the rest. Nothing is allocated for it.
struct Unit : boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::normal_link>> {
    Group* group = nullptr;
    std::uint32_t bytes = 0;
    Direction direction = Direction::read;

    UnitState state = UnitState::idle;
    HeldIn held_in = HeldIn::queue;  ///< means something while the unit is held
    bool is_turn = false;            ///< the owner's, as the first three
    std::uint64_t charge = 0;        ///< what its policy charged, to be discharged on completion
    std::uint64_t sequence = 0;      ///< order of arrival while held, order of issue while issued
    TimeNs arrived = 0;              ///< when admit() saw it
    TimeNs issued_at = 0;            ///< when it was issued
};
static_assert(sizeof(Unit) == 64, "a unit is one cache line");

/// Sectors of `bytes`, rounded up.
constexpr std::uint64_t sectors_of(std::uint64_t bytes) {
    return (bytes + kSectorBytes - 1) / kSectorBytes;
}

/// How an issued unit ends: the disk did it, or did not (its caller died, the file ended before it, it failed). What
/// was not done stays charged and has been but a turn: it is left without bytes, and nothing is learnt from it.
enum class UnitEnd : std::uint8_t { done, undone };

/// What admit() did with a unit.
enum class Admission : std::uint8_t { immediate, held };

}  // namespace bandfs
