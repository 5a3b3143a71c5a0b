// control/status.cc
#include "control/status.h"

#include <nlohmann/json.hpp>

namespace bandfs {
namespace {

using Json = nlohmann::ordered_json;

std::uint64_t bytes_done(const Statistics& statistics) {
    return statistics.of(Direction::read).bytes_done + statistics.of(Direction::write).bytes_done;
}

/// null for a wait beyond the last bucket.
Json seconds(TimeNs wait) {
    return wait == kNever ? Json(nullptr) : Json(static_cast<double>(wait) * 1e-9);
}

std::string seed_columns(const DirectionStatistics& counts) {
    return " " + std::to_string(counts.requests) + " " + std::to_string(counts.deferred) + " " +
           std::to_string(counts.sectors);
}

Json json_of(const DirectionStatistics& counts) {
    return {{"units", counts.requests},
            {"immediate", counts.requests - counts.deferred},
            {"deferred", counts.deferred},
            {"sectors", counts.sectors},
            {"bytes_done", counts.bytes_done}};
}

Json json_of(const GroupSnapshot& group, const MountSnapshot& snapshot) {
    const Shares shares = shares_of(group, snapshot);
    return {{"id", group.is_default ? Json(nullptr) : Json(group.id)},
            {"name", group.is_default ? "default" : describe_group_id(snapshot.type, group.id)},
            {"parent", group.parent ? Json(*group.parent) : Json(nullptr)},
            {"weight", group.weight},
            {"min", group.floor},
            {"max", group.ceiling},
            {"share_wanted", shares.wanted},
            {"share_got", shares.got},
            {"tokens", group.tokens},
            {"token_init", group.token_init},
            {"in_flight", group.issued},
            {"held", group.held},
            {"held_bytes", group.held_bytes},
            {"dirty_bytes", group.dirty_bytes},
            {"cached_reads", group.side_statistics.cached_reads},
            {"cached_bytes", group.side_statistics.cached_bytes},
            {"failures", group.side_statistics.failures},
            {"going_down", group.going_down},
            {"auto", group.is_auto},
            {"wait_p50_seconds", seconds(group.waits.percentile(50))},
            {"wait_p99_seconds", seconds(group.waits.percentile(99))},
            {"read", json_of(group.statistics.of(Direction::read))},
            {"write", json_of(group.statistics.of(Direction::write))}};
}

Json json_of_figures(const MountSnapshot& snapshot) {
    Json figures = Json::object();
    for (const PolicyFigure& figure : snapshot.figures) figures[std::string(figure.name)] = figure.value;
    return figures;
}

Json json_of_device_group(const MountInfo& info, const MountSnapshot& snapshot) {
    return {{"name", info.device_group},
            {"policy", snapshot.policy},
            {"policy_figures", json_of_figures(snapshot)},
            {"io_throttle", snapshot.io_throttle},
            {"io_limit", snapshot.io_limit},
            {"token", snapshot.token_base},
            {"held_max_bytes", snapshot.held_bytes_limit},
            {"epoch", snapshot.epoch},
            {"in_flight", snapshot.issued},
            {"held", snapshot.blocked},
            {"plugged", snapshot.plugged},
            {"waiting_requests", snapshot.gate.waiting},
            {"oldest_wait_seconds", seconds(snapshot.gate.oldest_wait_ns)},
            {"passed_over_age", snapshot.gate.passed_over_age},
            {"cancelled", snapshot.gate.cancelled},
            {"workers", snapshot.gate.workers},
            {"busy_workers", snapshot.gate.busy_workers},
            {"read", json_of(snapshot.device_statistics.of(Direction::read))},
            {"write", json_of(snapshot.device_statistics.of(Direction::write))}};
}

}  // namespace

std::string status_text(const MountInfo& info, const MountSnapshot& snapshot) {
    std::string text = "devgrp=" + info.device_group + " # read-req delay sect write-req delay sect\n";
    for (const GroupSnapshot& group : snapshot.groups) {
        text += " " + id_text(group) + seed_columns(group.statistics.of(Direction::read)) +
                seed_columns(group.statistics.of(Direction::write)) + "\n";
    }
    return text;
}

std::string table_text(const MountInfo& info, const MountSnapshot& snapshot) {
    std::string text = info.device + " devgrp=" + info.device_group +
                       " io_throttle=" + std::to_string(snapshot.io_throttle) +
                       " io_limit=" + std::to_string(snapshot.io_limit) + "\n";
    for (const GroupSnapshot& group : snapshot.groups) {
        text += " id=" + id_text(group);
        if (group.is_default) text += " type=" + std::string(name_of(snapshot.type));
        text += " weight=" + std::to_string(group.weight) + " token=" + std::to_string(group.token_init) + "\n";
    }
    return text;
}

std::string status_json(const MountInfo& info, const MountSnapshot& snapshot) {
    Json groups = Json::array();
    for (const GroupSnapshot& group : snapshot.groups) groups.push_back(json_of(group, snapshot));
    const Json all = {{"source", info.source},
                      {"mountpoint", info.mountpoint},
                      {"device", info.device},
                      {"owner", info.owner},
                      {"type", name_of(snapshot.type)},
                      {"device_group", json_of_device_group(info, snapshot)},
                      {"groups", groups},
                      {"auto", snapshot.auto_weight},
                      {"auto_max", snapshot.auto_max},
                      {"auto_groups", snapshot.auto_groups},
                      {"auto_turned_away", snapshot.auto_turned_away},
                      {"unattributed", snapshot.unattributed},
                      {"cached_reads", snapshot.cached_reads},
                      {"cached_bytes", snapshot.cached_bytes},
                      {"waited_writes", snapshot.waited_writes},
                      {"mapped_writes", snapshot.mapped_writes},
                      {"passed_over_memory", snapshot.passed_over_memory},
                      {"transport", snapshot.rings ? "io_uring" : "dev"},
                      {"write_back", info.write_back},
                      {"writeback_errors", snapshot.writeback_errors},
                      {"dirty_bytes", snapshot.dirty_bytes},
                      {"dirty_bound", snapshot.dirty_bound}};
    // A path may hold any bytes; JSON may not.
    return all.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string group_stat_text(const GroupSnapshot& group) {
    std::string text = "in_flight " + std::to_string(group.issued) + "\nheld " + std::to_string(group.held) +
                       "\nheld_bytes " + std::to_string(group.held_bytes) + "\ndirty_bytes " +
                       std::to_string(group.dirty_bytes) + "\ncached_reads " +
                       std::to_string(group.side_statistics.cached_reads) + "\ncached_bytes " +
                       std::to_string(group.side_statistics.cached_bytes) + "\nfailures " +
                       std::to_string(group.side_statistics.failures) + "\n";
    for (const Direction direction : {Direction::read, Direction::write}) {
        const DirectionStatistics& counts = group.statistics.of(direction);
        const std::string prefix = direction == Direction::read ? "read." : "write.";
        text += prefix + "units " + std::to_string(counts.requests) + "\n";
        text += prefix + "immediate " + std::to_string(counts.requests - counts.deferred) + "\n";
        text += prefix + "deferred " + std::to_string(counts.deferred) + "\n";
        text += prefix + "sectors " + std::to_string(counts.sectors) + "\n";
        text += prefix + "bytes_done " + std::to_string(counts.bytes_done) + "\n";
    }
    return text;
}

Shares shares_of(const GroupSnapshot& group, const MountSnapshot& snapshot) {
    Shares shares{.wanted = group.share_wanted};
    const std::uint64_t total_bytes = bytes_done(snapshot.device_statistics);
    if (total_bytes != 0) {
        shares.got = static_cast<double>(bytes_done(group.statistics)) / static_cast<double>(total_bytes);
    }
    return shares;
}

}  // namespace bandfs
