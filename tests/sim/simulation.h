// sim/simulation.h - callers, the scheduler and the disk under one clock that is set by hand.
#pragma once

#include <deque>
#include <memory>
#include <queue>
#include <stdexcept>
#include <string>
#include <vector>

#include "bandfs/device_group.h"
#include "meter.h"
#include "scenario.h"
#include "turn_clock.h"
#include "virtual_caller.h"
#include "virtual_disk.h"

namespace bandfs::sim {

/// An invariant did not hold; what() names it and the virtual time.
struct InvariantError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// What a run is for: the scenario as it is, the same without any control (every unit goes to the disk at once), or one
/// group of it alone on the disk.
struct RunMode {
    bool controlled = true;
    std::string only_group;  ///< empty: all
};

/// One run of a scenario. Deterministic: the same scenario and mode give the same figures.
///
/// After every event it is checked that
/// 1. no unit is lost: the device group's counts of held and issued units are the simulation's;
/// 2. the disk does not idle while units are held, unless the device group has named a time to try again, which is at
/// most
///    kLongestWait away when no group has a ceiling;
/// 3. time goes on: the device group does not ask to be called again and again at one moment.
class Simulation {
public:
    static constexpr TimeNs kLongestWait = 2'000'000;  ///< the longest anticipation

    Simulation(const Scenario& scenario, const RunMode& mode);
    ~Simulation();

    void run();

    /// One for each expectation, in their order, and the run's own as the last.
    const std::vector<Window>& windows() const { return windows_; }
    const Window& whole() const { return windows_.back(); }
    std::uint64_t units_done() const { return units_done_; }
    const DeviceGroup& device_group() const { return *device_group_; }

private:
    struct Request {
        unsigned caller, slot;
        TimeNs arrived;
        unsigned pieces;
    };
    struct Piece : Unit, DiskJob {
        Request* request = nullptr;
        std::size_t group_index = 0;
    };
    struct Event {
        TimeNs at;
        std::uint64_t sequence;
        enum class Kind { arrival, change } kind;
        unsigned index, slot;
        bool operator>(const Event& other) const { return at != other.at ? at > other.at : sequence > other.sequence; }
    };

    void make_groups();
    void make_callers(const RunMode& mode);
    void schedule(TimeNs at, Event::Kind kind, unsigned index, unsigned slot);
    void step();
    void arrive(unsigned caller, unsigned slot);
    void submit_request(unsigned caller, unsigned slot);
    void change(const ChangeSpec& spec);
    void finish(Piece& piece);
    void pump();
    void issue(Piece& piece);
    void check();
    void note_idle();
    [[noreturn]] void broken(const std::string& what) const;

    const Scenario& scenario_;
    const bool controlled_;
    VirtualDisk disk_;
    std::unique_ptr<DeviceGroup> device_group_;
    std::unique_ptr<MountGroups> mount_;
    std::vector<Group*> groups_;
    std::vector<VirtualCaller> callers_;
    std::vector<std::size_t> group_of_caller_;
    TurnClock turns_;
    std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
    std::uint64_t sequence_ = 0;
    std::deque<Piece> pieces_;
    std::vector<Piece*> free_pieces_;
    std::deque<Request> requests_;
    std::vector<Request*> free_requests_;
    std::vector<Window> windows_;
    TimeNs now_ = 0;
    TimeNs idle_since_ = kNever;
    std::uint64_t held_ = 0, issued_ = 0, units_done_ = 0;
    unsigned steps_at_once_ = 0;
    bool has_ceiling_ = false;
};

}  // namespace bandfs::sim
