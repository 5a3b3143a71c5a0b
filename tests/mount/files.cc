// Opening, reading and writing files.
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "oracle.h"

using bandfs::mount_test::pattern;

namespace {

std::int64_t write_all(int file, const std::string& text) {
    return write(file, text.data(), text.size());
}
std::int64_t write_at(int file, const std::string& text, off_t at) {
    return pwrite(file, text.data(), text.size(), at);
}

std::int64_t read_sum(int file, std::size_t bytes, off_t at) {
    std::string text(bytes, 0);
    const ssize_t n = pread(file, text.data(), bytes, at);
    if (n < 0) return -1;
    auto sum = static_cast<std::uint64_t>(n);
    for (ssize_t i = 0; i < n; ++i) sum = sum * 31 + static_cast<unsigned char>(text[static_cast<std::size_t>(i)]);
    return static_cast<std::int64_t>(sum & INT64_MAX);
}

}  // namespace

SCENARIO(Files, OpenFlags) {
    int f = 0;
    DO(f = open("new", O_RDWR));
    DO(f = open("new", O_RDWR | O_CREAT, 0666));
    DO(write_all(f, "hello"));
    DO(close(f));
    scene.see("new");
    DO(open("new", O_RDWR | O_CREAT | O_EXCL, 0600));
    DO(f = open("new", O_RDONLY | O_CREAT, 0600));
    DO(write_all(f, "x"));
    DO(close(f));
    DO(f = open("new", O_WRONLY));
    DO(read_sum(f, 10, 0));
    DO(close(f));
    DO(f = open("new", O_WRONLY | O_TRUNC));
    scene.see("new");
    DO(close(f));
    DO(open("new/under", O_RDONLY));
    DO(open(".", O_WRONLY));
    DO(open("new", O_RDONLY | O_DIRECTORY));
    DO(symlink("new", "link"));
    DO(open("link", O_RDONLY | O_NOFOLLOW));
    DO(f = open("link", O_PATH | O_NOFOLLOW));
    DO(close(f));
    DO(open("absent/new", O_RDWR | O_CREAT, 0600));
    DO(symlink("nowhere", "dangling"));
    DO(f = open("dangling", O_RDWR | O_CREAT, 0600));
    DO(close(f));
    scene.see("nowhere");
}

SCENARIO(Files, Nameless) {
    const auto named = [](int file, const char* name) {
        return linkat(AT_FDCWD, ("/proc/self/fd/" + std::to_string(file)).c_str(), AT_FDCWD, name, AT_SYMLINK_FOLLOW);
    };
    struct stat attr {};
    int f = open(".", O_TMPFILE | O_RDWR, 0666);
    DO(f >= 0);
    DO(write_all(f, "nobody can find it"));
    DO(fstat(f, &attr));
    DO(attr.st_nlink);
    DO(attr.st_mode);
    scene.see_names(".");
    DO(fchmod(f, 0640));
    DO(named(f, "found"));
    scene.see("found");
    scene.see_content("found");
    DO(write_all(f, ", or so"));
    DO(named(f, "again"));
    scene.see("again");
    DO(close(f));
    f = open(".", O_TMPFILE | O_WRONLY | O_EXCL, 0600);
    DO(named(f, "never"));
    DO(close(f));
    DO(open(".", O_TMPFILE | O_RDONLY, 0600));
    DO(open("found", O_TMPFILE | O_RDWR, 0600));
    DO(open("absent", O_TMPFILE | O_RDWR, 0600));
    scene.see_names(".");
}

SCENARIO(Files, CreateModes) {
    for (const mode_t mode : {0u, 0200u, 0400u, 0444u, 0644u, 0777u, 04755u, 02755u, 01777u}) {
        const std::string name = "m" + std::to_string(mode);
        const int f = open(name.c_str(), O_RDWR | O_CREAT | O_EXCL, mode);
        DO(f >= 0);
        DO(write_all(f, "abc"));  // works whatever the mode is: it is this open
        close(f);
        scene.see(name);
    }
    umask(077);
    DO(close(creat("masked", 0666)));
    scene.see("masked");
    umask(0);
    DO(close(creat("bare", 0666)));
    scene.see("bare");
}

