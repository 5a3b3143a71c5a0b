// locks=backing: flock and POSIX locks of a mount's callers against another mount's, and against processes on SOURCE.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "rig.h"

namespace bandfs::mount_test {
namespace {

/// A process that holds or waits for locks, until it is killed.
class Locker {
public:
    /// Runs `part` and then tells what it returned; stays until end().
    template <typename Part>
    explicit Locker(Part part) {
        int told[2];
        if (pipe2(told, O_CLOEXEC) != 0) throw std::runtime_error("pipe");
        process_ = fork();
        if (process_ == 0) {
            close(told[0]);
            const int answer = part();
            if (write(told[1], &answer, sizeof answer) != sizeof answer) _exit(1);
            for (;;) pause();
        }
        close(told[1]);
        told_ = told[0];
    }
    ~Locker() { end(); }

    /// What the part returned, waited for; -1000 when it does not return.
    int answer() {
        int value = -1000;
        pollfd event{told_, POLLIN, 0};
        if (poll(&event, 1, 20000) != 1 || read(told_, &value, sizeof value) != sizeof value) return -1000;
        return value;
    }
    /// That it has not returned within 100 ms is long enough to see one that does not wait.
    bool waits(int milliseconds = 100) const {
        pollfd event{told_, POLLIN, 0};
        return poll(&event, 1, milliseconds) == 0;
    }
    void send(int signal) const { kill(process_, signal); }
    bool ends() {
        return wait_until([this] { return waitpid(process_, nullptr, WNOHANG) == process_; }) && gone();
    }
    void end() {
        if (process_ <= 0) return;
        send(SIGKILL);
        waitpid(process_, nullptr, 0);
        gone();
    }

private:
    bool gone() {
        process_ = -1;
        close(told_);
        return true;
    }

    pid_t process_ = -1;
    int told_ = -1;
};

int outcome(int answer) {
    return answer == 0 ? 0 : errno;
}

int flocked(const std::string& path, int operation, int flags = O_RDWR) {
    return outcome(flock(open(path.c_str(), flags), operation));
}

int posix_locked(const std::string& path, short type, int command, off_t from = 0, off_t bytes = 0) {
    struct flock wanted {};
    wanted.l_type = type;
    wanted.l_start = from;
    wanted.l_len = bytes;
    return outcome(fcntl(open(path.c_str(), O_RDWR), command, &wanted));
}

class Locks : public testing::Test {
protected:
    void SetUp() override {
        if (const std::string reason = why_no_mounts(); !reason.empty()) GTEST_SKIP() << reason;
        backing_ = std::make_unique<BackingFs>(janitor_, "tmpfs");
        const std::string options = "locks=backing,allow_other,suid,devgroup=locks" + std::to_string(getpid());
        one_ = std::make_unique<BandfsMount>(janitor_, backing_->below(), options);
        other_ = std::make_unique<BandfsMount>(janitor_, backing_->below(), options);
        close(open(below().c_str(), O_WRONLY | O_CREAT, 0666));
    }

    std::string below() const { return backing_->below() + "/f"; }
    std::string one() const { return one_->path() + "/f"; }
    std::string other() const { return other_->path() + "/f"; }

