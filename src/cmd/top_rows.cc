#include "cmd/top_rows.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include <nlohmann/json.hpp>

namespace bandfs {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kBar = 10, kNarrowBar = 5;  // characters of the bar
constexpr std::size_t kFewestColumns = 80;
constexpr std::size_t kWideColumns = 104;  // from here on the wide table fits
constexpr double kSlightly = 1.05;         // so much above its share a group counts as ahead

std::uint64_t count(const Json& json, const char* key) {
    const auto at = json.find(key);
    return at != json.end() && at->is_number_unsigned() ? at->get<std::uint64_t>() : 0;
}

double number(const Json& json, const char* key, double otherwise) {
    const auto at = json.find(key);
    return at != json.end() && at->is_number() ? at->get<double>() : otherwise;
}

std::string text(const Json& json, const char* key) {
    const auto at = json.find(key);
    return at != json.end() && at->is_string() ? at->get<std::string>() : "";
}

bool truth(const Json& json, const char* key) {
    const auto at = json.find(key);
    return at != json.end() && at->is_boolean() && at->get<bool>();
}

TopGroup group_of(const Json& json, const Json& device_group, const std::string& mount) {
    TopGroup group{.mount = mount,
                   .name = text(json, "name"),
                   .device_group = text(device_group, "name"),
                   .weight = count(json, "weight")};
    group.wanted = number(json, "share_wanted", 0);
    group.in_flight = count(json, "in_flight");
    group.held = count(json, "held");
    group.wait_p50_s = number(json, "wait_p50_seconds", std::numeric_limits<double>::infinity());
    group.wait_p99_s = number(json, "wait_p99_seconds", std::numeric_limits<double>::infinity());
    group.plugged = truth(device_group, "plugged");
    group.out_of_tokens = text(device_group, "policy") == "weight" && number(json, "tokens", 1) <= 0;
    group.going_down = truth(json, "going_down");
    const Json read = json.value("read", Json::object()), write = json.value("write", Json::object());
    group.counters = {count(read, "bytes_done"), count(write, "bytes_done"), count(read, "units"),
                      count(write, "units")};
    return group;
}

/// The growth of a counter; all of it when it was reset in between.
std::uint64_t grown(std::uint64_t before, std::uint64_t now) {
    return now >= before ? now - before : now;
}

std::string why_held(const TopRow& row) {
    if (row.group.held == 0) return "";
    if (row.group.going_down) return "drain";
    if (row.group.plugged) return "limit";
    if (row.group.out_of_tokens) return "tokens";
    return row.got > row.group.wanted * kSlightly ? "ahead" : "turn";
}

/// "12.3", "123", "1.2k": at most five characters.
std::string brief(double value) {
    char buffer[32];
    if (value < 100) {
        std::snprintf(buffer, sizeof buffer, "%.1f", value);
    } else if (value < 10000) {
        std::snprintf(buffer, sizeof buffer, "%.0f", value);
    } else {
        std::snprintf(buffer, sizeof buffer, value < 1e6 ? "%.0fk" : "%.0fM", value / (value < 1e6 ? 1e3 : 1e6));
    }
    return buffer;
}

/// "9999", "10k": at most four characters below a billion.
std::string brief_count(std::uint64_t count) {
    return count < 10'000 ? std::to_string(count) : brief(static_cast<double>(count));
}

/// "0", "16us", "1.0ms", "16ms", "2.1s", ">17s": at most five characters.
std::string brief_time(double seconds) {
    char buffer[32];
    if (std::isinf(seconds)) return ">17s";
    if (seconds <= 0) return "0";
    if (seconds < 0.9995e-3)
        std::snprintf(buffer, sizeof buffer, "%.0fus", seconds * 1e6);
    else if (seconds < 0.9995)
        std::snprintf(buffer, sizeof buffer, seconds < 9.95e-3 ? "%.1fms" : "%.0fms", seconds * 1e3);
    else
        std::snprintf(buffer, sizeof buffer, "%.1fs", seconds);
    return buffer;
}

std::string percent(double share) {
    char buffer[16];
    std::snprintf(buffer, sizeof buffer, "%.0f%%", share * 100);
    return buffer;
}

/// What was got as '#', up to the share wanted as '.', beyond it as '+'.
std::string bar(double wanted, double got, std::size_t length) {
    const auto cells = [length](double share) {
        return static_cast<std::size_t>(std::lround(std::clamp(share, 0.0, 1.0) * static_cast<double>(length)));
    };
    const std::size_t want = cells(wanted), have = cells(got);
    std::string line;
    for (std::size_t i = 0; i < length; ++i) line += i < have ? (i < want ? '#' : '+') : (i < want ? '.' : ' ');
    return line;
}

/// Cut at a whole UTF-8 character, or padded, to so many columns (wide characters count as one).
std::string fitted(const std::string& word, std::size_t width) {
    std::string line;
    std::size_t columns = 0;
    for (std::size_t i = 0; i < word.size(); ++i) {
        const auto byte = static_cast<unsigned char>(word[i]);
        const bool continues = (byte & 0xc0) == 0x80;
        if (!continues && columns == width) break;
        columns += continues ? 0 : 1;
        line += byte < ' ' || byte == 0x7f ? '?' : word[i];
    }
    return line + std::string(width - std::min(columns, width), ' ');
}

std::string right(const std::string& word, std::size_t width) {
    return word.size() >= width ? word : std::string(width - word.size(), ' ') + word;
}

/// One row of words in the table's columns.
struct Words {
    std::string name, weight, want, got, bar, read, write, read_io, write_io, flight, held, p50, p99, why, mount;
};

std::string in_columns(const Words& w, std::size_t columns) {
    if (columns < kWideColumns) {
        return fitted(w.name, 9 + columns - kFewestColumns) + right(w.weight, 8) + right(w.want, 5) + right(w.got, 5) +
               " " + fitted(w.bar, kNarrowBar) + right(w.read, 6) + right(w.write, 6) + right(w.read_io, 6) +
               right(w.write_io, 6) + right(w.held, 5) + right(w.p50, 6) + right(w.p99, 6) + " " + fitted(w.why, 5);
    }
    return fitted(w.name, 16) + " " + right(w.weight, 7) + right(w.want, 5) + right(w.got, 5) + " " +
           fitted(w.bar, kBar) + right(w.read, 6) + right(w.write, 6) + right(w.read_io, 6) + right(w.write_io, 6) +
           right(w.flight, 5) + right(w.held, 6) + right(w.p50, 7) + right(w.p99, 7) + " " + fitted(w.why, 6) + " " +
           fitted(w.mount, columns - kWideColumns + 2);
}

}  // namespace