SCENARIO(Files, SizesAndHoles) {
    const int f = open("f", O_RDWR | O_CREAT, 0644);
    for (const std::size_t size :
         {1u, 511u, 4095u, 4096u, 4097u, 131071u, 131072u, 131073u, 1048576u, 1048577u, 3000000u}) {
        DO(ftruncate(f, 0));
        DO(write_at(f, pattern(size, static_cast<unsigned>(size)), 0));
        scene.see_content("f");
        DO(read_sum(f, size + 100, 0));
        DO(read_sum(f, 5000, static_cast<off_t>(size) - 100));
        DO(read_sum(f, 10, static_cast<off_t>(size)));
        DO(read_sum(f, 10, static_cast<off_t>(size) + 100000));
    }
    DO(ftruncate(f, 0));
    DO(write_at(f, "end", 5'000'000));
    scene.see_content("f");
    DO(ftruncate(f, 2'000'001));
    DO(write_at(f, "x", 2'500'000));
    scene.see_content("f");
    DO(ftruncate(f, -1));
    DO(truncate("f", 77));
    scene.see("f");
    DO(close(f));
}

SCENARIO(Files, BeyondFourGiB) {
    const int f = open("f", O_RDWR | O_CREAT, 0644);
    const off_t far = (off_t{5} << 30) + 12345;
    DO(write_at(f, pattern(100000, 1), far));
    DO(read_sum(f, 100000, far));
    DO(read_sum(f, 4096, far - 4096));
    scene.see("f");
    DO(lseek(f, 0, SEEK_END));
    DO(lseek(f, 0, SEEK_DATA) > 0);
    DO(lseek(f, 0, SEEK_HOLE));
    DO(ftruncate(f, far + 10));
    scene.see("f");
    DO(close(f));
}

SCENARIO(Files, OverlappingWrites) {
    const int f = open("f", O_RDWR | O_CREAT, 0644);
    std::uint32_t state = 7;
    for (int i = 0; i < 300; ++i) {
        state = state * 1664525u + 1013904223u;
        const off_t at = state % 700000;
        const std::size_t bytes = state / 700000 % 70000 + 1;
        if (write_at(f, pattern(bytes, state), at) != static_cast<std::int64_t>(bytes)) scene.say("short write");
        if (i % 60 == 59) scene.see_content("f");
        if (i % 100 == 50) DO(fsync(f));
        if (i % 100 == 99) DO(ftruncate(f, state % 600000));
    }
    DO(close(f));
    scene.see_content("f");
}

SCENARIO(Files, Append) {
    const int a = open("f", O_WRONLY | O_CREAT | O_APPEND, 0644);
    const int b = open("f", O_WRONLY | O_APPEND);
    for (int i = 0; i < 200; ++i) {
        if (write_all(i % 3 ? a : b, pattern(static_cast<std::size_t>(i) * 37 % 900 + 1, static_cast<unsigned>(i))) <=
            0)
            scene.say("failed");
    }
    scene.see_content("f");
    DO(lseek(a, 0, SEEK_CUR));
    DO(write_at(a, "at the end all the same", 3));
    scene.see_content("f");
    DO(close(a));
    DO(close(b));
}

SCENARIO(Files, AppendTakenOffAndPutOn) {
    const int f = open("f", O_RDWR | O_CREAT | O_APPEND, 0644);
    DO(write_all(f, "hello world"));
    DO(fcntl(f, F_SETFL, 0));
    DO(write_at(f, "J", 0));
    DO(lseek(f, 6, SEEK_SET));
    DO(write_all(f, "W"));
    scene.see_content("f");
    DO(fcntl(f, F_SETFL, O_APPEND));
    DO(write_at(f, "!", 0));
    scene.see_content("f");
    DO(close(f));
}

SCENARIO(Files, AppendOnly) {
    int f = open("f", O_RDWR | O_CREAT, 0644);
    DO(write_all(f, "hello"));
    int flags = 0;
    DO(ioctl(f, FS_IOC_GETFLAGS, &flags));
    flags |= FS_APPEND_FL;
    DO(ioctl(f, FS_IOC_SETFLAGS, &flags));  // root may
    DO(write_at(f, "J", 0));                // opened before
    DO(close(f));
    DO(close(open("f", O_WRONLY)));
    DO(close(open("f", O_WRONLY | O_APPEND | O_TRUNC)));
    DO(f = open("f", O_WRONLY | O_APPEND));
    DO(write_all(f, " world"));
    DO(write_at(f, "!", 0));
    DO(ftruncate(f, 3));
    DO(fsync(f));
    scene.see_content("f");
    const int reads = open("f", O_RDONLY);
    flags &= ~FS_APPEND_FL;
    DO(ioctl(reads, FS_IOC_SETFLAGS, &flags));
    DO(close(reads));
    int g = 0;
    DO(g = open("f", O_RDWR));
    DO(write_at(g, "Y", 0));
    DO(write_all(f, "?"));
    scene.see_content("f");
}

