// sim/strict_table.h - reads a TOML table whose every key must be known.
#pragma once

#include <concepts>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <toml++/toml.h>

#include "bandfs/unit.h"

namespace bandfs::sim {

/// Takes values out of a table. What has not been taken when finish() is called is an unknown key. All errors are
/// ScenarioError with file, line and column.
class StrictTable {
public:
    StrictTable(const toml::table& table, std::string file) : table_(table), file_(std::move(file)) {}

    void take(std::string_view key, std::string& into);
    void take(std::string_view key, bool& into);
    void take(std::string_view key, double& into);
    void take_duration(std::string_view key, TimeNs& into);
    void take_bytes(std::string_view key, double& into);
    void take_sizes(std::string_view key, std::vector<std::uint32_t>& into);

    template <std::unsigned_integral T>
    void take(std::string_view key, T& into) {
        if (const auto value = take_integer(key, std::numeric_limits<T>::max())) into = static_cast<T>(*value);
    }
    template <std::unsigned_integral T>
    void take_bytes(std::string_view key, T& into) {
        double value = static_cast<double>(into);
        take_bytes(key, value);
        into = static_cast<T>(value);
    }
    template <typename T>
    void take(std::string_view key, std::optional<T>& into) {
        if (T value{}; table_.contains(key)) take(key, value), into = value;
    }
    void take_duration(std::string_view key, std::optional<TimeNs>& into) {
        if (TimeNs value{}; table_.contains(key)) take_duration(key, value), into = value;
    }
    template <typename T>
    void take_bytes(std::string_view key, std::optional<T>& into) {
        if (T value{}; table_.contains(key)) take_bytes(key, value), into = value;
    }

    /// The tables of an array of tables, or of a single table.
    std::vector<StrictTable> take_tables(std::string_view key);

    void finish() const;
    unsigned line() const { return table_.source().begin.line; }
    [[noreturn]] void fail(std::string_view message) const { fail_at(table_, message); }
    [[noreturn]] void fail(std::string_view key, std::string_view message) const;
    /// The table in one line, as it could have been written.
    std::string text() const;

private:
    const toml::node* node(std::string_view key);
    std::optional<std::uint64_t> take_integer(std::string_view key, std::uint64_t max);
    [[noreturn]] void fail_at(const toml::node& node, std::string_view message) const;

    const toml::table& table_;
    std::string file_;
    std::set<std::string, std::less<>> taken_;
};

}  // namespace bandfs::sim
