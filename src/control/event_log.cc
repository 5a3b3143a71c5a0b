// control/event_log.cc
#include "control/event_log.h"

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
    std::string line = time_stamp();
    for (const char c : text.substr(0, kLineLimit)) {
        const auto byte = static_cast<unsigned char>(c);
        line += byte < 0x20 || byte == 0x7f ? '?' : c;
    }
    line += '\n';
    const std::lock_guard lock(mutex_);
    if (lines_.size() == kCapacity) lines_.pop_front();
    lines_.push_back(std::move(line));
}

std::string EventLog::text() const {
    const std::lock_guard lock(mutex_);
    std::string all;
    for (const std::string& line : lines_) all += line;
    return all;
}

}  // namespace bandfs
