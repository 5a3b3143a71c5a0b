// sys/whole_file.h - a small file's text.
#pragma once

#include <cstddef>
#include <string>

#include "sys/result.h"

namespace bandfs {

/// All of a file. EFBIG when it is longer than `limit` bytes; never waits for a writer of a FIFO.
Result<std::string> read_whole_file(const std::string& path, std::size_t limit);

}  // namespace bandfs
