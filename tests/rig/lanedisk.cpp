// lanedisk - a simulated disk with one lane and a known speed, as the single file "disk" of a FUSE mount.
//
//   lanedisk MOUNTPOINT SIZE_MIB CONF     stays in the foreground; the data lives in memory; needs root
//
// CONF holds "BYTES_PER_S MIN_US": a request keeps the lane for max(bytes / BYTES_PER_S, MIN_US); "0 0" is no limit.
// SIGHUP reads CONF again, also for requests that have the lane or wait for it, and then copies it to CONF.taken.
// SIGTERM and SIGINT unmount and end.
//
// With a loop device on the file ("stack"), what stands above it has a disk that
//   - does not care in whose name (cgroup) a request comes, unlike a loop device throttled by blkio,
//   - serves reads and writes from one budget, first come first served,
//   - keeps absolute time: a timer that fires late costs no throughput.
#include <fcntl.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr std::uint32_t kMaxIo = 1 << 20;         // bytes of one request
constexpr std::int64_t kForgivenNs = 20'000'000;  // lateness of our own timer that the load does not pay for
constexpr std::uint64_t kRootNode = 1;
constexpr std::uint64_t kDiskNode = 2;

using Clock = std::chrono::steady_clock;  // CLOCK_MONOTONIC

std::int64_t now_ns() {
    return std::chrono::nanoseconds(Clock::now().time_since_epoch()).count();
}

/// The descriptor of /dev/fuse that is mounted. Thread-safe.
class Device {
public:
    explicit Device(int fd) : fd_(fd) {}

    /// Bytes of the next request, 0 when the mount is gone.
    std::size_t receive(std::vector<char>& buffer) {
        for (;;) {
            const ssize_t n = read(fd_, buffer.data(), buffer.size());
            if (n >= 0) return static_cast<std::size_t>(n);
            if (errno != EINTR && errno != EAGAIN && errno != ENOENT) return 0;
        }
    }
    void reply(std::uint64_t unique, int error, const void* body = nullptr, std::size_t size = 0) {
        fuse_out_header header{};
        header.unique = unique;
        header.error = -error;
        header.len = static_cast<std::uint32_t>(sizeof header + size);
        iovec parts[2] = {{&header, sizeof header}, {const_cast<void*>(body), size}};
        if (writev(fd_, parts, size ? 2 : 1) < 0 && errno != ENOENT && errno != ENODEV) perror("lanedisk: reply");
    }
    template <typename Body>
    void reply_with(std::uint64_t unique, const Body& body) {
        reply(unique, 0, &body, sizeof body);
    }

private:
    const int fd_;
};

/// The data and the lane: requests end one after the other, each when its time on the lane is over. Thread-safe.
class Lane {
public:
    Lane(Device& device, char* data, std::uint64_t size) : device_(device), data_(data), size_(size) {}

    std::uint64_t size() const { return size_; }

    void read_speed(const std::string& path) {
        const std::string text = (std::ostringstream() << std::ifstream(path).rdbuf()).str();
        double bytes_per_s = 0, min_us = 0;
        std::istringstream(text) >> bytes_per_s >> min_us;
        {
            const std::lock_guard lock(mutex_);
            ns_per_byte_ = bytes_per_s > 0 ? 1e9 / bytes_per_s : 0;
            min_ns_ = static_cast<std::int64_t>(min_us * 1000);
            free_at_ = now_ns();
            for (Request& request : queue_) request.due = free_at_ += cost_of(request.bytes);
        }
        changed_.notify_one();
        std::ofstream(path + ".taken") << text;
    }

