// cmd/log.h - where log lines go: the terminal with -f, the system log otherwise.
#pragma once

#include <string>

namespace bandfs {

/// A line that repeats within a few seconds is written once, and then how often it was left out. Thread-safe after the
/// call; call it once, before threads start.
void log_to_terminal();
void log_to_syslog();

/// 0: information and worse, 1: debug, 2: everything.
void set_log_level(unsigned level);

}  // namespace bandfs
