#include "cmd/privileges.h"

#include <linux/capability.h>
#include <sys/stat.h>

#include <spdlog/spdlog.h>

#include "cmd/outcome.h"
#include "sys/daemon.h"
#include "sys/identity.h"
#include "sys/tuning.h"

namespace bandfs {

void settle_process() {
    ::umask(0);
    raise_descriptor_limit();
    lift_file_size_limit();
    (void)become_io_flusher();   // needs CAP_SYS_RESOURCE, and is a precaution
    (void)prepare_identities();  // needs CAP_SETPCAP; who cannot take on others' has no other callers
    // CAP_SYS_RESOURCE is not among them, so that disk quotas hold for what callers write.
    const Status kept = keep_only_capabilities({
        CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_FSETID,  // files of all callers
        CAP_SETUID, CAP_SETGID,                                                    // new files get the caller's owner
        CAP_MKNOD, CAP_LINUX_IMMUTABLE, CAP_SETFCAP,
        CAP_SYS_ADMIN,   // trusted extended attributes, unmounting, max_background
        CAP_SYS_PTRACE,  // which program a caller runs
    });
    if (!kept) spdlog::warn("capabilities are kept: {}", words_of(kept.error()));
}

}  // namespace bandfs