    /// `source` is the payload of a write, nullptr for a read.
    void submit(std::uint64_t unique, std::uint64_t offset, std::uint32_t bytes, const char* source) {
        if (offset >= size_) return device_.reply(unique, source ? ENOSPC : 0);
        bytes = static_cast<std::uint32_t>(std::min<std::uint64_t>(bytes, size_ - offset));
        if (source) memcpy(data_ + offset, source, bytes);
        Request request{0, unique, offset, bytes, source == nullptr};
        {
            const std::lock_guard lock(mutex_);
            const std::int64_t cost = cost_of(bytes);
            if (cost > 0 || !queue_.empty()) {
                const std::int64_t now = now_ns();
                if (free_at_ < now) free_at_ = std::max(free_at_, now - std::min(late_ns_, kForgivenNs));
                request.due = free_at_ += cost;
                queue_.push_back(request);
                if (queue_.size() == 1) changed_.notify_one();
                return;
            }
        }
        complete(request);
    }

    /// Answers requests when they are due, for ever.
    void serve() {
        prctl(PR_SET_TIMERSLACK, 1000UL);
        std::vector<Request> due;
        for (;;) {
            take_due(due);
            for (const Request& request : due) complete(request);
        }
    }

private:
    struct Request {
        std::int64_t due;
        std::uint64_t unique, offset;
        std::uint32_t bytes;
        bool is_read;
    };

    /// Requires mutex_, as what it uses.
    std::int64_t cost_of(std::uint32_t bytes) const {
        return std::max(static_cast<std::int64_t>(bytes * ns_per_byte_), min_ns_);
    }

    void take_due(std::vector<Request>& due) {
        due.clear();
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return !queue_.empty(); });
        while (queue_.front().due > now_ns()) {
            changed_.wait_until(lock, Clock::time_point(std::chrono::nanoseconds(queue_.front().due)));
        }
        const std::int64_t now = now_ns();
        while (!queue_.empty() && queue_.front().due <= now) {
            due.push_back(queue_.front());
            queue_.pop_front();
        }
        if (!due.empty()) late_ns_ = now - due.back().due;
    }

    void complete(const Request& request) {
        if (request.is_read) return device_.reply(request.unique, 0, data_ + request.offset, request.bytes);
        fuse_write_out out{};
        out.size = request.bytes;
        device_.reply_with(request.unique, out);
    }

    Device& device_;
    char* const data_;
    const std::uint64_t size_;

    std::mutex mutex_;                 // guards all below
    std::condition_variable changed_;  // the first request, or the speed
    std::deque<Request> queue_;        // in the order of completion
    std::int64_t free_at_ = 0;         // when the lane is free again
    std::int64_t late_ns_ = 0;         // how late the last answer was
    double ns_per_byte_ = 0;
    std::int64_t min_ns_ = 0;
};

fuse_attr attributes(std::uint64_t node, std::uint64_t disk_size) {
    fuse_attr attr{};
    attr.ino = node;
    attr.mode = node == kRootNode ? S_IFDIR | 0700 : S_IFREG | 0600;
    attr.size = node == kRootNode ? 0 : disk_size;
    attr.blocks = attr.size / 512;
    attr.nlink = 1;
    attr.blksize = 4096;
    return attr;
}

void answer_init(Device& device, const fuse_in_header& header, const char* arg) {
    fuse_init_in in{};
    memcpy(&in, arg, sizeof in);
    fuse_init_out out{};
    out.major = 7;
    out.minor = std::min<std::uint32_t>(in.minor, 36);
    out.max_readahead = in.max_readahead;
    out.flags = in.flags & (FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_ASYNC_DIO | FUSE_MAX_PAGES | FUSE_PARALLEL_DIROPS);
    out.max_background = 1024;
    out.congestion_threshold = 1000;
    out.max_write = kMaxIo;
    out.max_pages = kMaxIo / 4096;
    out.time_gran = 1;
    device.reply_with(header.unique, out);
}

void answer_lookup(Device& device, const fuse_in_header& header, const char* name, std::uint64_t disk_size) {
    if (header.nodeid != kRootNode || strcmp(name, "disk") != 0) return device.reply(header.unique, ENOENT);
    fuse_entry_out out{};
    out.nodeid = kDiskNode;
    out.attr_valid = out.entry_valid = 3600;
    out.attr = attributes(kDiskNode, disk_size);
    device.reply_with(header.unique, out);
}

