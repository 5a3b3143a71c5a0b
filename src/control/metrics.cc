// control/metrics.cc - one table row per metric; the text follows from it.
#include "control/metrics.h"

#include <array>
#include <charconv>
#include <utility>
#include <vector>

#include "control/status.h"

namespace bandfs {
namespace {

constexpr double kNanosecond = 1e-9;  // seconds

/// Exact up to 2^53, as everything is in Prometheus.
template <typename Integer>
double as_double(Integer value) {
    return static_cast<double>(value);
}

/// The shortest text that reads back as the same number.
std::string number_text(double value) {
    std::array<char, 32> text;
    const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
    return {text.data(), end};
}
std::string number_text(std::uint64_t value) {
    return std::to_string(value);
}

struct Head {
    std::string_view name;
    std::string_view type;
    std::string_view help;
};

/// A metric with one sample per mount.
struct MountMetric {
    Head head;
    double (*value)(const MountSnapshot& snapshot);
};

/// A metric with one sample per group.
struct GroupMetric {
    Head head;
    std::string (*value)(const GroupSnapshot& group, const MountSnapshot& snapshot);
};

/// A counter with one sample per group and direction.
struct DirectionMetric {
    Head head;
    std::uint64_t (*value)(const DirectionStatistics& counts);
};

constexpr std::array kMountMetrics{
    MountMetric{{"bandfs_io_throttle", "gauge", "Low mark of units in flight."},
                [](const MountSnapshot& s) { return as_double(s.io_throttle); }},
    MountMetric{{"bandfs_io_limit", "gauge", "High mark of units in flight."},
                [](const MountSnapshot& s) { return as_double(s.io_limit); }},
    MountMetric{{"bandfs_in_flight_units", "gauge", "Units of the device group that the disk is working on."},
                [](const MountSnapshot& s) { return as_double(s.issued); }},
    MountMetric{{"bandfs_held_units", "gauge", "Units of the device group that are held."},
                [](const MountSnapshot& s) { return as_double(s.blocked); }},
    MountMetric{{"bandfs_waiting_requests", "gauge", "Requests of the device group that wait."},
                [](const MountSnapshot& s) { return as_double(s.gate.waiting); }},
    MountMetric{{"bandfs_oldest_wait_seconds", "gauge", "How long the oldest of the waiting requests has waited."},
                [](const MountSnapshot& s) { return as_double(s.gate.oldest_wait_ns) * kNanosecond; }},
    MountMetric{
        {"bandfs_passed_over_age_total", "counter", "Requests that waited for the longest hold and then passed."},
        [](const MountSnapshot& s) { return as_double(s.gate.passed_over_age); }},
    MountMetric{{"bandfs_cancelled_requests_total", "counter", "Requests whose caller died while they waited."},
                [](const MountSnapshot& s) { return as_double(s.gate.cancelled); }},
    MountMetric{{"bandfs_plugged", "gauge", "1 while no unit is issued until the disk has drained to the low mark."},
                [](const MountSnapshot& s) { return as_double(s.plugged); }},
    MountMetric{{"bandfs_cached_reads_total", "counter", "Reads that the page cache answered, uncharged."},
                [](const MountSnapshot& s) { return as_double(s.cached_reads); }},
    MountMetric{{"bandfs_cached_bytes_total", "counter", "Bytes of reads that the page cache gave, uncharged."},
                [](const MountSnapshot& s) { return as_double(s.cached_bytes); }},
    MountMetric{{"bandfs_waited_writes_total", "counter", "Buffered writes that waited for their group's write-back."},
                [](const MountSnapshot& s) { return as_double(s.waited_writes); }},
    MountMetric{{"bandfs_mapped_writes_total", "counter",
                 "Write-back of shared mappings, charged to the group that opened the file."},
                [](const MountSnapshot& s) { return as_double(s.mapped_writes); }},
    MountMetric{
        {"bandfs_passed_over_memory_total", "counter", "Writes that passed since too much payload waited already."},
        [](const MountSnapshot& s) { return as_double(s.passed_over_memory); }},
    MountMetric{{"bandfs_writeback_errors_total", "counter", "Pieces of write-back that failed."},
                [](const MountSnapshot& s) { return as_double(s.writeback_errors); }},
    MountMetric{{"bandfs_dirty_bytes", "gauge", "Bytes that are written and not on the disk."},
                [](const MountSnapshot& s) { return as_double(s.dirty_bytes); }},
    MountMetric{
        {"bandfs_dirty_bound_bytes", "gauge",
         "What a group may have of them before its writers wait, or more on a fast disk if no dirty was given."},
        [](const MountSnapshot& s) { return as_double(s.dirty_bound); }},
    MountMetric{{"bandfs_auto_groups", "gauge", "Groups that came into being by themselves."},
                [](const MountSnapshot& s) { return as_double(s.auto_groups); }},
    MountMetric{{"bandfs_auto_turned_away_total", "counter", "Requests that found no room for a group of their own."},
                [](const MountSnapshot& s) { return as_double(s.auto_turned_away); }},
    MountMetric{{"bandfs_unattributed_requests_total", "counter", "Requests whose caller has no group id."},
                [](const MountSnapshot& s) { return as_double(s.unattributed); }},
};

constexpr std::array kGroupMetrics{
    GroupMetric{{"bandfs_group_weight", "gauge", "Weight of the group."},
                [](const GroupSnapshot& g, const MountSnapshot&) { return number_text(std::uint64_t{g.weight}); }},
    GroupMetric{{"bandfs_group_min_bytes_per_second", "gauge", "What the group is guaranteed; 0: nothing."},
                [](const GroupSnapshot& g, const MountSnapshot&) { return number_text(g.floor); }},
    GroupMetric{{"bandfs_group_max_bytes_per_second", "gauge", "What the group is held to; 0: no bound."},
                [](const GroupSnapshot& g, const MountSnapshot&) { return number_text(g.ceiling); }},
    GroupMetric{{"bandfs_group_share_wanted_ratio", "gauge", "Part of the disk that the weights grant the group."},
                [](const GroupSnapshot& g, const MountSnapshot& s) { return number_text(shares_of(g, s).wanted); }},
    GroupMetric{
        {"bandfs_group_share_got_ratio", "gauge", "Part that the group had of the bytes done since the last reset."},
        [](const GroupSnapshot& g, const MountSnapshot& s) { return number_text(shares_of(g, s).got); }},
    GroupMetric{{"bandfs_group_in_flight_units", "gauge", "Units of the group that the disk is working on."},
                [](const GroupSnapshot& g, const MountSnapshot&) { return number_text(std::uint64_t{g.issued}); }},
    GroupMetric{{"bandfs_group_held_units", "gauge", "Units of the group that are held."},
                [](const GroupSnapshot& g, const MountSnapshot&) { return number_text(std::uint64_t{g.held}); }},
    GroupMetric{{"bandfs_group_held_bytes", "gauge", "Bytes of the group's held units."},
                [](const GroupSnapshot& g, const MountSnapshot&) { return number_text(g.held_bytes); }},
    GroupMetric{{"bandfs_group_dirty_bytes", "gauge", "Bytes that the group has written and that are not on the disk."},
                [](const GroupSnapshot& g, const MountSnapshot&) { return number_text(g.dirty_bytes); }},
    GroupMetric{
        {"bandfs_group_cached_reads_total", "counter", "Reads of the group that the page cache answered."},
        [](const GroupSnapshot& g, const MountSnapshot&) { return number_text(g.side_statistics.cached_reads); }},
    GroupMetric{
        {"bandfs_group_cached_bytes_total", "counter", "Bytes that the page cache gave the group, uncharged."},
        [](const GroupSnapshot& g, const MountSnapshot&) { return number_text(g.side_statistics.cached_bytes); }},
    GroupMetric{{"bandfs_group_failures_total", "counter", "Reads, writes and write-backs of the group that failed."},
                [](const GroupSnapshot& g, const MountSnapshot&) { return number_text(g.side_statistics.failures); }},
};

constexpr std::array kDirectionMetrics{
    DirectionMetric{{"bandfs_group_units_total", "counter", "Units that arrived."},
                    [](const DirectionStatistics& c) { return c.requests; }},
    DirectionMetric{{"bandfs_group_immediate_units_total", "counter", "Units that were issued as they arrived."},
                    [](const DirectionStatistics& c) { return c.requests - c.deferred; }},
    DirectionMetric{{"bandfs_group_deferred_units_total", "counter", "Units that were held first."},
                    [](const DirectionStatistics& c) { return c.deferred; }},
    DirectionMetric{{"bandfs_group_bytes_total", "counter", "Bytes of completed units."},
                    [](const DirectionStatistics& c) { return c.bytes_done; }},
};

/// Collects the text; knows the labels that stand in every sample.
class Exposition {
public:
    Exposition(const MountInfo& info, const MountSnapshot& snapshot)
        : mount_labels_("mount=\"" + escaped_label(info.mountpoint) + "\",devgroup=\"" +
                        escaped_label(info.device_group) + "\"") {
        group_labels_.reserve(snapshot.groups.size());
        for (const GroupSnapshot& group : snapshot.groups) {
            const std::string name = group.is_default ? "default" : describe_group_id(snapshot.type, group.id);
            group_labels_.push_back(mount_labels_ + ",group=\"" + id_text(group) + "\",name=\"" + escaped_label(name) +
                                    "\"");
        }
    }

