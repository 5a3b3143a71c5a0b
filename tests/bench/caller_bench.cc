// What it costs to know the caller, with 10,000 live threads that ask in a random order as fast as they can: the
// average includes looking again at each of them when what is known has become too old.
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <vector>

#include <benchmark/benchmark.h>

#include "caller/resolver.h"

namespace bandfs {
namespace {

constexpr int kCallers = 10'000;

/// Threads that do nothing until the program ends.
class IdleThreads {
public:
    IdleThreads() {
        pthread_attr_t small{};
        ::pthread_attr_init(&small);
        ::pthread_attr_setstacksize(&small, 32 * 1024);
        for (int made = 0; made < kCallers; ++made) {
            pthread_t thread{};
            if (::pthread_create(&thread, &small, live, this) != 0) break;
            ::pthread_detach(thread);
        }
        while (told_.load() < kCallers) ::sched_yield();
        ::pthread_attr_destroy(&small);
    }
    const std::vector<pid_t>& tids() const { return tids_; }

private:
    static void* live(void* self) {
        auto* threads = static_cast<IdleThreads*>(self);
        threads->tids_[static_cast<std::size_t>(threads->place_++)] = ::gettid();
        ++threads->told_;
        while (true) ::pause();
    }
    std::vector<pid_t> tids_ = std::vector<pid_t>(kCallers);
    std::atomic<int> place_ = 0;
    std::atomic<int> told_ = 0;
};

const std::vector<pid_t>& callers() {
    static auto* threads = new IdleThreads;  // for as long as they live
    return threads->tids();
}

/// As the daemon does: a resolver for that many callers needs four times the descriptors.
std::unique_ptr<Resolver> resolver_with_descriptors() {
    rlimit enough{65'536, 65'536};  // as root
    if (::setrlimit(RLIMIT_NOFILE, &enough) == 0) return Resolver::create();
    ::getrlimit(RLIMIT_NOFILE, &enough);
    enough.rlim_cur = enough.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &enough);
    return Resolver::create();
}

void resolve(benchmark::State& state, const char* type_name) {
    const auto resolver = resolver_with_descriptors();
    const GroupType type = *group_type_named(type_name);
    const std::vector<pid_t>& tids = callers();
    std::uint32_t random = 1;
    for (const pid_t tid : tids) benchmark::DoNotOptimize(resolver->resolve(type, {tid, 1, 1}));
    for (auto _ : state) {
        random = random * 1'664'525U + 1'013'904'223U;
        const pid_t tid = tids[(random >> 8U) % tids.size()];
        benchmark::DoNotOptimize(resolver->resolve(type, {tid, 1, 1}));
    }
}
BENCHMARK_CAPTURE(resolve, user, "user");
BENCHMARK_CAPTURE(resolve, pgrp, "pgrp");
BENCHMARK_CAPTURE(resolve, pid, "pid");
BENCHMARK_CAPTURE(resolve, node, "node");
BENCHMARK_CAPTURE(resolve, cgroup, "cgroup");
BENCHMARK_CAPTURE(resolve, cgroup_v1, "cgroup:memory");
BENCHMARK_CAPTURE(resolve, cpuset, "cpuset");

void lineage(benchmark::State& state) {
    const auto resolver = resolver_with_descriptors();
    const auto id = resolver->resolve(GroupType::cgroup, {::gettid(), 1, 1});
    for (auto _ : state) benchmark::DoNotOptimize(resolver->lineage(GroupType::cgroup, id.value_or(1)));
}
BENCHMARK(lineage);

void dying(benchmark::State& state) {
    const auto resolver = resolver_with_descriptors();
    const std::vector<pid_t>& tids = callers();
    std::size_t next = 0;
    for (auto _ : state) benchmark::DoNotOptimize(resolver->dying(tids[next++ % tids.size()]));
}
BENCHMARK(dying);

}  // namespace
}  // namespace bandfs

BENCHMARK_MAIN();
