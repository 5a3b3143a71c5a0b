// two_groups - the scheduler library without a file system: two groups, 3:1, want more than a made-up disk does.
//
//   c++ -std=c++20 two_groups.cc $(pkg-config --cflags --libs bandfs-band) -o two_groups
//
// The library has no clock, thread or lock: its caller says what time it is, hands in units, asks which may go, and says
// when they are done. Here the disk does one unit of 128 KiB at a time, in 3.3 ms, and time is a counter.

#include <array>
#include <cstdio>
#include <deque>

#include <bandfs/device_group.h>
#include <bandfs/mount_groups.h>

int main() {
    using namespace bandfs;
    constexpr TimeNs kUnitTakes = 3'300'000;
    constexpr TimeNs kEnd = 10'000'000'000;

    const auto disk = DeviceGroup::create({}, "fair");
    MountGroups groups(*disk, kDefaultWeight);  // of one mount; with the default group for all other ids
    if (groups.attach(1000, 300) != Error::none || groups.attach(1001, 100) != Error::none) return 1;

    TimeNs now = 0;
    std::deque<Unit*> on_disk;  // issued, in the order in which the disk takes them
    const auto hand_in = [&](Unit& unit) {
        if (disk->admit(unit, now) == Admission::immediate) on_disk.push_back(&unit);
    };

    std::array<Unit, 16> units;  // each group keeps eight units waiting
    for (std::size_t i = 0; i < units.size(); ++i) {
        units[i].group = &groups.for_id(i % 2 == 0 ? 1000 : 1001);
        units[i].bytes = 128 * 1024;
        hand_in(units[i]);
    }
    while (now < kEnd) {
        while (Unit* const unit = disk->release_next(now)) on_disk.push_back(unit);
        if (on_disk.empty()) {  // held for a group that is about to come back
            now = disk->wakes_at();
            continue;
        }
        Unit& done = *on_disk.front();
        on_disk.pop_front();
        now += kUnitTakes;
        disk->complete(done, now);
        hand_in(done);
    }

    for (const GroupId id : {1000, 1001}) {
        const Group& group = groups.for_id(id);
        const double mb = static_cast<double>(group.statistics().of(Direction::read).bytes_done) / 1e6;
        std::printf("group %d: weight %u, %.1f MB/s\n", static_cast<int>(id), group.weight(), mb / (kEnd / 1e9));
    }

    groups.go_down();  // everything that is held passes
    while (Unit* const unit = disk->release_next(now)) on_disk.push_back(unit);
    for (Unit* const unit : on_disk) disk->complete(*unit, now);
}
