// control/event_log.cc
#include "control/event_log.h"

#include <algorithm>
#include <ctime>
#include <utility>

namespace bandfs {
namespace {

/// "2026-03-01T12:00:00Z "
std::string time_stamp() {
    const std::time_t now = std::time(nullptr);
    std::tm utc{};
    ::gmtime_r(&now, &utc);
    char text[32];
    return std::string(text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ ", &utc));
}

}  // namespace

void EventLog::add(std::string_view text) {
    std::string line = time_stamp() + one_line(text) + '\n';
    const std::lock_guard lock(mutex_);
    if (lines_.size() == kCapacity) lines_.pop_front();
    lines_.push_back(std::move(line));
}

std::string EventLog::one_line(std::string_view text) {
    return printable(text.substr(0, kLineLimit));
}

std::string EventLog::printable(std::string_view text) {
    std::string line(text);
    std::ranges::replace_if(
        line, [](unsigned char byte) { return byte < 0x20 || byte == 0x7f; }, '?');
    return line;
}

std::string EventLog::text() const {
    const std::lock_guard lock(mutex_);
    std::string all;
    for (const std::string& line : lines_) all += line;
    return all;
}

}  // namespace bandfs