void answer(Device& device, Lane& lane, const fuse_in_header& header, const char* arg) {
    switch (header.opcode) {
        case FUSE_INIT:
            return answer_init(device, header, arg);
        case FUSE_LOOKUP:
            return answer_lookup(device, header, arg, lane.size());
        case FUSE_GETATTR:
        case FUSE_SETATTR: {
            fuse_attr_out out{};
            out.attr_valid = 3600;
            out.attr = attributes(header.nodeid, lane.size());
            return device.reply_with(header.unique, out);
        }
        case FUSE_OPEN:
        case FUSE_OPENDIR: {
            fuse_open_out out{};
            if (header.opcode == FUSE_OPEN) out.open_flags = FOPEN_DIRECT_IO | FOPEN_PARALLEL_DIRECT_WRITES;
            return device.reply_with(header.unique, out);
        }
        case FUSE_READ: {
            fuse_read_in in{};
            memcpy(&in, arg, sizeof in);
            return lane.submit(header.unique, in.offset, in.size, nullptr);
        }
        case FUSE_WRITE: {
            fuse_write_in in{};
            memcpy(&in, arg, sizeof in);
            return lane.submit(header.unique, in.offset, in.size, arg + sizeof in);
        }
        case FUSE_STATFS: {
            fuse_statfs_out out{};
            out.st.bsize = out.st.frsize = 4096;
            out.st.blocks = lane.size() / 4096;
            out.st.namelen = 255;
            return device.reply_with(header.unique, out);
        }
        case FUSE_READDIR:
        case FUSE_RELEASE:
        case FUSE_RELEASEDIR:
        case FUSE_FLUSH:
        case FUSE_FSYNC:
        case FUSE_ACCESS:
            return device.reply(header.unique, 0);
        case FUSE_FORGET:
        case FUSE_BATCH_FORGET:
        case FUSE_INTERRUPT:
            return;  // these want no answer
        default:
            return device.reply(header.unique, ENOSYS);
    }
}

void receive(Device& device, Lane& lane) {
    std::vector<char> buffer(kMaxIo + 65536);
    while (device.receive(buffer) >= sizeof(fuse_in_header)) {
        fuse_in_header header{};
        memcpy(&header, buffer.data(), sizeof header);
        answer(device, lane, header, buffer.data() + sizeof header);
    }
}

int fail(const char* what) {
    perror((std::string("lanedisk: ") + what).c_str());
    return 1;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: lanedisk MOUNTPOINT SIZE_MIB CONF\n");
        return 2;
    }
    const char* mountpoint = argv[1];
    const std::uint64_t size = strtoull(argv[2], nullptr, 10) << 20;
    void* data = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (data == MAP_FAILED) return fail("memory");
    madvise(data, size, MADV_HUGEPAGE);
    prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
    if (setpriority(PRIO_PROCESS, 0, -15) < 0) perror("lanedisk: nice");  // a disk does not wait for a processor

    const int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    if (fd < 0) return fail("/dev/fuse");
    const std::string options = "fd=" + std::to_string(fd) +
                                ",rootmode=40000,user_id=0,group_id=0,allow_other,max_read=" + std::to_string(kMaxIo);
    if (mount("lanedisk", mountpoint, "fuse.lanedisk", MS_NOSUID | MS_NODEV, options.c_str()) < 0)
        return fail(mountpoint);

    sigset_t signals;
    sigemptyset(&signals);
    for (const int signal : {SIGHUP, SIGTERM, SIGINT}) sigaddset(&signals, signal);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);

    Device device(fd);
    Lane lane(device, static_cast<char*>(data), size);
    lane.read_speed(argv[3]);
    std::thread([&] { lane.serve(); }).detach();
    for (int i = 0; i < 2; ++i) std::thread([&] { receive(device, lane); }).detach();
    for (;;) {
        int signal = 0;
        sigwait(&signals, &signal);
        if (signal == SIGHUP) {
            lane.read_speed(argv[3]);
        } else if (umount2(mountpoint, 0) == 0) {
            _exit(0);  // not exit(): the threads still use what it would destroy
        } else {
            perror("lanedisk: umount");
        }
    }
}
