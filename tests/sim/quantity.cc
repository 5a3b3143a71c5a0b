#include "quantity.h"

#include <array>
#include <charconv>
#include <cmath>
#include <utility>

namespace bandfs::sim {
namespace {

using Suffix = std::pair<std::string_view, double>;

template <std::size_t N>
std::optional<double> parse_scaled(std::string_view text, const std::array<Suffix, N>& suffixes) {
    double number = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (failure != std::errc{} || number < 0 || !std::isfinite(number)) return std::nullopt;
    std::string_view suffix = text.substr(static_cast<std::size_t>(end - text.data()));
    while (suffix.starts_with(' ')) suffix.remove_prefix(1);
    for (const auto& [name, factor] : suffixes) {
        if (suffix == name) return number * factor;
    }
    return std::nullopt;
}

}  // namespace

std::optional<TimeNs> parse_duration(std::string_view text) {
    static constexpr std::array<Suffix, 6> kSuffixes{
        {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"min", 60e9}, {"h", 3600e9}}};
    const auto value = parse_scaled(text, kSuffixes);
    if (!value) return std::nullopt;
    return static_cast<TimeNs>(std::llround(*value));
}

std::optional<double> parse_bytes(std::string_view text) {
    static constexpr double kKi = 1024, kMi = kKi * 1024, kGi = kMi * 1024;
    static constexpr std::array<Suffix, 11> kSuffixes{{{"", 1},
                                                       {"B", 1},
                                                       {"K", kKi},
                                                       {"M", kMi},
                                                       {"G", kGi},
                                                       {"KiB", kKi},
                                                       {"MiB", kMi},
                                                       {"GiB", kGi},
                                                       {"kB", 1e3},
                                                       {"MB", 1e6},
                                                       {"GB", 1e9}}};
    if (text.ends_with("/s")) text.remove_suffix(2);
    return parse_scaled(text, kSuffixes);
}

}  // namespace bandfs::sim
