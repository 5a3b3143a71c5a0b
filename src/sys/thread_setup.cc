#include "sys/thread_setup.h"

#include <pthread.h>
#include <sys/prctl.h>

#include "sys/identity.h"

namespace bandfs {

void set_up_thread(const char* name) {
    constexpr unsigned long kTimerSlackNs = 1000;
    ::pthread_setname_np(::pthread_self(), name);
    ::prctl(PR_SET_TIMERSLACK, kTimerSlackNs, 0, 0, 0);
    act_as_oneself();
}

}  // namespace bandfs