SCENARIO(Files, AppendedBySeveral) {
    // Four processes append records; each record must be there once and whole.
    close(creat("f", 0644));
    std::vector<pid_t> children;
    for (char who = 'a'; who < 'e'; ++who) {
        const pid_t child = fork();
        if (child == 0) {
            const int f = open("f", O_WRONLY | O_APPEND);
            for (int i = 0; i < 100; ++i) {
                const std::string record(static_cast<std::size_t>(i) * 37 % 900 + 1, who);
                if (write_all(f, record + "\n") < 0) _exit(1);
            }
            _exit(0);
        }
        children.push_back(child);
    }
    for (const pid_t child : children) {
        int status = 0;
        waitpid(child, &status, 0);
        DO(status);
    }
    const int f = open("f", O_RDONLY);
    std::string text(1 << 20, 0);
    text.resize(static_cast<std::size_t>(read(f, text.data(), text.size())));
    int mixed = 0;
    std::size_t counts[4] = {};
    for (std::size_t start = 0, end = 0; (end = text.find('\n', start)) != std::string::npos; start = end + 1) {
        const std::string record = text.substr(start, end - start);
        if (record.find_first_not_of(record[0]) != std::string::npos || record[0] < 'a' || record[0] > 'd')
            ++mixed;
        else
            ++counts[record[0] - 'a'];
    }
    DO(mixed);
    for (const std::size_t count : counts) scene.say(std::to_string(count));
    scene.see("f");
}

SCENARIO(Files, Vectors) {
    const int f = open("f", O_RDWR | O_CREAT, 0644);
    std::string one = "one", two(70000, '2'), three = "three";
    iovec parts[] = {{one.data(), one.size()}, {two.data(), two.size()}, {three.data(), three.size()}};
    DO(writev(f, parts, 3));
    DO(pwritev(f, parts, 3, 500));
    scene.see_content("f");
    DO(preadv(f, parts, 3, 1));
    scene.say(one + three);
    DO(pwritev2(f, parts, 3, 0, RWF_DSYNC));
    DO(pwritev2(f, parts, 1, 0, RWF_APPEND));
    scene.see_content("f");
    DO(close(f));
}

SCENARIO(Files, Synchronous) {
    for (const int flag : {O_SYNC, O_DSYNC}) {
        const int f = open("f", O_RDWR | O_CREAT | flag, 0644);
        DO(write_at(f, pattern(100000, 3), 17));
        scene.see_content("f");
        DO(fsync(f));
        DO(fdatasync(f));
        DO(close(f));
    }
    const int f = open("f", O_RDWR);
    DO(write_at(f, pattern(300000, 4), 1000));
    DO(sync_file_range(f, 0, 0, SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER));
    DO(fdatasync(f));
    DO(close(f));
    const int d = open(".", O_RDONLY | O_DIRECTORY);
    DO(fsync(d));
    DO(close(d));
    scene.see_content("f");
}

SCENARIO(Files, Direct) {
    const int f = open("f", O_RDWR | O_CREAT | O_DIRECT, 0644);
    if (f < 0) return (void)DO(f);
    void* memory = nullptr;
    if (posix_memalign(&memory, 4096, 1 << 20) != 0) return;
    auto* buffer = static_cast<char*>(memory);
    const std::string text = pattern(1 << 20, 9);
    memcpy(buffer, text.data(), text.size());
    DO(pwrite(f, buffer, 1 << 20, 0));
    DO(pwrite(f, buffer, 8192, 3 << 20));
    memset(buffer, 0, 1 << 20);
    DO(pread(f, buffer, 1 << 20, 0));
    DO(memcmp(buffer, text.data(), text.size()));
    DO(pread(f, buffer, 1 << 20, 3 << 20));
    DO(pread(f, buffer, 4096, 4 << 20));
    scene.see_content("f");
    // A buffered and a direct open see each other's data.
    const int b = open("f", O_RDWR);
    DO(write_at(b, "buffered", 4096));
    DO(pread(f, buffer, 4096, 4096));
    scene.say(std::string(buffer, 8));
    memset(buffer, 'd', 4096);
    DO(pwrite(f, buffer, 4096, 8192));
    DO(read_sum(b, 12288, 4096));
    DO(close(b));
    // As dd(1) writes the last part of a file.
    const int g = open("g", O_RDWR | O_CREAT | O_DIRECT, 0644);
    DO(pwrite(g, buffer, 4096, 0));
    DO(pwrite(g, buffer, 100, 4096));
    DO(fcntl(g, F_SETFL, 0));
    DO(pwrite(g, buffer, 100, 4096));
    DO(pread(g, buffer + 1, 100, 7));
    DO(fcntl(g, F_SETFL, O_DIRECT));
    DO(pread(g, buffer + 1, 100, 7));
    // At the end of the file and behind it nothing has to be aligned.
    for (const off_t offset : {4196, 4608, 5000, 8192}) {
        for (const std::size_t bytes : {1, 100, 512, 4096}) DO(pread(g, buffer, bytes, offset));
    }
    scene.see_content("g");
    DO(close(g));
    DO(close(f));
    free(memory);
}

