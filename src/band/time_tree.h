// band/time_tree.h - what waits, in order of a time of its own.
#pragma once

#include <boost/intrusive/set.hpp>

#include "bandfs/unit.h"

namespace bandfs {

template <typename T, TimeNs T::*Key>
struct EarlierBy {
    bool operator()(const T& a, const T& b) const noexcept { return a.*Key < b.*Key; }
};

/// A tree of T, which has a set_base_hook, the smallest `Key` first. That must not change while it is in the tree.
template <typename T, TimeNs T::*Key>
using TimeTree = boost::intrusive::multiset<T, boost::intrusive::compare<EarlierBy<T, Key>>,
                                            boost::intrusive::constant_time_size<false>>;

}  // namespace bandfs
