#include "cmd/log.h"

#include <syslog.h>

#include <chrono>
#include <memory>

#include <spdlog/sinks/dup_filter_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/sinks/syslog_sink.h>
#include <spdlog/spdlog.h>

namespace bandfs {
namespace {

constexpr std::chrono::seconds kRepeatWindow{10};

void log_through(spdlog::sink_ptr sink, const std::string& pattern) {
    sink->set_pattern(pattern);
    auto filter = std::make_shared<spdlog::sinks::dup_filter_sink_mt>(kRepeatWindow);
    filter->add_sink(std::move(sink));
    auto logger = std::make_shared<spdlog::logger>("bandfs", std::move(filter));
    logger->flush_on(spdlog::level::trace);
    spdlog::set_default_logger(std::move(logger));
}

}  // namespace

void log_to_terminal() {
    log_through(std::make_shared<spdlog::sinks::stderr_color_sink_mt>(), "%H:%M:%S.%e %^%l%$ %v");
}

void log_to_syslog() {
    log_through(std::make_shared<spdlog::sinks::syslog_sink_mt>("bandfs", LOG_PID, LOG_DAEMON, true), "%v");
}

void set_log_level(unsigned level) {
    const auto wanted = level == 0 ? spdlog::level::info : level == 1 ? spdlog::level::debug : spdlog::level::trace;
    spdlog::set_level(wanted);
}

}  // namespace bandfs
