#include "strict_table.h"

#include <sstream>

#include "quantity.h"
#include "scenario.h"

namespace bandfs::sim {

const toml::node* StrictTable::node(std::string_view key) {
    taken_.emplace(key);
    return table_.get(key);
}

void StrictTable::fail_at(const toml::node& node, std::string_view message) const {
    std::ostringstream text;
    text << file_ << ':' << node.source().begin.line << ':' << node.source().begin.column << ": " << message;
    throw ScenarioError(text.str());
}

void StrictTable::fail(std::string_view key, std::string_view message) const {
    const toml::node* const found = table_.get(key);
    fail_at(found ? *found : table_, std::string(key) + ": " + std::string(message));
}

void StrictTable::take(std::string_view key, std::string& into) {
    const toml::node* const found = node(key);
    if (!found) return;
    if (!found->is_string()) fail(key, "a string is wanted");
    into = found->as_string()->get();
}

void StrictTable::take(std::string_view key, bool& into) {
    const toml::node* const found = node(key);
    if (!found) return;
    if (!found->is_boolean()) fail(key, "true or false is wanted");
    into = found->as_boolean()->get();
}

void StrictTable::take(std::string_view key, double& into) {
    const toml::node* const found = node(key);
    if (!found) return;
    const auto value = found->value<double>();
    if (!found->is_number() || *value < 0) fail(key, "a number that is not negative is wanted");
    into = *value;
}

void StrictTable::take_duration(std::string_view key, TimeNs& into) {
    std::string text;
    if (take(key, text); !table_.contains(key)) return;
    const auto value = parse_duration(text);
    if (!value) fail(key, "a duration such as \"2ms\" is wanted");
    into = *value;
}

void StrictTable::take_bytes(std::string_view key, double& into) {
    const toml::node* const found = node(key);
    if (!found) return;
    if (found->is_number()) return take(key, into);
    std::string text;
    take(key, text);
    const auto value = parse_bytes(text);
    if (!value) fail(key, "a number of bytes such as \"128KiB\" or \"40MB/s\" is wanted");
    into = *value;
}

void StrictTable::take_sizes(std::string_view key, std::vector<std::uint32_t>& into) {
    const toml::node* const found = node(key);
    if (!found) return;
    into.clear();
    if (const toml::array* const list = found->as_array()) {
        for (const toml::node& each : *list) {
            const auto value = each.is_string() ? parse_bytes(each.as_string()->get()) : each.value<double>();
            if (!value) fail_at(each, "a number of bytes is wanted");
            into.push_back(static_cast<std::uint32_t>(*value));
        }
    } else {
        double value = 0;
        take_bytes(key, value);
        into.push_back(static_cast<std::uint32_t>(value));
    }
    for (std::uint32_t size : into) {
        if (size == 0) fail(key, "a size of 0");
    }
    if (into.empty()) fail(key, "a size is wanted");
}

std::optional<std::uint64_t> StrictTable::take_integer(std::string_view key, std::uint64_t max) {
    const toml::node* const found = node(key);
    if (!found) return std::nullopt;
    if (!found->is_integer()) fail(key, "an integer is wanted");
    const std::int64_t value = found->as_integer()->get();
    if (value < 0 || static_cast<std::uint64_t>(value) > max) fail(key, "out of range");
    return static_cast<std::uint64_t>(value);
}

std::vector<StrictTable> StrictTable::take_tables(std::string_view key) {
    std::vector<StrictTable> tables;
    const toml::node* const found = node(key);
    if (!found) return tables;
    if (const toml::table* const single = found->as_table()) {
        tables.emplace_back(*single, file_);
    } else if (const toml::array* const list = found->as_array()) {
        for (const toml::node& each : *list) {
            if (!each.is_table()) fail_at(each, "a table is wanted");
            tables.emplace_back(*each.as_table(), file_);
        }
    } else {
        fail(key, "a table is wanted");
    }
    return tables;
}

void StrictTable::finish() const {
    for (const auto& [key, value] : table_) {
        if (taken_.contains(key.str())) continue;
        std::ostringstream text;
        text << file_ << ':' << key.source().begin.line << ':' << key.source().begin.column << ": unknown key '"
             << key.str() << "'";
        throw ScenarioError(text.str());
    }
}

std::string StrictTable::text() const {
    std::ostringstream text;
    text << toml::toml_formatter{table_};
    std::string line;
    for (char c : text.str()) line += c == '\n' ? ' ' : c;
    return line;
}

}  // namespace bandfs::sim
