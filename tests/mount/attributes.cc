// Owners, modes, times, permissions, set-id bits and extended attributes.
#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>

#include "oracle.h"

using namespace bandfs::mount_test;

namespace {

int make_file(const char* name, mode_t mode = 0644) {
    const int f = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (f < 0) return -1;
    const ssize_t n = write(f, "content", 7);
    close(f);
    return n != 7 || chmod(name, mode) != 0 ? -1 : 0;
}

/// Both times of a file, to the nanosecond.
void see_times(Scene& scene, const char* name) {
    struct stat attr {};
    if (lstat(name, &attr) != 0) return scene.say(std::string(name) + ": " + strerrorname_np(errno));
    char text[200];
    snprintf(text, sizeof text, "%s: accessed %ld.%09ld modified %ld.%09ld", name, attr.st_atim.tv_sec,
             attr.st_atim.tv_nsec, attr.st_mtim.tv_sec, attr.st_mtim.tv_nsec);
    scene.say(text);
}

struct timespec mtime_of(const char* name) {
    struct stat attr {};
    lstat(name, &attr);
    return attr.st_mtim;
}

struct timespec ctime_of(const char* name) {
    struct stat attr {};
    lstat(name, &attr);
    return attr.st_ctim;
}

bool before(const timespec& a, const timespec& b) {
    return a.tv_sec < b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec < b.tv_nsec);
}

/// A time that a later change cannot equal: the clock of the file system ticks every few milliseconds.
void age(const char* name) {
    const timespec past[2] = {{1000000000, 1}, {1000000000, 1}};
    utimensat(AT_FDCWD, name, past, AT_SYMLINK_NOFOLLOW);
}

}  // namespace

SCENARIO(Attributes, Modes) {
    DO(make_file("f"));
    for (const mode_t mode : {0000u, 0644u, 0777u, 04711u, 02755u, 02644u, 01777u, 06755u}) {
        DO(chmod("f", mode));
        scene.see("f");
    }
    DO(mkdir("d", 0755));
    DO(chmod("d", 03777));
    scene.see("d");
    DO(chmod("absent", 0644));
    const int f = open("f", O_RDONLY);
    DO(fchmod(f, 0640));
    scene.see("f");
    close(f);
}

SCENARIO(Attributes, ModesOfOthers) {
    DO(make_file("f", 0666));
    DO(mkdir("d", 0777));
    DO(chmod("d", 0777));
    for (const User* user : {&kAlice, &kBob}) {
        scene.as(*user, [&] {
            DO(chmod("f", 0600));
            DO(chown("f", scene.user().uid, static_cast<gid_t>(-1)));
            DO(truncate("f", 3));
            DO(make_file(user == &kAlice ? "d/a" : "d/b"));
            DO(unlink("f"));
            scene.see("f");
        });
    }
    scene.see_names("d");
    scene.see("d/a");
    scene.see("d/b");
}

SCENARIO(Attributes, Owners) {
    DO(make_file("f", 06755));
    DO(chown("f", static_cast<uid_t>(-1), static_cast<gid_t>(-1)));
    scene.see("f");
    DO(chown("f", static_cast<uid_t>(-1), kCommonGroup));
    scene.see("f");
    DO(chown("f", kBob.uid, static_cast<gid_t>(-1)));
    scene.see("f");
    DO(chown("f", scene.user().uid, scene.user().gid));
    scene.see("f");
    DO(symlink("f", "s"));
    DO(lchown("s", static_cast<uid_t>(-1), scene.user().gid));
    scene.see("s");
    DO(mkdir("d", 0755));
    DO(chmod("d", 06755));
    DO(chown("d", static_cast<uid_t>(-1), scene.user().gid));
    scene.see("d");
}

