// band/group_pool.h - where the groups of a device group live.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "bandfs/group.h"

namespace bandfs {

/// Groups side by side, an odd number of cache lines apart. Out of the general allocator they would lie 512 bytes
/// apart, and the lines that every unit touches would share an eighth of the cache's sets.
///
/// Memory is kept until the pool goes. Requires that every group made is destroyed before.
class GroupPool {
public:
    template <typename... Arguments>
    Group& make(Arguments&&... arguments) {
        if (free_ == nullptr) grow();
        Room* const room = std::exchange(free_, free_->next);
        return *::new (static_cast<void*>(room)) Group(std::forward<Arguments>(arguments)...);
    }

    void destroy(Group& group) noexcept {
        group.~Group();
        free_ = ::new (static_cast<void*>(&group)) Room{free_};
    }

private:
    static constexpr std::size_t kGroupsPerChunk = 32;

    /// A place for a group, while there is none in it.
    struct alignas(Group) Room {
        Room* next;
        std::byte rest[sizeof(Group) - sizeof(Room*)];
    };
    static_assert(sizeof(Room) == sizeof(Group) && sizeof(Group) / 64 % 2 == 1);

    void grow() {
        chunks_.push_back(std::make_unique_for_overwrite<Room[]>(kGroupsPerChunk));
        for (std::size_t i = kGroupsPerChunk; i > 0; --i) {
            Room& room = chunks_.back()[i - 1];
            room.next = std::exchange(free_, &room);
        }
    }

    std::vector<std::unique_ptr<Room[]>> chunks_;
    Room* free_ = nullptr;
};

}  // namespace bandfs