    Janitor janitor_;
    std::unique_ptr<BackingFs> backing_;
    std::unique_ptr<BandfsMount> one_, other_;
};

TEST_F(Locks, FlockIsAgainstOtherMountsAndSource) {
    for (const auto& [holder, rival] :
         {std::pair{below(), one()}, {one(), below()}, {one(), other()}, {one(), one()}}) {
        Locker holds([&] { return flocked(holder, LOCK_EX); });
        ASSERT_EQ(holds.answer(), 0);
        Locker refused([&] { return flocked(rival, LOCK_SH | LOCK_NB); });
        EXPECT_EQ(refused.answer(), EWOULDBLOCK) << holder << ", " << rival;
        Locker waiting([&] { return flocked(rival, LOCK_SH); });
        EXPECT_TRUE(waiting.waits());
        holds.end();
        EXPECT_EQ(waiting.answer(), 0) << holder << ", " << rival;
        Locker shares([&] { return flocked(holder, LOCK_SH | LOCK_NB); });
        EXPECT_EQ(shares.answer(), 0);
    }
}

TEST_F(Locks, PosixLocksAreAgainstOtherMountsAndSource) {
    for (const auto& [holder, rival] :
         {std::pair{below(), one()}, {one(), below()}, {one(), other()}, {one(), one()}}) {
        Locker holds([&] { return posix_locked(holder, F_WRLCK, F_SETLK, 10, 10); });
        ASSERT_EQ(holds.answer(), 0);
        Locker refused([&] { return posix_locked(rival, F_RDLCK, F_SETLK, 15, 1); });
        EXPECT_EQ(refused.answer(), EAGAIN) << holder << ", " << rival;
        Locker beside([&] { return posix_locked(rival, F_WRLCK, F_SETLK, 20, 1); });
        EXPECT_EQ(beside.answer(), 0) << holder << ", " << rival;
        Locker waiting([&] { return posix_locked(rival, F_WRLCK, F_SETLKW, 0, 20); });
        EXPECT_TRUE(waiting.waits());
        holds.end();
        EXPECT_EQ(waiting.answer(), 0) << holder << ", " << rival;
    }
}

TEST_F(Locks, TheLockInTheWayIsTold) {
    Locker holds([&] { return posix_locked(one(), F_RDLCK, F_SETLK, 100, 50) == 0 ? getpid() : -1; });
    const int process = holds.answer();
    for (const std::string& path : {one(), other()}) {
        const int file = open(path.c_str(), O_RDWR);
        struct flock wanted {};
        wanted.l_type = F_WRLCK;
        ASSERT_EQ(fcntl(file, F_GETLK, &wanted), 0);
        EXPECT_EQ(wanted.l_type, F_RDLCK);
        EXPECT_EQ(wanted.l_start, 100);
        EXPECT_EQ(wanted.l_len, 50);
        if (path == one()) {
            EXPECT_EQ(wanted.l_pid, process);
        }
        close(file);
    }
}

TEST_F(Locks, ClosingAnyDescriptorGivesPosixLocksUp) {
    Locker holds([&] {
        const int file = open(one().c_str(), O_RDWR);
        struct flock wanted {};
        wanted.l_type = F_WRLCK;
        if (fcntl(file, F_SETLK, &wanted) != 0) return errno;
        close(open(one().c_str(), O_RDONLY));
        return 0;
    });
    ASSERT_EQ(holds.answer(), 0);
    Locker next([&] { return posix_locked(below(), F_WRLCK, F_SETLK); });
    EXPECT_EQ(next.answer(), 0);
}

TEST_F(Locks, AReadLockBecomesAWriteLock) {
    chmod(below().c_str(), 0777);  // of an executable, the description that locks is first one for reading
    Locker holds([&] {
        const int reads = open(one().c_str(), O_RDONLY), writes = open(one().c_str(), O_RDWR);
        struct flock wanted {};
        wanted.l_type = F_RDLCK;
        if (fcntl(reads, F_SETLK, &wanted) != 0) return errno;
        wanted.l_type = F_WRLCK;
        return outcome(fcntl(writes, F_SETLK, &wanted));
    });
    ASSERT_EQ(holds.answer(), 0);
    Locker refused([&] { return posix_locked(below(), F_RDLCK, F_SETLK); });
    EXPECT_EQ(refused.answer(), EAGAIN);
}

TEST_F(Locks, AReadLockStaysWhenItCannotBecomeAWriteLock) {
    for (const mode_t mode : {0666u, 0777u}) {  // as above
        chmod(below().c_str(), mode);
        Locker rival([&] { return posix_locked(below(), F_RDLCK, F_SETLK, 150, 10); });
        ASSERT_EQ(rival.answer(), 0);
        Locker holds([&] {
            const int reads = open(one().c_str(), O_RDONLY), writes = open(one().c_str(), O_RDWR);
            struct flock wanted {};
            wanted.l_type = F_RDLCK;
            for (const off_t start : {0, 100, 300}) {
                wanted.l_start = start;
                wanted.l_len = start == 300 ? 0 : 100;
                if (fcntl(reads, F_SETLK, &wanted) != 0) return errno;
            }
            wanted.l_type = F_WRLCK;
            wanted.l_start = 0;
            return outcome(fcntl(writes, F_SETLK, &wanted));
        });
        ASSERT_EQ(holds.answer(), EAGAIN);
        const auto state = [&](off_t from) {
            Locker asks([&] { return posix_locked(below(), F_WRLCK, F_SETLK, from, 10); });
            return asks.answer();
        };
        EXPECT_EQ(state(0), EAGAIN);
        EXPECT_EQ(state(180), EAGAIN);
        EXPECT_EQ(state(200), 0) << "between its locks";
        EXPECT_EQ(state(290), 0) << "between its locks";
        EXPECT_EQ(state(1000000), EAGAIN);
        Locker shares([&] { return posix_locked(below(), F_RDLCK, F_SETLK); });
        EXPECT_EQ(shares.answer(), 0);
    }
}

TEST_F(Locks, ALockedProgramCanBeExecuted) {
    output_of({"cp", "/bin/true", below()});
    chmod(below().c_str(), 0755);
    Locker holds([&] { return flocked(one(), LOCK_SH, O_RDONLY); });
    ASSERT_EQ(holds.answer(), 0);
    EXPECT_EQ(run({below()}), 0);
    EXPECT_EQ(run({one()}), 0);
}

TEST_F(Locks, WhoWaitsCanBeInterruptedAndKilled) {
    Locker holds([&] { return flocked(below(), LOCK_EX); });
    ASSERT_EQ(holds.answer(), 0);
    const auto interruptible = [&] {
        struct sigaction action {};
        action.sa_handler = [](int) {};
        sigaction(SIGUSR1, &action, nullptr);
        return flocked(one(), LOCK_EX);
    };
    Locker interrupted(interruptible), killed([&] { return flocked(one(), LOCK_EX); });
    EXPECT_TRUE(interrupted.waits());
    EXPECT_TRUE(killed.waits());
    interrupted.send(SIGUSR1);
    EXPECT_EQ(interrupted.answer(), EINTR);
    killed.send(SIGKILL);
    EXPECT_TRUE(killed.ends());
    holds.end();
    Locker next([&] { return flocked(one(), LOCK_EX | LOCK_NB); });
    EXPECT_EQ(next.answer(), 0) << "the lock was given to one who no longer waits";
}

TEST_F(Locks, WaitingCostsNoThreadEach) {
    const auto threads = [] {
        long most = 0;
        for (const pid_t process : daemons()) most = std::max(most, status_field(process, "Threads"));
        return most;
    };
    Locker holds([&] { return flocked(below(), LOCK_EX); });
    ASSERT_EQ(holds.answer(), 0);
    const long before = threads();
    std::vector<std::unique_ptr<Locker>> waiting;
    for (int i = 0; i < 100; ++i)
        waiting.push_back(std::make_unique<Locker>([&] { return flocked(i % 2 ? one() : other(), LOCK_EX); }));
    EXPECT_TRUE(waiting.back()->waits());
    if (!kSanitized || !over_rings()) {
        EXPECT_LE(threads(), before + 10) << "a helper for each mount, and receivers that were called for";
    }
    holds.end();
    for (std::size_t done = 0; done < waiting.size(); ++done) {
        // One after the other, in whatever order.
        const auto has_it = [&] {
            for (auto& each : waiting) {
                if (!each || each->waits(0)) continue;
                EXPECT_EQ(each->answer(), 0);
                each.reset();
                return true;
            }
            return false;
        };
        ASSERT_TRUE(wait_until(has_it)) << done << " had the lock";
    }
}

TEST_F(Locks, TheEndOfTheMountEndsWaiting) {
    Locker holds([&] { return flocked(below(), LOCK_EX); });
    ASSERT_EQ(holds.answer(), 0);
    Locker waiting([&] { return flocked(one(), LOCK_EX); });
    EXPECT_TRUE(waiting.waits());
    EXPECT_EQ(umount2(one_->path().c_str(), MNT_FORCE | MNT_DETACH), 0);
    one_->forget();
    EXPECT_NE(waiting.answer(), 0);
}

}  // namespace
}  // namespace bandfs::mount_test
