// control/event_log.h - the last events of a mount, for `.bandfs/log`.
#pragma once

#include <cstddef>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>

namespace bandfs {

/// Remembers the last kCapacity events, one line each. Thread-safe.
class EventLog {
public:
    static constexpr std::size_t kCapacity = 1000;
    /// A caller chooses part of an event's text; it is cut there.
    static constexpr std::size_t kLineLimit = 512;  // bytes

    /// Adds a line, as one_line() makes it, with the time of day in front, in place of the oldest when the log is full.
    void add(std::string_view text);

    /// The text with '?' for control characters, so that it stays one line and no terminal obeys it.
    static std::string printable(std::string_view text);
    /// The text of an event: printable, and cut at kLineLimit.
    static std::string one_line(std::string_view text);

    /// All lines, the oldest first, each ended by a newline.
    std::string text() const;

private:
    mutable std::mutex mutex_;
    std::deque<std::string> lines_;  ///< guarded by mutex_
};

}  // namespace bandfs
