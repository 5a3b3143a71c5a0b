#include "fuse/handles.h"

namespace bandfs {

std::uint64_t Handles::add(std::unique_ptr<Handle> handle) {
    std::lock_guard lock(mutex_);
    open_.push_back(*handle);
    return reinterpret_cast<std::uint64_t>(handle.release());
}

void Handles::remove(std::uint64_t fh) {
    std::unique_ptr<Handle> handle(reinterpret_cast<Handle*>(fh));
    std::lock_guard lock(mutex_);
    open_.erase(List::s_iterator_to(*handle));
    // The handle is destroyed after the lock is dropped: closing may block.
}

void Handles::close_all() {
    List closing;
    {
        std::lock_guard lock(mutex_);
        closing.swap(open_);
    }
    closing.clear_and_dispose([](Handle* handle) { delete handle; });
}

std::size_t Handles::count() const {
    std::lock_guard lock(mutex_);
    return open_.size();
}

}  // namespace bandfs
