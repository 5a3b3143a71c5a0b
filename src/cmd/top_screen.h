// cmd/top_screen.h - the live view of `bandfs top`.
#pragma once

#include <functional>

#include "cmd/top_rows.h"

namespace bandfs {

/// How the view ended.
enum class TopEnd {
    left,         ///< the user did
    over,         ///< `sample` says that there is nothing more to show
    interrupted,  ///< by SIGINT or SIGTERM
    unusable,     ///< the terminal cannot place text
};

/// Shows the table, with one sample per second. Keys: s sort, / filter, space or p pause, the arrows, j, k and the page
/// keys scroll, q quit. Without colour when NO_COLOR is set or the terminal has none.
TopEnd show_top(const std::function<bool(TopSample& ret)>& sample);

}  // namespace bandfs
