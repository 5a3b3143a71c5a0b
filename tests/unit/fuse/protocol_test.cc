// A session spoken to in the kernel's place, over a socket pair: what it answers, byte for byte, and how often. Needs
// neither root nor /dev/fuse.
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "fuse/session_reserve.h"
#include "mounted.h"

namespace bandfs {
namespace {

namespace fs = std::filesystem;

constexpr std::uint32_t kFopenNoflush = 1u << 5;
constexpr std::uint32_t kFopenParallel = 1u << 6;

struct Answer {
    fuse_out_header header{};
    std::string payload;

    template <typename Struct>
    Struct as(std::size_t offset = 0) const {
        Struct value{};
        EXPECT_GE(payload.size(), offset + sizeof(value));
        if (payload.size() >= offset + sizeof(value)) std::memcpy(&value, payload.data() + offset, sizeof(value));
        return value;
    }
};

template <typename Struct>
std::string bytes_of(const Struct& value) {
    return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

class ProtocolTest : public testing::Test {
protected:
    void SetUp() override {
        std::string pattern = "/var/tmp/bandfs-XXXXXX";  // on a disk, also where /tmp is in memory
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        source_ = pattern;
        write_contents(source_ / "file", std::string(10000, 'x'));
        auto tree = Tree::open({.source = source_.string()});
        ASSERT_TRUE(tree) << tree.code();
        filesystem_.tree = *std::move(tree);
        filesystem_.gate = std::make_shared<Gate>(DeviceGroup::create({.io_throttle = 1, .io_limit = 1}, "weight"));
        filesystem_.gate->with([this](DeviceGroup& device_group) {
            filesystem_.groups = std::make_unique<MountGroups>(device_group, 100);
        });
        filesystem_.data =
            std::make_unique<DataPlane>(*filesystem_.gate, *filesystem_.groups, disk_, DataPlaneSettings{});
        resolver_ = Resolver::create();
        filesystem_.callers = resolver_.get();

        begin({.receivers = 2});
    }

    /// A session, and the kernel's end of it.
    void begin(SessionSettings settings) {
        settings.rings = false;  // there is no kernel behind them
        int ends[2];
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
        kernel_ = UniqueFd(ends[0]);
        auto session = Session::create(filesystem_, UniqueFd(ends[1]), settings);
        ASSERT_TRUE(session) << session.code();
        session_ = *std::move(session);
        ASSERT_TRUE(session_->start([this] { ++readied_; }, [this] { ++ended_; }));
    }

    void end() {
        kernel_.reset();
        EXPECT_TRUE(eventually([this] { return ended_ == 1; }));
        session_.reset();
    }

    void restart(const SessionSettings& settings) {
        end();
        readied_ = ended_ = 0;
        begin(settings);
    }

    void TearDown() override {
        disk_.go();
        end();
        EXPECT_TRUE(filesystem_.data->drain(now_ns() + 10 * kSecond));
        filesystem_.data.reset();
        filesystem_.gate->with([this](DeviceGroup&) { filesystem_.groups.reset(); });
        fs::remove_all(source_);
    }

    std::uint64_t send(std::uint32_t opcode, std::uint64_t node, const std::string& arguments, pid_t pid = ::getpid()) {
        fuse_in_header header{};
        header.len = static_cast<std::uint32_t>(sizeof(header) + arguments.size());
        header.opcode = opcode;
        header.unique = next_unique_ += 2;
        header.nodeid = node;
        header.uid = ::geteuid();
        header.gid = ::getegid();
        header.pid = static_cast<std::uint32_t>(pid);
        const std::string message = bytes_of(header) + arguments;
        EXPECT_EQ(::write(kernel_.get(), message.data(), message.size()), static_cast<ssize_t>(message.size()));
        return header.unique;
    }

    /// The next answer or notification; nullopt when none comes within `wait`.
    std::optional<Answer> receive(std::chrono::milliseconds wait = kTestDeadline) {
        pollfd readable{kernel_.get(), POLLIN, 0};
        if (::poll(&readable, 1, static_cast<int>(wait.count())) != 1) return std::nullopt;
        std::string message(1u << 18, '\0');
        const ssize_t length = ::read(kernel_.get(), message.data(), message.size());
        if (length < static_cast<ssize_t>(sizeof(fuse_out_header))) return std::nullopt;
        Answer answer;
        std::memcpy(&answer.header, message.data(), sizeof(answer.header));
        EXPECT_EQ(answer.header.len, static_cast<std::uint32_t>(length));
        answer.payload =
            message.substr(sizeof(fuse_out_header), static_cast<std::size_t>(length) - sizeof(fuse_out_header));
        return answer;
    }

    Answer call(std::uint32_t opcode, std::uint64_t node, const std::string& arguments) {
        const std::uint64_t unique = send(opcode, node, arguments);
        const std::optional<Answer> answer = receive();
        EXPECT_TRUE(answer) << "opcode " << opcode << " was not answered";
        if (!answer) return {};
        EXPECT_EQ(answer->header.unique, unique);
        return *answer;
    }

    fuse_init_out initialise(std::uint32_t flags = 0xffffffffu, std::uint32_t flags2 = 0xffffffffu,
                             std::uint32_t minor = 40) {
        fuse_init_in offer{};
        offer.major = FUSE_KERNEL_VERSION;
        offer.minor = minor;
        offer.max_readahead = 128u << 10;
        offer.flags = flags;
        offer.flags2 = flags2;
        const Answer answer = call(FUSE_INIT, 0, bytes_of(offer));
        EXPECT_TRUE(eventually([this] { return readied_ == 1; }));
        return answer.as<fuse_init_out>();
    }

    std::uint64_t look_up(const std::string& name) {
        return call(FUSE_LOOKUP, FUSE_ROOT_ID, name + '\0').as<fuse_entry_out>().nodeid;
    }

    fuse_open_out open(std::uint64_t node, int flags) {
        fuse_open_in arguments{};
        arguments.flags = static_cast<std::uint32_t>(flags);
        return call(FUSE_OPEN, node, bytes_of(arguments)).as<fuse_open_out>();
    }

    static std::string read_arguments(std::uint64_t fh, std::uint64_t offset, std::uint32_t bytes) {
        fuse_read_in arguments{};
        arguments.fh = fh;
        arguments.offset = offset;
        arguments.size = bytes;
        return bytes_of(arguments);
    }

    static std::string write_arguments(std::uint64_t fh, const std::string& payload, std::uint32_t write_flags,
                                       std::uint64_t offset = 0, int flags = 0) {
        fuse_write_in arguments{};
        arguments.fh = fh;
        arguments.offset = offset;
        arguments.flags = static_cast<std::uint32_t>(flags);
        arguments.size = static_cast<std::uint32_t>(payload.size());
        arguments.write_flags = write_flags;
        return bytes_of(arguments) + payload;
    }

    /// The receivers of so many messages wait for the disk, until disk_.go().
    void put_to_sleep(int receivers, std::uint64_t node) {
        const std::uint64_t fh = open(node, O_RDWR).fh;
        disk_.stop_all();
        for (int i = 0; i < receivers; ++i) {
            send(FUSE_WRITE, node, write_arguments(fh, "into the page cache, in a receiver", 0));
            ASSERT_TRUE(eventually([&] { return disk_.waiting() == i + 1; }));
        }
    }

    void evict() const {
        const UniqueFd file(::open((source_ / "file").c_str(), O_RDONLY | O_CLOEXEC));
        ASSERT_EQ(::fdatasync(file.get()), 0);
        ASSERT_EQ(::posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED), 0);
    }

    fs::path source_;
    StoppableDisk disk_;
    Filesystem filesystem_;
    std::unique_ptr<Resolver> resolver_;
    std::unique_ptr<Session> session_;
    UniqueFd kernel_;
    std::uint64_t next_unique_ = 0;
    std::atomic<int> readied_{0};
    std::atomic<int> ended_{0};
};

TEST_F(ProtocolTest, InitAgreesOnWhatHoldingRequestsNeeds) {
    const fuse_init_out answer = initialise();
    for (const std::uint32_t wanted :
         {FUSE_ASYNC_READ, FUSE_ASYNC_DIO, FUSE_ATOMIC_O_TRUNC, FUSE_DONT_MASK, FUSE_POSIX_ACL, FUSE_AUTO_INVAL_DATA,
          FUSE_DO_READDIRPLUS, FUSE_READDIRPLUS_AUTO, FUSE_PARALLEL_DIROPS, FUSE_HANDLE_KILLPRIV_V2, FUSE_HAS_IOCTL_DIR,
          FUSE_MAX_PAGES, FUSE_EXPORT_SUPPORT, FUSE_INIT_EXT})
        EXPECT_TRUE(answer.flags & wanted) << std::hex << wanted;
    for (const std::uint32_t unwanted : {FUSE_WRITEBACK_CACHE, FUSE_SPLICE_READ, FUSE_SPLICE_WRITE, FUSE_SPLICE_MOVE,
                                         FUSE_HANDLE_KILLPRIV, FUSE_POSIX_LOCKS, FUSE_FLOCK_LOCKS})
        EXPECT_FALSE(answer.flags & unwanted) << std::hex << unwanted;
    EXPECT_EQ(answer.flags2, kDirectIoAllowMmap2);
    EXPECT_EQ(answer.max_background, 65535u) << "readahead of a held group must not use up everybody's";
    EXPECT_EQ(answer.max_write, 1u << 20);
    EXPECT_EQ(answer.max_pages, 256u);
}

TEST_F(ProtocolTest, TheKernelComparesTimesOnlyWhereNobodyElseDoes) {
    filesystem_.options.kept_pages = KeptPages::unchanged_by_others;
    EXPECT_FALSE(initialise().flags & FUSE_AUTO_INVAL_DATA);
}

TEST_F(ProtocolTest, AnOpenSaysWhatTheKernelMayDoWithIt) {
    initialise();
    const std::uint64_t node = look_up("file");
    EXPECT_EQ(open(node, O_RDONLY).open_flags & ~FOPEN_KEEP_CACHE, kFopenNoflush);
    EXPECT_EQ(open(node, O_RDWR | O_DIRECT).open_flags & ~FOPEN_KEEP_CACHE,
              FOPEN_DIRECT_IO | kFopenNoflush | kFopenParallel);
    EXPECT_EQ(open(node, O_RDONLY).open_flags & ~FOPEN_KEEP_CACHE, kFopenNoflush) << "of the open before";

    fuse_create_in create{};
    create.flags = O_CREAT | O_RDWR | O_DIRECT;
    create.mode = S_IFREG | 0640;
    create.umask = 022;
    const Answer created = call(FUSE_CREATE, FUSE_ROOT_ID, bytes_of(create) + "new" + '\0');
    EXPECT_EQ(created.as<fuse_open_out>(sizeof(fuse_entry_out)).open_flags,
              FOPEN_DIRECT_IO | kFopenNoflush | kFopenParallel);
    EXPECT_EQ(fs::status(source_ / "new").permissions(), fs::perms(0640));
}

TEST_F(ProtocolTest, DirectIoIsLeftToAKernelThatCouldNotMapTheFile) {
    EXPECT_EQ(initialise(0xffffffffu, 0).flags2, 0u);
    EXPECT_EQ(open(look_up("file"), O_RDWR | O_DIRECT).open_flags & ~FOPEN_KEEP_CACHE, kFopenNoflush);
}

TEST_F(ProtocolTest, WhatCarriesNothingIsNotAskedAgain) {
    initialise();
    const std::uint64_t node = look_up("file");
    fuse_flush_in flush{};
    flush.fh = open(node, O_RDWR).fh;
    EXPECT_EQ(call(FUSE_FLUSH, node, bytes_of(flush)).header.error, -ENOSYS);
    EXPECT_EQ(call(FUSE_COPY_FILE_RANGE, node, bytes_of(fuse_copy_file_range_in{})).header.error, -ENOSYS);
    EXPECT_EQ(call(4000, node, "").header.error, -ENOSYS) << "an operation of a later kernel";
}

TEST_F(ProtocolTest, ReadsAndWritesAreAnsweredOnce) {
    initialise();
    const std::uint64_t node = look_up("file");
    const std::uint64_t fh = open(node, O_RDWR).fh;
    EXPECT_EQ(call(FUSE_WRITE, node, write_arguments(fh, "hello", 0)).as<fuse_write_out>().size, 5u);
    EXPECT_EQ(call(FUSE_READ, node, read_arguments(fh, 0, 8)).payload, "helloxxx");
    EXPECT_EQ(call(FUSE_READ, node, read_arguments(fh, 9990, 4096)).payload, std::string(10, 'x'));
    EXPECT_EQ(call(FUSE_READ, node, read_arguments(fh, 10000, 4096)).payload, "");
    evict();
    EXPECT_EQ(call(FUSE_READ, node, read_arguments(fh, 0, 10000)).payload, "hello" + std::string(9995, 'x'));
    fuse_fsync_in sync{};
    sync.fh = fh;
    EXPECT_EQ(call(FUSE_FSYNC, node, bytes_of(sync)).header.error, 0);
    EXPECT_FALSE(receive(std::chrono::milliseconds(20))) << "something was answered twice";
}

TEST_F(ProtocolTest, AWriteClearsSetIdBitsOnlyWhenAskedTo) {
    initialise();
    const std::uint64_t node = look_up("file");
    const std::uint64_t fh = open(node, O_RDWR).fh;
    const fs::path path = source_ / "file";
    ASSERT_EQ(::chmod(path.c_str(), 06755), 0);
    EXPECT_EQ(call(FUSE_WRITE, node, write_arguments(fh, "a", 0)).header.error, 0);
    if (::geteuid() == 0) {
        EXPECT_EQ(fs::status(path).permissions(), fs::perms(06755));
    }
    ASSERT_EQ(::chmod(path.c_str(), 06755), 0);
    const std::uint64_t unique = send(FUSE_WRITE, node, write_arguments(fh, "b", FUSE_WRITE_KILL_SUIDGID));
    const std::optional<Answer> notification = receive();
    ASSERT_TRUE(notification);
    EXPECT_EQ(notification->header.unique, 0u);
    EXPECT_EQ(notification->header.error, FUSE_NOTIFY_INVAL_INODE) << "the kernel would go on with the old mode";
    EXPECT_EQ(notification->as<fuse_notify_inval_inode_out>().ino, node);
    const std::optional<Answer> answer = receive();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->header.unique, unique);
    EXPECT_EQ(fs::status(path).permissions(), fs::perms(0755));
}

TEST_F(ProtocolTest, OnlyAKilledCallerIsAnsweredEintr) {
    initialise();
    const std::uint64_t node = look_up("file");
    const std::uint64_t fh = open(node, O_RDONLY).fh;
    evict();
    disk_.stop();
    const std::uint64_t first = send(FUSE_READ, node, read_arguments(fh, 0, 4096));
    ASSERT_TRUE(eventually([&] { return disk_.waiting() == 1; }));

    const pid_t caller = in_child(::geteuid(), [] { return ::pause(); });
    const std::uint64_t living = send(FUSE_READ, node, read_arguments(fh, 4096, 4096));
    const std::uint64_t gone = send(FUSE_READ, node, read_arguments(fh, 8192, 1000), caller);
    ASSERT_TRUE(
        eventually([&] { return filesystem_.gate->with([](DeviceGroup& group) { return group.blocked(); }) == 2; }));
    const auto interrupt = [&](std::uint64_t unique) {
        fuse_interrupt_in arguments{};
        arguments.unique = unique;
        send(FUSE_INTERRUPT, 0, bytes_of(arguments));
    };
    interrupt(living);
    interrupt(gone);
    EXPECT_FALSE(receive(std::chrono::milliseconds(20))) << "both callers live";
    ASSERT_EQ(::kill(caller, SIGKILL), 0);
    ASSERT_EQ(exit_status(caller), -1);
    interrupt(living);
    interrupt(gone);
    const std::optional<Answer> interrupted = receive();
    ASSERT_TRUE(interrupted);
    EXPECT_EQ(interrupted->header.unique, gone);
    EXPECT_EQ(interrupted->header.error, -EINTR);

    disk_.go();
    std::set<std::uint64_t> answered;  // in any order: the one that was held may be answered by another worker
    for (int i = 0; i < 2; ++i) {
        const std::optional<Answer> answer = receive();
        ASSERT_TRUE(answer);
        answered.insert(answer->header.unique);
        EXPECT_EQ(answer->header.error, 0);
        EXPECT_EQ(answer->payload, std::string(4096, 'x'));
    }
    EXPECT_EQ(answered, (std::set{first, living}));
}

TEST_F(ProtocolTest, AnOpenDoesNotWaitForDirectWritesThatAreHeld) {
    initialise();
    const std::uint64_t node = look_up("file");
    const std::uint64_t fh = open(node, O_RDWR | O_DIRECT).fh;
    EXPECT_EQ(open(node, O_RDONLY).open_flags & FOPEN_DIRECT_IO, 0u);
    disk_.stop();
    for (int i = 0; i != 2; ++i) send(FUSE_WRITE, node, write_arguments(fh, std::string(4096, 'd'), 0, 0, O_DIRECT));
    EXPECT_TRUE(eventually([&] { return (open(node, O_RDONLY).open_flags & FOPEN_DIRECT_IO) != 0; }));
    EXPECT_EQ(open(node, O_RDWR).open_flags & FOPEN_DIRECT_IO, 0u) << "what it writes must reach the kernel's pages";
    disk_.go();
    EXPECT_TRUE(receive() && receive());
    EXPECT_EQ(open(node, O_RDONLY).open_flags & FOPEN_DIRECT_IO, 0u);
}

TEST_F(ProtocolTest, AnOpenGoesThroughTheCacheWhereTheKernelHasItWaitForNothing) {
    initialise(0xffffffffu, 0xffffffffu, 39);
    const std::uint64_t node = look_up("file");
    const std::uint64_t fh = open(node, O_RDWR | O_DIRECT).fh;
    disk_.stop();
    for (int i = 0; i != 2; ++i) send(FUSE_WRITE, node, write_arguments(fh, std::string(4096, 'd'), 0, 0, O_DIRECT));
    struct stat facts {};
    ASSERT_EQ(::stat((source_ / "file").c_str(), &facts), 0);
    ASSERT_TRUE(eventually([&] {
        const auto file = filesystem_.data->files().find(FileKey{.device = facts.st_dev, .inode = facts.st_ino});
        return file && file->writes_wait_long(now_ns());
    }));
    EXPECT_EQ(open(node, O_RDONLY).open_flags & FOPEN_DIRECT_IO, 0u);
    disk_.go();
    EXPECT_TRUE(receive() && receive());
}

/// Nobody knows who these are.
class NoResolver final : public Resolver {
public:
    std::optional<std::uint64_t> resolve(GroupType, const CallerIds& caller) override {
        asked = caller;
        return known;
    }
    std::vector<std::uint64_t> lineage(GroupType, std::uint64_t id) override { return {id}; }
    bool dying(pid_t) override { return false; }
    std::vector<gid_t> supplementary_groups(pid_t) override { return {}; }

