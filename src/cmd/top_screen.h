// cmd/top_screen.h - the live view of `bandfs top`.
#pragma once

#include <functional>

#include "cmd/top_rows.h"

namespace bandfs {

/// Shows the table until the user leaves (q) or `sample` says that there is nothing more to show; one sample per
/// second. Keys: s sort, / filter, space or p pause, q quit. Without colour when NO_COLOR is set or the terminal has
/// none. False when the terminal cannot be used.
bool show_top(const std::function<bool(TopSample& ret)>& sample);

}  // namespace bandfs