SCENARIO(Attributes, NewObjectsBelongToTheCaller) {
    DO(mkdir("open", 0777));
    DO(chmod("open", 0777));
    DO(mkdir("setgid", 0777));
    DO(chown("setgid", static_cast<uid_t>(-1), kCommonGroup));
    DO(chmod("setgid", 02777));
    scene.see("setgid");
    for (const User* user : {&kAlice, &kBob}) {
        scene.as(*user, [&] {
            for (const std::string directory : {"open/", "setgid/"}) {
                const std::string name = directory + user->name;
                DO(make_file((name + ".file").c_str()));
                DO(mkdir((name + ".directory").c_str(), 0777));
                DO(symlink("x", (name + ".symlink").c_str()));
                DO(mkfifo((name + ".fifo").c_str(), 0666));
                DO(close(open((name + ".setgid").c_str(), O_CREAT | O_WRONLY, 02755)));
                for (const char* kind : {".file", ".directory", ".symlink", ".fifo", ".setgid"}) scene.see(name + kind);
            }
        });
    }
}

SCENARIO(Attributes, GroupsGivePermission) {
    DO(mkdir("common", 0770));
    DO(chown("common", static_cast<uid_t>(-1), kCommonGroup));
    DO(chmod("common", 0770));
    for (const User* user : {&kAlice, &kBob}) {
        scene.as(*user, [&] {
            DO(make_file("common/f"));
            scene.see("common/f");
            scene.see_names("common");
        });
    }
}

SCENARIO(Attributes, StickyDirectory) {
    DO(mkdir("t", 0777));
    DO(chmod("t", 01777));
    DO(make_file("t/mine", 0666));
    scene.as(kAlice, [&] { DO(make_file("t/alice", 0666)); });
    scene.as(kBob, [&] {
        DO(unlink("t/mine"));
        DO(unlink("t/alice"));
        DO(rename("t/alice", "t/bob"));
        DO(make_file("t/bob"));
        DO(rename("t/bob", "t/alice"));
        DO(unlink("t/bob"));
    });
    scene.as(kAlice, [&] { DO(unlink("t/alice")); });
    scene.see_names("t");
}

SCENARIO(Attributes, Access) {
    DO(make_file("f", 0640));
    DO(mkdir("closed", 0700));
    DO(make_file("closed/f"));
    DO(make_file("program", 0755));
    const auto look = [&] {
        for (const char* name : {"f", "closed", "closed/f", "program", "absent"}) {
            for (const int mode : {F_OK, R_OK, W_OK, X_OK}) {
                scene.say(name);
                DO(access(name, mode));
            }
        }
        DO(open("f", O_RDONLY) >= 0);
        DO(open("f", O_WRONLY) >= 0);
        DO(open("closed", O_RDONLY) >= 0);
        DO(chdir("closed"));
    };
    scene.as(kAlice, look);
    scene.as(kBob, look);
    look();
}

SCENARIO(Attributes, SetIdFallsOnWriting) {
    const auto set_up = [&] {
        DO(make_file("f"));
        DO(chmod("f", 06777));
    };
    const auto in_turn = [&](auto change) {
        set_up();
        scene.as(kBob, change);
        scene.see("f");
        set_up();
        change();
        scene.see("f");
    };
    in_turn([&] {
        const int f = open("f", O_WRONLY);
        DO(write(f, "x", 1));
        close(f);
    });
    in_turn([&] { DO(truncate("f", 2)); });
    in_turn([&] {
        const int f = open("f", O_RDWR);
        DO(ftruncate(f, 3));
        close(f);
    });
    in_turn([&] { close(open("f", O_WRONLY | O_TRUNC)); });
    in_turn([&] { DO(chmod("f", 06711)); });
    in_turn([&] { DO(chown("f", static_cast<uid_t>(-1), scene.user().gid)); });
}

SCENARIO(Attributes, SetIdFallsByGroupMembership) {
    // Where the group may not execute, S_ISGID stays when a member writes.
    for (const mode_t mode : {02666u, 02676u, 06666u}) {
        for (const gid_t group : {kCommonGroup, gid_t{2002}, gid_t{0}}) {
            const auto set_up = [&] {
                unlink("f");
                DO(make_file("f"));
                DO(chown("f", static_cast<uid_t>(-1), group));
                DO(chmod("f", mode));
            };
            const auto in_turn = [&](auto change) {
                for (const User* user : {&kAlice, &kBob}) {
                    set_up();
                    scene.as(*user, [&] {
                        const int f = open("f", O_RDWR);
                        change(f);
                        close(f);
                    });
                    scene.see("f");
                }
            };
            in_turn([&](int f) { DO(write(f, "x", 1)); });
            in_turn([&](int f) { DO(fallocate(f, 0, 0, 100)); });
            in_turn([&](int f) { DO(ftruncate(f, 2)); });
        }
    }
}

