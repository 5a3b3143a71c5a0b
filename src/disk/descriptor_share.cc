#include "disk/descriptor_share.h"

#include <fcntl.h>

#include "sys/daemon.h"

namespace bandfs {

DescriptorShare DescriptorShare::of_process() {
    return DescriptorShare(descriptor_limit());
}

bool DescriptorShare::has_room_for_file(int any) const {
    const UniqueFd next(::fcntl(any, F_DUPFD_CLOEXEC, 0));
    return next && next.get() < files_;
}

}  // namespace bandfs
