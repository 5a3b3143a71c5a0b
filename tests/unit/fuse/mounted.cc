#include "mounted.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <new>
#include <sstream>
#include <thread>

namespace bandfs {
namespace fs = std::filesystem;

void StoppableDisk::stop() {
    std::lock_guard lock(mutex_);
    stopped_ = true;
}

void StoppableDisk::stop_all() {
    all_stopped_ = true;
    stop();
}

void StoppableDisk::go() {
    std::lock_guard lock(mutex_);
    all_stopped_ = false;
    stopped_ = false;
    going_.notify_all();
}

void StoppableDisk::pass() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    going_.wait(lock, [this] { return !stopped_; });
    --waiting_;
}

Result<std::size_t> StoppableDisk::read(int fd, std::span<std::byte> into, std::uint64_t offset) {
    pass();
    ++reads_;
    return DiskIo::system().read(fd, into, offset);
}

Result<std::size_t> StoppableDisk::read_cached(int fd, std::span<std::byte> into, std::uint64_t offset) {
    ++cached_reads_;
    return DiskIo::system().read_cached(fd, into, offset);
}

Result<std::size_t> StoppableDisk::write(int fd, std::span<const std::byte> from, std::uint64_t offset,
                                         Durability durability) {
    if (all_stopped_ || (::fcntl(fd, F_GETFL) & O_DIRECT)) pass();
    return DiskIo::system().write(fd, from, offset, durability);
}

Status StoppableDisk::write_back(int fd, std::uint64_t offset, std::uint64_t bytes) {
    pass();
    return DiskIo::system().write_back(fd, offset, bytes);
}

Status StoppableDisk::sync(int fd, bool data_only) {
    return DiskIo::system().sync(fd, data_only);
}

std::optional<std::uint64_t> StoppableDisk::resident_pages(int fd, std::uint64_t offset, std::uint64_t bytes) {
    return DiskIo::system().resident_pages(fd, offset, bytes);
}

Volume StoppableDisk::volume(int fd) {
    if (without_memory_.exchange(false)) throw std::bad_alloc();
    return DiskIo::system().volume(fd);
}

void MountedTest::SetUp() {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root to mount";
    if (::access("/dev/fuse", R_OK | W_OK) != 0) GTEST_SKIP() << "needs /dev/fuse";
    std::string pattern = "/var/tmp/bandfs-XXXXXX";  // on a disk, also where /tmp is in memory
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    fs::permissions(directory_, fs::perms(0755));
    source_ = directory_ / "source";
    mountpoint_ = directory_ / "mount";
    fs::create_directory(source_);
    fs::create_directory(mountpoint_);
    fs::permissions(source_, fs::perms(0777));
}

void MountedTest::TearDown() {
    disk_.go();
    if (mounted_) unmount(0);
    if (session_) {
        EXPECT_TRUE(eventually([this] { return ended_ == 1; })) << "the session did not end";
        session_.reset();
    }
    if (filesystem_.data) {
        EXPECT_TRUE(filesystem_.data->drain(now_ns() + 10 * kSecond));
    }
    filesystem_.data.reset();
    if (filesystem_.gate) filesystem_.gate->with([this](DeviceGroup&) { filesystem_.groups.reset(); });
    if (watchdog_.joinable()) {
        {
            const std::lock_guard lock(watch_mutex_);
            watching_ = false;
        }
        watch_ends_.notify_all();
        watchdog_.join();
    }
    filesystem_.tree.reset();
    if (mounted_below_) {
        EXPECT_EQ(::umount2(source_.c_str(), 0), 0) << std::strerror(errno);
    }
    if (!directory_.empty()) fs::remove_all(directory_);
}

void MountedTest::use_file_system(const char* type) {
    ASSERT_EQ(::mount("none", source_.c_str(), type, MS_NODEV, nullptr), 0) << std::strerror(errno);
    mounted_below_ = true;
}

void MountedTest::watch() {
    std::unique_lock lock(watch_mutex_);
    if (watch_ends_.wait_for(lock, kMountDeadline, [this] { return !watching_; })) return;
    ADD_FAILURE() << "the mount hangs; aborting it";
    ::umount2(mountpoint_.c_str(), MNT_FORCE);  // whoever waits in it gets an error, whether or not it is unmounted
}

void MountedTest::mount(const DeviceGroupSettings& settings, const std::vector<std::string>& options) {
    filesystem_.options.control_name.clear();
    auto tree = Tree::open({.source = source_.string()});
    ASSERT_TRUE(tree) << tree.code();
    filesystem_.tree = *std::move(tree);
    filesystem_.gate = std::make_shared<Gate>(DeviceGroup::create(settings, "weight"));
    filesystem_.gate->with(
        [this](DeviceGroup& device_group) { filesystem_.groups = std::make_unique<MountGroups>(device_group, 100); });
    filesystem_.data = std::make_unique<DataPlane>(*filesystem_.gate, *filesystem_.groups, disk_, DataPlaneSettings{});
    resolver_ = Resolver::create();
    filesystem_.callers = resolver_.get();
    filesystem_.gate->set_dying([this](pid_t tid) { return resolver_->dying(tid); });
    before_start();

    UniqueFd device(::open("/dev/fuse", O_RDWR | O_CLOEXEC));
    ASSERT_TRUE(device);
    const std::string mount_data =
        "fd=" + std::to_string(device.get()) + ",rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions";
    ASSERT_EQ(::mount("bandfs", mountpoint_.c_str(), "fuse.bandfs", MS_NODEV, mount_data.c_str()), 0);
    mounted_ = true;
    watching_ = true;
    watchdog_ = std::thread([this] { watch(); });
    auto session = Session::create(filesystem_, std::move(device), {.libfuse_options = options, .receivers = 0});
    ASSERT_TRUE(session) << session.code();
    session_ = *std::move(session);
    ASSERT_TRUE(session_->start([this] { ++readied_; }, [this] { ++ended_; }));
    ASSERT_TRUE(eventually([this] { return readied_ == 1; })) << "no INIT";
}

void MountedTest::unmount(int flags) {
    EXPECT_EQ(::umount2(mountpoint_.c_str(), flags), 0) << std::strerror(errno);
    mounted_ = false;
}

void MountedTest::evict(const std::string& name) const {
    const UniqueFd file(::open(below(name).c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_EQ(::fdatasync(file.get()), 0);
    ASSERT_EQ(::posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED), 0);
}

pid_t in_child(uid_t uid, const std::function<int()>& body) {
    const pid_t child = ::fork();
    if (child != 0) return child;
    ::close_range(3, ~0u, 0);  // a connection held by a child would outlive a test that failed
    if (uid != 0 && (::setgid(uid) != 0 || ::setuid(uid) != 0)) ::_exit(99);
    ::_exit(body());
}

int exit_status(pid_t child) {
    int status = 0;
    if (!eventually([&] { return ::waitpid(child, &status, WNOHANG) == child; })) return -2;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::string contents(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

void write_contents(const fs::path& path, const std::string& text) {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file << text;
}

}  // namespace bandfs