SCENARIO(Attributes, OwnersLeftAsTheyAre) {
    // Whoever does not own the file may do that only where no set-id bit would fall.
    for (const mode_t mode : {0644u, 04644u, 02755u, 02644u}) {
        unlink("f");
        DO(mknod("f", S_IFREG | 0600, 0));
        DO(chmod("f", mode));
        scene.as(kBob, [&] { DO(chown("f", static_cast<uid_t>(-1), static_cast<gid_t>(-1))); });
        scene.see("f");
        DO(chown("f", static_cast<uid_t>(-1), static_cast<gid_t>(-1)));
        scene.see("f");
    }
    // Nor while it is open for writing, be it by the caller, who does take them off by writing.
    for (const mode_t mode : {04666u, 02777u}) {
        unlink("f");
        const int own = open("f", O_RDWR | O_CREAT, 0600);
        DO(fchmod(own, mode));
        scene.as(kBob, [&] {
            DO(chown("f", static_cast<uid_t>(-1), static_cast<gid_t>(-1)));
            scene.see("f");
            const int f = open("f", O_RDWR);
            DO(fchown(f, static_cast<uid_t>(-1), static_cast<gid_t>(-1)));
            scene.see("f");
            DO(write(f, "x", 1));
            scene.see("f");
        });
        close(own);
    }
    DO(mkfifo("p", 0644));
    DO(chmod("p", 06755));
    scene.as(kBob, [&] { DO(chown("p", static_cast<uid_t>(-1), static_cast<gid_t>(-1))); });
    scene.see("p");
}

SCENARIO(Attributes, FlagsSetByTheOwner) {
    DO(make_file("f"));
    DO(chmod("f", 06755));
    const int f = open("f", O_RDONLY);
    fsxattr attributes{};
    if (ioctl(f, FS_IOC_FSGETXATTR, &attributes) == 0) DO(ioctl(f, FS_IOC_FSSETXATTR, &attributes));
    scene.see("f");
    close(f);
}

SCENARIO(Times, OfAccessLeftAsTheyAre) {
    constexpr std::size_t kBytes = 20000;
    const auto long_ago = [](int f) {
        const timespec past[] = {{1000000000, 1}, {1000000000, 1}};
        return futimens(f, past);
    };
    const int writer = open("f", O_RDWR | O_CREAT | O_TRUNC, 0644);
    DO(write(writer, pattern(kBytes, 1).data(), kBytes));
    DO(mkdir("d", 0755));
    char read_back[kBytes];
    for (const char* name : {"f", "d"}) {
        const bool directory = *name == 'd';
        const int quiet = open(name, O_RDONLY | O_NOATIME | (directory ? O_DIRECTORY : 0));
        DO(long_ago(quiet));
        if (directory) {
            DO(getdents64(quiet, read_back, sizeof read_back) > 0);
        } else {
            DO(read(quiet, read_back, 100));
        }
        see_times(scene, name);
        close(quiet);
    }
    const int later = open("f", O_RDONLY);
    DO(long_ago(later));
    DO(fcntl(later, F_SETFL, O_NOATIME));
    DO(read(later, read_back, sizeof read_back));
    see_times(scene, "f");
    close(later);
    close(writer);
}

