// model/seed_model.h - dm-band's algorithm as dm-band.md tells it, with plain lists and scans: what the library is held
// against.
#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <string>
#include <vector>

namespace bandfs {

/// One device group with one mount. Every operation is O(groups) or worse, and written down as directly as it can be.
/// Two things are bandfs's, not dm-band's: a detached group stays until its last unit has ended, and the conductor does
/// not begin epochs for ever when the plug is in and fewer than io_throttle units are in flight.
class SeedModel {
public:
    struct Group {
        std::uint64_t id = 0;  ///< 0: the default group
        std::int64_t weight = 100;
        std::int64_t tokens = 0;
        std::int64_t token_init = 0;
        std::int64_t epoch = 0;
        bool going_down = false;
        bool detached = false;
        int issued = 0;
        std::deque<int> blocked;
    };

    SeedModel(int io_throttle, int io_limit, std::int64_t token_base);

    Group* find(std::uint64_t id);  ///< nullptr when it is not attached

    bool map(int unit, Group& group);  ///< true: immediate
    std::vector<int> end(int unit);    ///< the units that are released
    void attach(std::uint64_t id);
    std::vector<int> detach(Group& group);
    void set_weight(Group& group, std::int64_t weight);
    void set_token_base(std::int64_t tokens);
    void set_io_throttle(int n) { io_throttle_ = n; }
    void set_io_limit(int n) { io_limit_ = n; }
    std::vector<int> suspend();
    void resume();

    int blocked() const { return blocked_; }
    const std::vector<int>& in_flight() const { return in_flight_; }
    int io_throttle() const { return io_throttle_; }
    int io_limit() const { return io_limit_; }
    std::vector<std::uint64_t> ids() const;
    std::string state() const;  ///< as the vectors write it

private:
    bool can_submit(Group& group);
    std::int64_t priority(const Group& group) const;
    bool room(const Group& group) const { return !plugged_ || group.going_down; }
    void issue(int unit, Group& group);
    std::vector<int> conduct();
    void recompute();

    int io_throttle_;
    int io_limit_;
    std::int64_t token_base_;
    std::int64_t epoch_ = 0;
    int issued_ = 0;
    int blocked_ = 0;
    bool plugged_ = false;
    std::list<Group> groups_;
    std::vector<int> in_flight_;
    std::vector<Group*> owner_;  ///< of each unit, by number
};

}  // namespace bandfs
