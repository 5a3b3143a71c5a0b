// tests/mount/rig.h - a file system made for a test, and bandfs mounted over a part of it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace bandfs::mount_test {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;  // memory says nothing, and who is slow looks as if he slept in the disk
#else
inline constexpr bool kSanitized = false;
#endif

/// Why mounts cannot be tested here (not root, no /dev/fuse, no loop device); empty when they can.
std::string why_no_mounts();

/// Runs a command and waits for it, for at most a minute; its exit code, 128 + signal when it was killed.
int run(const std::vector<std::string>& command);
/// The same for a command that must succeed: what it printed. Throws std::runtime_error with its output otherwise.
std::string output_of(const std::vector<std::string>& command);
/// The whole content of a file, empty when it cannot be read.
std::string content_of(const std::string& path);
/// True as soon as `condition` holds, false when it did not within `limit`.
bool wait_until(const std::function<bool()>& condition, std::chrono::seconds limit = std::chrono::seconds(20));

/// Takes down what a test made when the test's process ends in whatever way, also when it is killed. Each entry is a
/// command; they run in reverse order.
class Janitor {
public:
    Janitor();
    ~Janitor();
    void on_end(const std::vector<std::string>& command);

private:
    int pipe_ = -1;
    pid_t child_ = -1;
};

/// A new file system: ext4 or xfs on a loop device, or tmpfs, with the directories bare/ and below/, open to all.
class BackingFs {
public:
    BackingFs(Janitor& janitor, const std::string& type);
    ~BackingFs();
    const std::string& path() const { return path_; }
    std::string bare() const { return path_ + "/bare"; }
    std::string below() const { return path_ + "/below"; }

private:
    std::string top_, path_, loop_;
};

/// A file system on a simulated disk of one lane (tests/rig), as fast as memory until it is told a speed.
class SlowDisk {
public:
    explicit SlowDisk(Janitor& janitor, int mib = 256);
    ~SlowDisk();
    const std::string& path() const { return path_; }
    void set_speed(double mb_per_s);
    /// Forgets the cached pages of all files.
    void drop_caches();

private:
    std::string path_;
};

/// Whether mounts are to come over io_uring (tests/mount/over-rings).
bool over_rings();

/// bandfs mounted by its own command.
class BandfsMount {
public:
    /// Throws std::runtime_error with the command's message when it fails.
    /// `run_by`: a command that runs the one behind it, such as prlimit(1).
    BandfsMount(Janitor& janitor, const std::string& source, const std::string& options,
                const std::vector<std::string>& run_by = {});
    ~BandfsMount();
    const std::string& path() const { return path_; }
    /// umount(8), tried until it succeeds or 20 seconds are over. True when it did.
    bool unmount();
    /// Sends a control message as root: its errno, 0 when it was taken.
    int message(const std::string& name, const std::string& arguments) const;
    std::string control(const std::string& file) const;  ///< the content of a file of .bandfs
    void forget() { mounted_ = false; }                  ///< the test has unmounted it in its own way

private:
    std::string path_;
    bool mounted_ = false;
};

/// A column of .bandfs/status: sectors that arrived.
enum class Column { read = 3, written = 6 };
/// Its sum over all groups.
std::uint64_t sectors_in(const std::string& status, Column column);
/// The processes that run the bandfs program under test, without zombies.
std::vector<pid_t> daemons();
/// True when a process has ended with all its threads, and so has closed what it had open. daemons() loses sight of one
/// earlier.
bool has_ended(pid_t process);
/// A field of /proc/PID/status, such as "VmRSS" or "Threads": its number.
long status_field(pid_t process, const std::string& field);

/// The path of the bandfs program under test, from the environment variable BANDFS.
std::string bandfs_program();

}  // namespace bandfs::mount_test
