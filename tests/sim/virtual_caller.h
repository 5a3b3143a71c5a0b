// sim/virtual_caller.h - processes that read and write on the virtual disk.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "scenario.h"

namespace bandfs::sim {

/// What a caller asks for at one time.
struct Demand {
    std::uint64_t offset = 0;
    std::uint32_t bytes = 0;
    Direction direction = Direction::read;
};

/// All processes of one [[caller]]. A slot is one request that a process may have on its way: a closed loop asks again
/// through the slot when the answer has come, an open loop at its own pace through slot 0.
class VirtualCaller {
public:
    VirtualCaller(const CallerSpec& spec, const Scenario& scenario, std::uint64_t seed, std::uint64_t first_stream);

    unsigned slots() const { return spec_.loop == Loop::open ? 1 : spec_.processes * spec_.queue_depth; }
    unsigned requests_at_once() const { return spec_.loop == Loop::open ? spec_.burst : 1; }
    TimeNs first_arrival(unsigned slot);
    /// When a slot asks after it asked at `arrived` (open loop), or after its answer came at `answered` (closed).
    /// kNever when the caller has stopped by then.
    TimeNs next_arrival(unsigned slot, TimeNs arrived);
    TimeNs next_after_answer(unsigned slot, TimeNs answered);
    bool is_open() const { return spec_.loop == Loop::open; }
    Demand ask(unsigned slot);
    std::uint32_t unit() const { return unit_; }
    /// The bytes per second that it wants; infinity when it takes what it gets.
    double demand() const;

private:
    TimeNs jittered(TimeNs span);
    TimeNs until_stop(TimeNs at) const { return at < spec_.stop ? at : kNever; }
    double mean_size() const;

    const CallerSpec spec_;
    const TimeNs round_trip_;
    const std::uint32_t unit_;
    const double disk_size_;
    std::mt19937_64 random_;
    std::vector<std::uint64_t> position_;  ///< of each process, for sequential patterns
    std::vector<TimeNs> due_;              ///< of each slot, for paced closed loops
};

}  // namespace bandfs::sim