    void begin(const Head& head) {
        text_.append("# HELP ").append(head.name).append(" ").append(head.help).append("\n");
        text_.append("# TYPE ").append(head.name).append(" ").append(head.type).append("\n");
    }
    void sample(std::string_view name, const std::string& labels, const std::string& value) {
        text_.append(name).append("{").append(labels).append("} ").append(value).append("\n");
    }
    const std::string& mount_labels() const { return mount_labels_; }
    const std::string& group_labels(std::size_t group) const { return group_labels_[group]; }
    std::string take() { return std::move(text_); }

private:
    std::string mount_labels_;
    std::vector<std::string> group_labels_;  ///< in the order of the snapshot
    std::string text_;
};

void add_direction_metrics(Exposition& exposition, const MountSnapshot& snapshot) {
    for (const DirectionMetric& metric : kDirectionMetrics) {
        exposition.begin(metric.head);
        for (std::size_t i = 0; i < snapshot.groups.size(); ++i) {
            const Statistics& statistics = snapshot.groups[i].statistics;
            for (const Direction direction : {Direction::read, Direction::write}) {
                const char* const label = direction == Direction::read ? ",direction=\"read\"" : ",direction=\"write\"";
                exposition.sample(metric.head.name, exposition.group_labels(i) + label,
                                  number_text(metric.value(statistics.of(direction))));
            }
        }
    }
}

void add_policy_figures(Exposition& exposition, const MountSnapshot& snapshot) {
    if (snapshot.figures.empty()) return;
    constexpr std::string_view kName = "bandfs_policy_figure";
    exposition.begin({kName, "gauge", "What the policy has found or decided, by the name of the figure."});
    for (const PolicyFigure& figure : snapshot.figures) {
        const std::string labels = exposition.mount_labels() + ",policy=\"" + escaped_label(snapshot.policy) +
                                   "\",figure=\"" + escaped_label(figure.name) + "\"";
        exposition.sample(kName, labels, number_text(figure.value));
    }
}

/// The scheduler counts waits in buckets and keeps no sum; the middle of each bucket is close enough for an average.
void add_wait_histogram(Exposition& exposition, const MountSnapshot& snapshot) {
    constexpr std::string_view kName = "bandfs_group_wait_seconds";
    exposition.begin({kName, "histogram", "How long deferred units were held; the sum is estimated from the buckets."});
    const std::string name(kName);
    for (std::size_t i = 0; i < snapshot.groups.size(); ++i) {
        const WaitHistogram& waits = snapshot.groups[i].waits;
        const std::string& labels = exposition.group_labels(i);
        std::uint64_t below = 0;
        double sum = 0;
        double lower_bound = 0;
        for (std::size_t bucket = 0; bucket < WaitHistogram::kBuckets; ++bucket) {
            below += waits.count(bucket);
            const bool last = WaitHistogram::upper_bound(bucket) == kNever;
            const double upper_bound =
                last ? 2 * lower_bound : static_cast<double>(WaitHistogram::upper_bound(bucket)) * kNanosecond;
            sum += waits.count(bucket) * (lower_bound + upper_bound) / 2;
            lower_bound = upper_bound;
            const std::string bound = last ? "+Inf" : number_text(upper_bound);
            exposition.sample(name + "_bucket", labels + ",le=\"" + bound + "\"", number_text(below));
        }
        exposition.sample(name + "_sum", labels, number_text(sum));
        exposition.sample(name + "_count", labels, number_text(below));
    }
}

}  // namespace

std::string escaped_label(std::string_view value) {
    std::string escaped;
    for (const char c : value) {
        if (c == '\n') {
            escaped += "\\n";
            continue;
        }
        if (c == '\\' || c == '"') escaped += '\\';
        escaped += c;
    }
    return escaped;
}

std::string metrics_text(const MountInfo& info, const MountSnapshot& snapshot) {
    Exposition exposition(info, snapshot);
    for (const MountMetric& metric : kMountMetrics) {
        exposition.begin(metric.head);
        exposition.sample(metric.head.name, exposition.mount_labels(), number_text(metric.value(snapshot)));
    }
    for (const GroupMetric& metric : kGroupMetrics) {
        exposition.begin(metric.head);
        for (std::size_t i = 0; i < snapshot.groups.size(); ++i) {
            exposition.sample(metric.head.name, exposition.group_labels(i), metric.value(snapshot.groups[i], snapshot));
        }
    }
    add_policy_figures(exposition, snapshot);
    add_direction_metrics(exposition, snapshot);
    add_wait_histogram(exposition, snapshot);
    return exposition.take();
}

}  // namespace bandfs