bool add_status(std::string_view status_json, TopSample& sample) {
    const Json json = Json::parse(status_json, nullptr, false);
    if (!json.is_object() || !json.contains("groups") || !json["groups"].is_array()) return false;
    const Json device_group = json.value("device_group", Json::object());
    for (const Json& group : json["groups"]) {
        if (group.is_object()) sample.groups.push_back(group_of(group, device_group, text(json, "mountpoint")));
    }
    return true;
}

std::vector<TopRow> rows_between(const TopSample& before, const TopSample& now) {
    const auto key = [](const TopGroup& group) { return group.mount + '\0' + group.name; };
    std::map<std::string, TopCounters> old;
    for (const TopGroup& group : before.groups) old[key(group)] = group.counters;

    const double seconds = std::max(now.taken_s - before.taken_s, 1e-6);
    std::map<std::string, double> total;  // bytes by device group
    std::vector<TopRow> rows;
    for (const TopGroup& group : now.groups) {
        const TopCounters& was = old[key(group)];
        const TopCounters& is = group.counters;
        const auto read = static_cast<double>(grown(was.read_bytes, is.read_bytes));
        const auto write = static_cast<double>(grown(was.write_bytes, is.write_bytes));
        TopRow row{.group = group, .got = read + write};
        row.read_mb_s = read / seconds / 1e6;
        row.write_mb_s = write / seconds / 1e6;
        row.read_io_s = static_cast<double>(grown(was.read_units, is.read_units)) / seconds;
        row.write_io_s = static_cast<double>(grown(was.write_units, is.write_units)) / seconds;
        total[group.device_group] += read + write;
        rows.push_back(std::move(row));
    }
    for (TopRow& row : rows) {
        const double all = total[row.group.device_group];
        row.got = all > 0 ? row.got / all : 0;
        row.why_held = why_held(row);
    }
    return rows;
}