SCENARIO(Files, UnlinkedWhileOpen) {
    const int f = open("f", O_RDWR | O_CREAT, 0644);
    DO(write_all(f, "still there"));
    DO(unlink("f"));
    scene.see("f");
    scene.see_names(".");
    DO(read_sum(f, 100, 0));
    DO(write_at(f, pattern(200000, 5), 50));
    DO(read_sum(f, 300000, 0));
    struct stat attr {};
    DO(fstat(f, &attr));
    scene.say(std::to_string(attr.st_nlink) + " links, size " + std::to_string(attr.st_size));
    DO(fchmod(f, 0600));
    DO(ftruncate(f, 10));
    DO(fsync(f));
    const int again = open(("/proc/self/fd/" + std::to_string(f)).c_str(), O_RDWR);
    DO(read_sum(again, 100, 0));
    DO(close(again));
    DO(close(f));
}

SCENARIO(Files, CopiesInTheKernel) {
    const int from = open("from", O_RDWR | O_CREAT, 0644);
    DO(write_all(from, pattern(500000, 6)));
    const int to = open("to", O_RDWR | O_CREAT, 0644);
    off_t at = 100;
    std::int64_t copied = 0;
    for (std::int64_t n = 0; (n = sendfile(to, from, &at, 400000)) > 0;) copied += n;
    DO(copied);
    scene.see_content("to");
    loff_t in = 0, out = 7;
    copied = 0;
    for (std::int64_t n = 0;
         copied < 300000 &&
         (n = copy_file_range(from, &in, to, &out, static_cast<std::size_t>(300000 - copied), 0)) > 0;)
        copied += n;
    DO(copied);
    scene.see_content("to");
    DO(close(from));
    DO(close(to));
}

SCENARIO(Files, SeekDataAndHole) {
    const int f = open("f", O_RDWR | O_CREAT, 0644);
    DO(ftruncate(f, 4 << 20));
    DO(write_at(f, pattern(65536, 1), 1 << 20));
    DO(write_at(f, pattern(65536, 2), 3 << 20));
    DO(fsync(f));
    off_t at = 0;
    for (int i = 0; i < 4; ++i) {
        DO(at = lseek(f, at, SEEK_DATA));
        if (at < 0) break;
        DO(at = lseek(f, at, SEEK_HOLE));
    }
    DO(lseek(f, 5 << 20, SEEK_DATA));
    DO(lseek(f, -1, SEEK_SET));
    DO(close(f));
}

SCENARIO(Files, MoreThanThereIsRoom) {
    const int f = open("f", O_RDWR | O_CREAT, 0644);
    DO(fallocate(f, 0, 0, 8LL << 30));
    struct stat now {};  // ext4 has allocated, and made the file longer, until nothing was left
    DO(fstat(f, &now));
    scene.say(std::string(now.st_size > 0 ? "longer" : "empty") +
              (now.st_blocks > 0 ? ", with blocks" : ", no blocks"));
    DO(lseek(f, 0, SEEK_END) == now.st_size);
    DO(ftruncate(f, 0));
    scene.see("f");
    DO(close(f));
}

SCENARIO(Files, ManyOpen) {
    std::vector<int> open_files;
    for (int i = 0; i < 800; ++i) {
        const int f = open(("f" + std::to_string(i)).c_str(), O_RDWR | O_CREAT, 0644);
        if (f < 0) break;
        write_all(f, std::to_string(i));
        open_files.push_back(f);
    }
    DO(open_files.size());
    std::int64_t sum = 0;
    for (const int f : open_files) sum += read_sum(f, 10, 0) % 1000;
    DO(sum);
    for (const int f : open_files) close(f);
}
