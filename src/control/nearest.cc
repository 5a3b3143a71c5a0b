#include "control/nearest.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace bandfs {
namespace {

/// Levenshtein's distance, one row of the table at a time.
std::size_t edits_between(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
        }
    }
    return row[b.size()];
}

}  // namespace

std::string nearest_name(std::string_view wanted, std::span<const std::string_view> names) {
    std::string_view best;
    std::size_t fewest = (wanted.size() + 1) / 2 + 1;  // more wrong than right is another word
    for (const std::string_view name : names) {
        const std::size_t edits = edits_between(wanted, name);
        if (edits < fewest) {
            fewest = edits;
            best = name;
        }
    }
    return std::string(best);
}

}  // namespace bandfs