TopOrder next(TopOrder order) {
    return order == TopOrder::wait ? TopOrder::attachment : static_cast<TopOrder>(static_cast<int>(order) + 1);
}

std::string_view name_of(TopOrder order) {
    constexpr std::string_view kNames[] = {"attachment", "name", "weight", "share", "rate", "held", "wait"};
    return kNames[static_cast<std::size_t>(order)];
}

std::vector<TopRow> arranged(std::vector<TopRow> rows, TopOrder order, std::string_view filter) {
    std::erase_if(rows, [&](const TopRow& row) {
        return row.group.name.find(filter) == std::string::npos && row.group.mount.find(filter) == std::string::npos;
    });
    const auto value = [order](const TopRow& row) -> double {
        switch (order) {
            case TopOrder::weight:
                return static_cast<double>(row.group.weight);
            case TopOrder::got:
                return row.got;
            case TopOrder::rate:
                return row.read_mb_s + row.write_mb_s;
            case TopOrder::held:
                return static_cast<double>(row.group.held);
            case TopOrder::wait:
                return row.group.wait_p99_s;
            case TopOrder::attachment:
            case TopOrder::name:
                return 0;
        }
        return 0;
    };
    std::stable_sort(rows.begin(), rows.end(), [&](const TopRow& a, const TopRow& b) {
        return order == TopOrder::name ? a.group.name < b.group.name : value(a) > value(b);
    });
    return rows;
}

std::string heading(std::size_t columns) {
    return in_columns({"GROUP", "WEIGHT", "WANT", "GOT", "", "rMB/s", "wMB/s", "rIO/s", "wIO/s", "FLY", "HELD", "p50",
                       "p99", "WHY", "MOUNT"},
                      std::max(columns, kFewestColumns));
}

std::string table_line(const TopRow& row, std::size_t columns) {
    const TopGroup& group = row.group;
    const std::size_t length = columns < kWideColumns ? kNarrowBar : kBar;
    return in_columns(
        {group.name, std::to_string(group.weight), percent(group.wanted), percent(row.got),
         bar(group.wanted, row.got, length), brief(row.read_mb_s), brief(row.write_mb_s), brief(row.read_io_s),
         brief(row.write_io_s), brief_count(group.in_flight), brief_count(group.held), brief_time(group.wait_p50_s),
         brief_time(group.wait_p99_s), row.why_held, group.mount},
        std::max(columns, kFewestColumns));
}

std::string rows_json(const std::vector<TopRow>& rows) {
    nlohmann::ordered_json all = nlohmann::ordered_json::array();
    const auto seconds = [](double wait) {
        return std::isinf(wait) ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(wait);
    };
    for (const TopRow& row : rows) {
        all.push_back({{"mount", row.group.mount},
                       {"group", row.group.name},
                       {"device_group", row.group.device_group},
                       {"weight", row.group.weight},
                       {"share_wanted", row.group.wanted},
                       {"share_got", row.got},
                       {"read_mb_per_second", row.read_mb_s},
                       {"write_mb_per_second", row.write_mb_s},
                       {"read_units_per_second", row.read_io_s},
                       {"write_units_per_second", row.write_io_s},
                       {"in_flight", row.group.in_flight},
                       {"held", row.group.held},
                       {"wait_p50_seconds", seconds(row.group.wait_p50_s)},
                       {"wait_p99_seconds", seconds(row.group.wait_p99_s)},
                       {"why_held", row.why_held}});
    }
    return all.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace bandfs