SCENARIO(Times, Birth) {
    const auto see_birth = [&scene](const char* path, const struct statx& after) {
        struct statx now {};
        DO(statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME, &now));
        const auto as_one = [](const statx_timestamp& time) { return time.tv_sec * 1000000000 + time.tv_nsec; };
        scene.say((now.stx_mask & STATX_BTIME) == 0                 ? "no birth"
                  : as_one(now.stx_btime) < as_one(after.stx_btime) ? "born before"
                  : as_one(now.stx_btime) <= as_one(now.stx_ctime)  ? "born, and changed then or since"
                                                                    : "changed before it was born");
        scene.say(std::to_string(now.stx_size) + " " + std::to_string(now.stx_mode) + " " +
                  std::to_string(now.stx_nlink) + " " + std::to_string(now.stx_uid) + " " +
                  std::to_string(now.stx_blksize) + " " + std::to_string(now.stx_rdev_major) + ":" +
                  std::to_string(now.stx_rdev_minor));
        return now;
    };
    const struct statx home = see_birth(".", {});
    DO(make_file("f"));
    const struct statx first = see_birth("f", home);
    DO(chmod("f", 0640));
    const struct statx later = see_birth("f", first);
    scene.say(memcmp(&first.stx_btime, &later.stx_btime, sizeof first.stx_btime) == 0 ? "the same" : "another");
    DO(symlink("f", "s"));
    see_birth("s", home);
    DO(mkfifo("p", 0644));
    see_birth("p", home);
    if (mknod("c", S_IFCHR | 0600, makedev(300, 70000)) == 0) see_birth("c", home);
}

SCENARIO(Times, Set) {
    DO(make_file("f"));
    const timespec both[2] = {{1234567890, 123456789}, {987654321, 987654321}};
    DO(utimensat(AT_FDCWD, "f", both, 0));
    see_times(scene, "f");
    const timespec accessed[2] = {{5, 6}, {0, UTIME_OMIT}};
    DO(utimensat(AT_FDCWD, "f", accessed, 0));
    see_times(scene, "f");
    const timespec modified[2] = {{0, UTIME_OMIT}, {7, 8}};
    DO(utimensat(AT_FDCWD, "f", modified, 0));
    see_times(scene, "f");
    const timespec neither[2] = {{0, UTIME_OMIT}, {0, UTIME_OMIT}};
    DO(utimensat(AT_FDCWD, "f", neither, 0));
    see_times(scene, "f");
    const int f = open("f", O_RDONLY);
    DO(futimens(f, both));
    see_times(scene, "f");
    const timespec now[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}};
    DO(futimens(f, now));
    DO(mtime_of("f").tv_sec > 1700000000);
    close(f);
    DO(symlink("f", "s"));
    DO(utimensat(AT_FDCWD, "s", both, AT_SYMLINK_NOFOLLOW));
    see_times(scene, "s");
    const timespec old[2] = {{-1000, 0}, {-1, 5}};
    DO(utimensat(AT_FDCWD, "f", old, 0));
    see_times(scene, "f");
    const timespec wrong[2] = {{0, 2000000000}, {0, 0}};
    DO(utimensat(AT_FDCWD, "f", wrong, 0));
}

SCENARIO(Times, SetByOthers) {
    DO(make_file("f", 0666));
    DO(make_file("g", 0644));
    scene.as(kBob, [&] {
        const timespec given[2] = {{1, 0}, {1, 0}};
        const timespec now[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}};
        DO(utimensat(AT_FDCWD, "f", given, 0));
        DO(utimensat(AT_FDCWD, "f", now, 0));
        DO(utimensat(AT_FDCWD, "f", nullptr, 0));
        DO(utimensat(AT_FDCWD, "g", nullptr, 0));
    });
}

SCENARIO(Times, FlagsChangeThem) {
    DO(make_file("f"));
    const int f = open("f", O_RDONLY);
    int flags = 0;
    DO(ioctl(f, FS_IOC_GETFLAGS, &flags));
    // Again until the file system's clock has ticked, and not so long that attributes are asked for anew by themselves.
    const timespec c = ctime_of("f");
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(300);
    int failed = 0;
    while (failed == 0 && !before(c, ctime_of("f")) && std::chrono::steady_clock::now() < end) {
        flags ^= FS_NODUMP_FL;
        failed = ioctl(f, FS_IOC_SETFLAGS, &flags);
    }
    scene.say(std::string("ctime ") + (before(c, ctime_of("f")) ? "moves" : "stays"));
    close(f);
}

