// fuse/handles.h - what callers have open: files, directories, control files. fuse_file_info::fh points to one of them.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>

#include <boost/intrusive/list.hpp>

namespace bandfs {

/// Something a caller has open. Each kind derives from it; destroying it closes.
class Handle : public boost::intrusive::list_base_hook<> {
public:
    Handle() = default;
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;
    virtual ~Handle() = default;
};

/// Every handle of one mount. Thread-safe.
///
/// The kernel sends no RELEASE for what is open when a connection is aborted or the last receiver has left; whoever
/// ends the mount calls close_all(), else the backing file system would stay busy.
class Handles {
public:
    Handles() = default;
    ~Handles() { close_all(); }

    /// Keeps the handle and returns what is to stand in fuse_file_info::fh.
    std::uint64_t add(std::unique_ptr<Handle> handle);

    /// The handle that fh names. Requires that it was added, is of that kind, and was not removed.
    template <typename Kind>
    static Kind& get(std::uint64_t fh) {
        auto* handle = reinterpret_cast<Handle*>(fh);
        assert(dynamic_cast<Kind*>(handle) != nullptr);
        return static_cast<Kind&>(*handle);
    }

    /// Destroys the handle, on RELEASE and RELEASEDIR, and when the answer to an open could not be delivered.
    void remove(std::uint64_t fh);
    /// Destroys all of them. Requires that no request that uses one is being handled.
    void close_all();
    std::size_t count() const;

private:
    using List = boost::intrusive::list<Handle>;

    mutable std::mutex mutex_;
    List open_;  ///< guarded by mutex_
};

}  // namespace bandfs