    std::optional<std::uint64_t> known;
    CallerIds asked;
};

TEST_F(ProtocolTest, WhoOpenedTheFileStandsInForItselfAndNobodyElse) {
    constexpr pid_t kOpener = 4711;
    NoResolver callers;
    filesystem_.callers = &callers;
    filesystem_.type = GroupType::pid;
    const auto charged = [this] {
        std::uint64_t units = 0;
        filesystem_.gate->with(
            [&](DeviceGroup&) { units = filesystem_.groups->find(5)->statistics().of(Direction::read).requests; });
        return units;
    };
    filesystem_.gate->with([this](DeviceGroup&) { EXPECT_EQ(filesystem_.groups->attach(5, 100), Error::none); });
    initialise();
    const std::uint64_t node = look_up("file");
    callers.known = 5;
    fuse_open_in arguments{};
    arguments.flags = O_RDONLY;
    send(FUSE_OPEN, node, bytes_of(arguments), kOpener);
    const std::uint64_t fh = receive().value_or(Answer{}).as<fuse_open_out>().fh;
    callers.known.reset();

    const auto charged_for_read_of = [&](pid_t caller) {
        const std::uint64_t before = charged();
        evict();
        send(FUSE_READ, node, read_arguments(fh, 0, 4096), caller);
        EXPECT_TRUE(receive());
        return charged() - before;
    };
    EXPECT_EQ(charged_for_read_of(kOpener), 1u) << "it has ended since";
    EXPECT_EQ(filesystem_.counters.unattributed, 0u);
    EXPECT_EQ(charged_for_read_of(kOpener + 1), 0u) << "it got the file from who opened it";
    EXPECT_EQ(filesystem_.counters.unattributed, 1u);
    EXPECT_EQ(charged_for_read_of(0), 0u) << "it has no number here";
    EXPECT_EQ(filesystem_.counters.unattributed, 2u);
    filesystem_.type = GroupType::pgrp;
    EXPECT_EQ(charged_for_read_of(kOpener), 0u) << "5 is a process";
    EXPECT_EQ(filesystem_.counters.unattributed, 3u);
}

TEST_F(ProtocolTest, AMappingsWriteBackIsTheOpenersWhateverTheTypeIsNow) {
    NoResolver callers;
    filesystem_.callers = &callers;
    filesystem_.type = GroupType::user;
    filesystem_.automatic.set_weight(50);
    initialise();
    const std::uint64_t node = look_up("file");
    callers.known = 5;
    const std::uint64_t fh = open(node, O_RDWR).fh;
    std::uint64_t page = 0;
    const auto dirtied_by_write_back = [&](GroupId group) {
        const std::uint64_t before = filesystem_.data->dirty_bytes(DirtyOwner(group));
        send(FUSE_WRITE, node, write_arguments(fh, std::string(4096, 'm'), FUSE_WRITE_CACHE, 4096 * page++), 0);
        EXPECT_TRUE(receive());
        return filesystem_.data->dirty_bytes(DirtyOwner(group)) - before;
    };
    callers.known = 6;
    EXPECT_EQ(dirtied_by_write_back(5), 4096u) << "who opened it then";
    filesystem_.automatic.clear(*filesystem_.gate, *filesystem_.groups, now_ns());
    EXPECT_EQ(dirtied_by_write_back(5), 4096u) << "its group comes back by itself";
    filesystem_.type = GroupType::gid;
    EXPECT_EQ(dirtied_by_write_back(6), 4096u) << "5 was a user, and is not taken for a group";
    EXPECT_EQ(callers.asked.tid, 0) << "another may have that number by now";
    filesystem_.automatic.clear(*filesystem_.gate, *filesystem_.groups, now_ns());
}

TEST_F(ProtocolTest, TheKernelRemembersThatANameIsNotThere) {
    initialise();
    const Answer answer = call(FUSE_LOOKUP, FUSE_ROOT_ID, std::string("none") + '\0');
    EXPECT_EQ(answer.header.error, 0);
    EXPECT_EQ(answer.as<fuse_entry_out>().nodeid, 0u);
    EXPECT_EQ(answer.as<fuse_entry_out>().entry_valid, 1u);
    EXPECT_EQ(call(FUSE_UNLINK, FUSE_ROOT_ID, std::string("none") + '\0').header.error, -ENOENT);
}

TEST_F(ProtocolTest, AReceiverIsLeftWhateverWaitsForTheDisk) {
    initialise();
    const std::uint64_t node = look_up("file");
    const std::uint64_t fh = open(node, O_RDONLY).fh;
    evict();
    disk_.stop();
    std::vector<std::uint64_t> reads;
    for (int i = 0; i < 3; ++i) {
        reads.push_back(send(FUSE_READ, node, read_arguments(fh, i * 4096ull, 4096)));
        // The first receiver reads itself; the other one has the rest wait for their turn.
        ASSERT_TRUE(
            eventually([&] { return disk_.waiting() == 1 && filesystem_.pending.count() + 1 == reads.size(); }));
    }
    call(FUSE_GETATTR, node, bytes_of(fuse_getattr_in{}));
}

TEST_F(ProtocolTest, TheReserveComesInWhenEveryReceiverSleepsInTheDisk) {
    initialise();
    const std::uint64_t node = look_up("file");
    ASSERT_NO_FATAL_FAILURE(put_to_sleep(2, node));
    call(FUSE_GETATTR, node, bytes_of(fuse_getattr_in{}));
}

/// Threads of this process that receive.
long receivers() {
    return std::ranges::count_if(fs::directory_iterator("/proc/self/task"), [](const fs::directory_entry& thread) {
        std::string name;
        std::getline(std::ifstream(thread.path() / "comm"), name);
        return name == "bandfs-receive";
    });
}

constexpr long kReceivers = 2 + ReceiverReserve::kKept;

TEST_F(ProtocolTest, ThereAreAsManyReceiversAsAskedFor) {
    struct Case {
        SessionSettings settings;
        long expected;
    };
    for (const Case& asked :
         {Case{{.receivers = 2, .idle_receivers = 3}, 5}, Case{{.receivers = 4, .most_receivers = 1}, 1},
          Case{{.receivers = 2, .most_receivers = 7, .idle_receivers = 9}, 7}}) {
        restart(asked.settings);
        initialise();
        EXPECT_TRUE(eventually([&] { return receivers() == asked.expected; })) << asked.expected;
    }
}

TEST_F(ProtocolTest, TheReserveGrowsToWhatIsAllowed) {
    restart({.receivers = 2, .most_receivers = 6, .idle_receivers = 1});
    initialise();
    const std::uint64_t node = look_up("file");
    ASSERT_NO_FATAL_FAILURE(put_to_sleep(6, node));
    send(FUSE_GETATTR, node, bytes_of(fuse_getattr_in{}));
    EXPECT_FALSE(receive(std::chrono::milliseconds(20)));
    EXPECT_EQ(receivers(), 6);
    disk_.go();
    for (int i = 0; i < 7; ++i) EXPECT_TRUE(receive());
}

TEST_F(ProtocolTest, TheReserveGrowsWhileReceiversSleepInTheDiskAndShrinksAfterwards) {
    initialise();
    const std::uint64_t node = look_up("file");
    ASSERT_TRUE(eventually([] { return receivers() == kReceivers; }));
    ASSERT_NO_FATAL_FAILURE(put_to_sleep(30, node));
    call(FUSE_GETATTR, node, bytes_of(fuse_getattr_in{}));
    disk_.go();
    for (int i = 0; i < 30; ++i) EXPECT_TRUE(receive());
    // One of the reserve goes back there after its next message.
    EXPECT_TRUE(eventually([&] {
        EXPECT_EQ(call(FUSE_GETATTR, node, bytes_of(fuse_getattr_in{})).header.error, 0);
        return receivers() == kReceivers;
    }));
}

TEST_F(ProtocolTest, AHandlerWithoutMemoryAnswersSo) {
    initialise();
    const std::uint64_t node = look_up("file");
    fuse_open_in arguments{};
    arguments.flags = O_RDONLY;
    disk_.run_out_of_memory();
    EXPECT_EQ(call(FUSE_OPEN, node, bytes_of(arguments)).header.error, -ENOMEM);
    EXPECT_EQ(call(FUSE_OPEN, node, bytes_of(arguments)).header.error, 0);
    EXPECT_EQ(filesystem_.handles.count(), 1u);
}

TEST_F(ProtocolTest, TheEndOfTheConnectionClosesWhatIsOpenAndLetsHeldRequestsPass) {
    initialise();
    const std::uint64_t node = look_up("file");
    const std::uint64_t fh = open(node, O_RDONLY).fh;
    evict();
    disk_.stop();
    send(FUSE_READ, node, read_arguments(fh, 0, 4096));
    ASSERT_TRUE(eventually([&] { return disk_.waiting() == 1; }));
    send(FUSE_READ, node, read_arguments(fh, 4096, 4096));
    ASSERT_TRUE(eventually([&] { return filesystem_.pending.count() == 1; }));
    kernel_.reset();
    EXPECT_EQ(ended_, 0);
    EXPECT_EQ(filesystem_.handles.count(), 1u);
    disk_.go();
    EXPECT_TRUE(eventually([&] { return ended_ == 1; }));
    EXPECT_EQ(filesystem_.handles.count(), 0u);
    EXPECT_EQ(filesystem_.pending.count(), 0u);
}

}  // namespace
}  // namespace bandfs
