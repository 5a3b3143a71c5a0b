#include "caller/node_map.h"

#include <algorithm>
#include <string>

#include "caller/task_text.h"

namespace bandfs {
namespace {

/// More than any kernel is built for (CONFIG_NODES_SHIFT, CONFIG_NR_CPUS).
constexpr std::size_t kNodes = 1024;
constexpr std::size_t kCpus = 65'536;

const std::string kNodeFolder = "/sys/devices/system/node/";

}  // namespace

NodeMap::NodeMap(ProcView& view) : view_(view) {
    const auto numbers = [&](const std::string& file, std::size_t most) {
        const Result<std::string> text = view_.read_file(kNodeFolder + file);
        return text ? parse_number_list(*text, most) : std::vector<unsigned>{};
    };
    std::vector<unsigned> with_memory = numbers("has_memory", kNodes);
    if (with_memory.empty()) with_memory = {0};
    if (with_memory.size() == 1) only_node_ = with_memory.front();
    for (const unsigned node : numbers("online", kNodes))
        for (const unsigned cpu : numbers("node" + std::to_string(node) + "/cpulist", kCpus)) {
            if (cpu >= kCpus) continue;
            node_of_cpu_.resize(std::max<std::size_t>(node_of_cpu_.size(), cpu + 1));
            node_of_cpu_[cpu] = node;
        }
}

std::optional<unsigned> NodeMap::node_of(pid_t tid) {
    if (only_node_) return only_node_;
    const Result<std::string> status = view_.read_task(tid, TaskFile::status);
    if (!status) return std::nullopt;
    const auto allowed = parse_number_list(status_value(*status, "Mems_allowed_list").value_or(""), 2);
    if (allowed.size() == 1) return allowed.front();
    const Result<std::string> text = view_.read_task(tid, TaskFile::stat);
    const auto stat = text ? parse_stat(*text) : std::nullopt;
    if (!stat || stat->cpu >= node_of_cpu_.size()) return std::nullopt;
    return node_of_cpu_[stat->cpu];
}

}  // namespace bandfs
