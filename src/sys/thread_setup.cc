#include "sys/thread_setup.h"

#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>

#include "sys/identity.h"

namespace bandfs {
namespace {

/// Where a thread may run. Machines of more than 1024 processors are not known.
cpu_set_t processors_of_thread() {
    cpu_set_t set;
    CPU_ZERO(&set);
    ::sched_getaffinity(0, sizeof set, &set);
    return set;
}

/// A thread that is kept on one processor hands that down to those that it starts.
void run_anywhere() {
    static const cpu_set_t of_process = processors_of_thread();  // the first that asks is kept nowhere yet
    const cpu_set_t own = processors_of_thread();
    if (CPU_COUNT(&own) == 1 && CPU_COUNT(&of_process) > 1) ::sched_setaffinity(0, sizeof of_process, &of_process);
}

}  // namespace

void keep_thread_on(unsigned processor) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    ::sched_setaffinity(0, sizeof set, &set);
}

void set_up_thread(const char* name) {
    constexpr unsigned long kTimerSlackNs = 1000;
    ::pthread_setname_np(::pthread_self(), name);
    ::prctl(PR_SET_TIMERSLACK, kTimerSlackNs, 0, 0, 0);
    act_as_oneself();
    run_anywhere();
}

}  // namespace bandfs
