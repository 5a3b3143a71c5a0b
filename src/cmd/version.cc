#include "cmd/version.h"

namespace bandfs {

std::string version_text() {
    return "bandfs " BANDFS_VERSION " (libfuse " BANDFS_LIBFUSE_VERSION ")\n";
}

}  // namespace bandfs
