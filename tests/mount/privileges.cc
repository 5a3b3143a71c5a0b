// Set-id bits and file capabilities where more than chown(2) and write(2) is at work.
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/falloc.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <string>

#include "oracle.h"

namespace bandfs::mount_test {
namespace {

bool give_capability(const char* file) {
    vfs_cap_data capability{};
    capability.magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE;
    capability.data[0].permitted = 1U << CAP_NET_RAW;
    return setxattr(file, "security.capability", &capability, sizeof capability, 0) == 0;
}

void see_privileges(Scene& scene, const char* file) {
    scene.see(file);
    scene.say(std::string(file) + (getxattr(file, "security.capability", nullptr, 0) > 0 ? " has" : " lacks") +
              " capabilities");
}

/// Makes this process alice's, with CAP_CHOWN.
bool become_alice_who_may_chown() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3]{};
    data[0].effective = data[0].permitted = 1U << CAP_CHOWN;
    return prctl(PR_SET_KEEPCAPS, 1) == 0 && setgroups(kAlice.groups.size(), kAlice.groups.data()) == 0 &&
           setresgid(kAlice.gid, kAlice.gid, kAlice.gid) == 0 && setresuid(kAlice.uid, kAlice.uid, kAlice.uid) == 0 &&
           syscall(SYS_capset, &header, data) == 0;
}

}  // namespace

/// overlayfs gives a copy its mode and its capabilities, and then its owner.
SCENARIO(Privileges, SurviveBeingCopiedUp) {
    for (const char* directory : {"lower", "upper", "work", "merged"}) mkdir(directory, 0755);
    struct Case {
        const char* name;
        uid_t uid;
        gid_t gid;
        mode_t mode;
        bool capable;
    };
    const Case cases[] = {
        {"user", 2001, 2002, 06755, false}, {"capable", 2001, 2002, 0755, true}, {"root", 0, 0, 04755, false},
        {"plain", 2001, 2002, 0644, false}, {"both", 2001, 2002, 06755, true},
    };
    for (const Case& each : cases) {
        const std::string file = std::string("lower/") + each.name;
        DO(close(creat(file.c_str(), 0600)));
        DO(chown(file.c_str(), each.uid, each.gid));
        DO(chmod(file.c_str(), each.mode));
        if (each.capable) DO(give_capability(file.c_str()));
    }
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
        scene.say("may not mount");  // an ordinary user
        return;
    }
    DO(mount("overlay", "merged", "overlay", 0, "lowerdir=lower,upperdir=upper,workdir=work"));
    for (const Case& each : cases) {
        const std::string file = std::string("merged/") + each.name;
        DO(utimensat(AT_FDCWD, file.c_str(), nullptr, 0));
        see_privileges(scene, file.c_str());
    }
    DO(chown("merged/user", 2003, 2003));
    see_privileges(scene, "merged/user");
    DO(umount("merged"));
    see_privileges(scene, "upper/capable");
}

/// Root may leave set-id bits, and takes capabilities off all the same.
SCENARIO(Privileges, FallWithAWrite) {
    for (const char* how : {"write", "append", "allocate", "truncate", "chown"}) {
        DO(close(creat("f", 0600)));
        DO(truncate("f", 4096));
        DO(chown("f", 2001, 2002));
        DO(chmod("f", 06755));
        DO(give_capability("f"));
        scene.say(how);
        const std::string what = how;
        const int f = open("f", O_RDWR | (what == "append" ? O_APPEND : 0));
        if (what == "write" || what == "append") DO(write(f, "x", 1));
        if (what == "allocate") DO(fallocate(f, FALLOC_FL_KEEP_SIZE, 0, 8192));
        if (what == "truncate") DO(ftruncate(f, 100));
        if (what == "chown") DO(fchown(f, static_cast<uid_t>(-1), static_cast<gid_t>(-1)));
        close(f);
        see_privileges(scene, "f");
        unlink("f");
    }
}

/// Set-id bits would fall with a new owner, and so the mode would change: that is for who owns the file.
SCENARIO(Privileges, OfAFileAreNotForWhoMayGiveItAway) {
    if (scene.user().uid != 0) return scene.say("only root can become somebody else");
    for (const mode_t mode : {0666u, 04666u, 02666u, 02777u}) {
        unlink("f");
        DO(mknod("f", S_IFREG | 0600, 0));
        DO(chmod("f", mode));
        scene.as(kRoot, [&] {
            DO(become_alice_who_may_chown());
            DO(chown("f", kAlice.uid, static_cast<gid_t>(-1)));
            scene.see("f");
            DO(chown("f", kBob.uid, kBob.gid));
        });
        scene.see("f");
    }
}

/// Nothing falls with what is stored to a shared mapping, however many writes that becomes.
SCENARIO(Privileges, StayWithAMappedStore) {
    constexpr std::size_t kBytes = 4 << 20;
    DO(close(creat("f", 0600)));
    DO(truncate("f", kBytes));
    DO(chown("f", 2001, 2002));
    DO(chmod("f", 06755));
    DO(give_capability("f"));
    for (int round = 0; round < 5; ++round) {
        const int f = open("f", O_RDWR);
        auto* mapped = static_cast<char*>(mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, f, 0));
        for (std::size_t page = 0; page < kBytes; page += 2 * 4096) mapped[page] = static_cast<char>(round);
        DO(msync(mapped, kBytes, MS_SYNC));
        munmap(mapped, kBytes);
        close(f);
        see_privileges(scene, "f");
    }
}

}  // namespace bandfs::mount_test