SCENARIO(Times, Modified) {
    DO(mkdir("d", 0755));
    DO(make_file("d/f"));
    const auto changes = [&](const char* name, const char* what, auto change) {
        age(name);
        const timespec m = mtime_of(name), c = ctime_of(name);
        change();
        scene.say(std::string(what) + ": mtime " + (before(m, mtime_of(name)) ? "moves" : "stays") + ", ctime " +
                  (before(ctime_of(name), c) ? "goes back" : "does not go back"));
    };
    changes("d", "creating", [] { close(creat("d/g", 0644)); });
    changes("d", "unlinking", [] { unlink("d/g"); });
    changes("d", "making a directory", [] { mkdir("d/e", 0755); });
    changes("d", "renaming", [] { rename("d/e", "d/h"); });
    changes("d", "changing a file inside", [] { truncate("d/f", 1); });
    changes("d/f", "truncating", [] { truncate("d/f", 0); });
    changes("d/f", "changing the mode", [] { chmod("d/f", 0600); });
    changes("d/f", "linking", [] { link("d/f", "d/i"); });
    changes("d/f", "writing", [] {
        const int f = open("d/f", O_WRONLY);
        if (write(f, "x", 1) != 1) abort();
        close(f);
    });
    changes("d/f", "reading", [] {
        const int f = open("d/f", O_RDONLY);
        char c = 0;
        if (read(f, &c, 1) != 1) abort();
        close(f);
    });
}

SCENARIO(Xattrs, User) {
    DO(make_file("f"));
    char value[100];
    DO(getxattr("f", "user.a", value, sizeof value));
    DO(setxattr("f", "user.a", "one", 3, 0));
    DO(setxattr("f", "user.a", "two!", 4, XATTR_CREATE));
    DO(setxattr("f", "user.b", "two!", 4, XATTR_REPLACE));
    DO(setxattr("f", "user.a", "two!", 4, XATTR_REPLACE));
    DO(getxattr("f", "user.a", nullptr, 0));
    DO(getxattr("f", "user.a", value, 2));
    DO(getxattr("f", "user.a", value, sizeof value));
    scene.say(std::string(value, 4));
    DO(setxattr("f", "user.empty", "", 0, 0));
    DO(getxattr("f", "user.empty", value, sizeof value));
    DO(removexattr("f", "user.a"));
    DO(removexattr("f", "user.a"));
    DO(setxattr("f", "strange.a", "x", 1, 0));
    DO(setxattr("f", ("user." + std::string(250, 'n')).c_str(), "x", 1, 0));
    DO(setxattr("f", ("user." + std::string(251, 'n')).c_str(), "x", 1, 0));
    DO(mkdir("d", 0755));
    DO(setxattr("d", "user.d", "x", 1, 0));
    DO(symlink("f", "s"));
    DO(lsetxattr("s", "user.s", "x", 1, 0));
    DO(mkfifo("p", 0600));
    DO(setxattr("p", "user.p", "x", 1, 0));
    const int f = open("f", O_RDWR);
    DO(fsetxattr(f, "user.handle", "x", 1, 0));
    DO(fgetxattr(f, "user.handle", value, sizeof value));
    close(f);
    scene.as(kBob, [&] {
        DO(setxattr("f", "user.bob", "x", 1, 0));
        DO(getxattr("f", "user.empty", value, sizeof value));
    });
}

SCENARIO(Xattrs, Privileged) {
    DO(make_file("f"));
    char value[100];
    DO(setxattr("f", "trusted.a", "one", 3, 0));
    DO(getxattr("f", "trusted.a", value, sizeof value));
    DO(setxattr("f", "security.thing", "one", 3, 0));
    DO(getxattr("f", "security.thing", value, sizeof value));
    DO(getxattr("f", "security.capability", value, sizeof value));
    DO(getxattr("f", "system.posix_acl_access", value, sizeof value));
    DO(setxattr("f", "system.posix_acl_access", "junk", 4, 0));
}

SCENARIO(Attributes, FileSystem) {
    struct statvfs fs {};
    DO(statvfs(".", &fs));
    scene.say(std::to_string(fs.f_bsize) + " " + std::to_string(fs.f_frsize) + " " + std::to_string(fs.f_blocks) + " " +
              std::to_string(fs.f_files) + " " + std::to_string(fs.f_namemax));
}
