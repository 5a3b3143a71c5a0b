// disk/kept_privileges.h - what a file lets who executes it do, kept through what is written to it.
#pragma once

#include <mutex>
#include <optional>

#include "sys/file_capabilities.h"
#include "sys/setid.h"

namespace bandfs {

/// The set-id bits and capabilities of one file. A store to a shared mapping takes neither off, but our write of it
/// does. Such writes may be under way side by side, and the later would find none: what is kept is what the first of
/// them found, and the last one gives it back. Thread-safe.
class KeptPrivileges {
public:
    /// For as long as a write is under way.
    class Hold {
    public:
        Hold(KeptPrivileges& of, int fd) : of_(of) { of_.begin(fd); }
        ~Hold() { of_.end(); }
        Hold(const Hold&) = delete;
        Hold& operator=(const Hold&) = delete;

    private:
        KeptPrivileges& of_;
    };

private:
    void begin(int fd);
    void end();

    std::mutex mutex_;
    unsigned writes_ = 0;  ///< guarded, as what follows
    std::optional<SetidKeeper> bits_;
    std::optional<FileCapabilities> capabilities_;
};

}  // namespace bandfs
