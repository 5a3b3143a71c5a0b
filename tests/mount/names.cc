// Names: making, removing and renaming what has one; directories.
#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <set>
#include <string>

#include "oracle.h"

using namespace bandfs::mount_test;

namespace {

int put_file(const char* name, const char* text = "") {
    const int f = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (f < 0) return -1;
    const ssize_t n = write(f, text, strlen(text));
    close(f);
    return n < 0 ? -1 : 0;
}

std::int64_t target_of(Scene& scene, const char* name) {
    char buffer[5000];
    const ssize_t n = readlink(name, buffer, sizeof buffer);
    if (n >= 0) scene.say(std::string(buffer, static_cast<std::size_t>(n)));
    return n;
}

}  // namespace

SCENARIO(Names, Directories) {
    DO(mkdir("d", 0777));
    DO(mkdir("d", 0777));
    DO(mkdir("d/e", 0750));
    DO(mkdir("absent/e", 0750));
    scene.see("d");
    DO(rmdir("d"));
    DO(unlink("d"));
    DO(rmdir("d/e"));
    scene.see("d");
    DO(rmdir("d/."));
    DO(rmdir("d/.."));
    DO(rmdir("d"));
    DO(rmdir("d"));
    DO(put_file("f"));
    DO(rmdir("f"));
    DO(mkdir("f/x", 0700));
    for (const mode_t mode : {0u, 0700u, 0755u, 01777u, 02775u, 07777u}) {
        const std::string name = "m" + std::to_string(mode);
        DO(mkdir(name.c_str(), mode));
        scene.see(name);
    }
    scene.see_names(".");
}

SCENARIO(Names, Links) {
    DO(put_file("a", "content"));
    DO(link("a", "b"));
    scene.see("a");
    scene.see("b");
    struct stat a {
    }, b{};
    DO(stat("a", &a));
    DO(stat("b", &b));
    DO(a.st_ino == b.st_ino);
    DO(link("a", "b"));
    DO(link("absent", "c"));
    DO(mkdir("d", 0755));
    DO(link("d", "e"));
    DO(unlink("a"));
    scene.see("b");
    scene.see_content("b");
    DO(symlink("b", "s"));
    DO(linkat(AT_FDCWD, "s", AT_FDCWD, "hard", 0));
    scene.see("hard");
    DO(linkat(AT_FDCWD, "s", AT_FDCWD, "followed", AT_SYMLINK_FOLLOW));
    scene.see("followed");
}

SCENARIO(Names, SymbolicLinks) {
    DO(symlink("somewhere", "s"));
    DO(target_of(scene, "s"));
    DO(symlink("other", "s"));
    DO(symlink("", "empty"));
    DO(symlink("/", "root"));
    DO(target_of(scene, "root"));
    DO(symlink(std::string(4000, 'x').c_str(), "long"));
    DO(target_of(scene, "long"));
    DO(symlink("loop2", "loop1"));
    DO(symlink("loop1", "loop2"));
    DO(open("loop1", O_RDONLY));
    DO(put_file("f"));
    DO(target_of(scene, "f"));
    scene.see("s");
    DO(unlink("s"));
    scene.see_names(".");
}

SCENARIO(Names, Special) {
    DO(mkfifo("fifo", 0640));
    scene.see("fifo");
    DO(open("fifo", O_WRONLY | O_NONBLOCK));
    const int r = open("fifo", O_RDONLY | O_NONBLOCK);
    DO(r >= 0);
    const int w = open("fifo", O_WRONLY | O_NONBLOCK);
    DO(w >= 0);
    DO(write(w, "through", 7));
    char buffer[10];
    DO(read(r, buffer, sizeof buffer));
    DO(close(r));
    DO(close(w));
    DO(mknod("regular", S_IFREG | 0600, 0));
    scene.see("regular");
    DO(mknod("null", S_IFCHR | 0666, makedev(1, 3)));
    scene.see("null");
    const int n = open("null", O_RDWR);
    DO(n >= 0);
    DO(n >= 0 ? write(n, "gone", 4) : 0);
    close(n);
    DO(mknod("block", S_IFBLK | 0600, makedev(250, 77)));
    scene.see("block");
    const int s = socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    strcpy(address.sun_path, "socket");
    DO(bind(s, reinterpret_cast<sockaddr*>(&address), sizeof address));
    DO(listen(s, 1));
    scene.see("socket");
    const int c = socket(AF_UNIX, SOCK_STREAM, 0);
    DO(connect(c, reinterpret_cast<sockaddr*>(&address), sizeof address));
    close(c);
    close(s);
    DO(unlink("socket"));
}

SCENARIO(Names, Rename) {
    DO(put_file("a", "A"));
    DO(put_file("b", "BB"));
    DO(rename("a", "c"));
    scene.see("a");
    scene.see_content("c");
    DO(rename("c", "b"));
    scene.see_content("b");
    DO(rename("absent", "x"));
    DO(rename("b", "b"));
    DO(mkdir("d", 0755));
    DO(mkdir("e", 0755));
    DO(put_file("e/f"));
    DO(rename("b", "d"));
    DO(rename("d", "b"));
    DO(rename("d", "e"));
    DO(rename("e", "d"));
    scene.see_names("d");
    DO(rename("d", "d/sub"));
    DO(rename("d/f", "moved"));
    DO(rename("moved", "d/f"));
    DO(link("b", "b2"));
    DO(rename("b", "b2"));  // two names of one file: nothing happens
    scene.see("b");
    scene.see("b2");
    scene.see("d");
    const int f = open("b", O_RDONLY);
    DO(rename("b", "renamed while open"));
    char c = 0;
    DO(read(f, &c, 1));
    close(f);
    scene.see_names(".");
}

SCENARIO(Names, RenameFlags) {
    DO(put_file("a", "A"));
    DO(put_file("b", "BB"));
    DO(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_NOREPLACE));
    DO(renameat2(AT_FDCWD, "a", AT_FDCWD, "c", RENAME_NOREPLACE));
    DO(renameat2(AT_FDCWD, "c", AT_FDCWD, "b", RENAME_EXCHANGE));
    scene.see_content("b");
    scene.see_content("c");
    DO(renameat2(AT_FDCWD, "c", AT_FDCWD, "absent", RENAME_EXCHANGE));
    DO(mkdir("d", 0755));
    DO(put_file("d/inside"));
    DO(renameat2(AT_FDCWD, "c", AT_FDCWD, "d", RENAME_EXCHANGE));
    scene.see_names("c");
    scene.see_content("d");
    DO(renameat2(AT_FDCWD, "c", AT_FDCWD, "d", 0x100));
    DO(renameat2(AT_FDCWD, "c", AT_FDCWD, "d", RENAME_EXCHANGE | RENAME_NOREPLACE));
}

SCENARIO(Names, RenameThatFailsLeavingItsMark) {
    DO(mkdir("d", 0755));
    DO(mkdir("d/moved", 0755));
    DO(mkdir("full", 0755));
    DO(put_file("full/f"));
    struct stat before {
    }, after{};
    DO(stat("d", &before));
    DO(renameat2(AT_FDCWD, "d/moved", AT_FDCWD, "full", RENAME_WHITEOUT));
    DO(stat("d", &after));
    const bool changed =
        before.st_ctim.tv_sec != after.st_ctim.tv_sec || before.st_ctim.tv_nsec != after.st_ctim.tv_nsec;
    scene.say(changed ? "the directory changed" : "the directory did not change");
    scene.see_names("d");
}

SCENARIO(Names, Long) {
    const std::string longest(255, 'n'), longer(256, 'n');
    DO(put_file(longest.c_str(), "x"));
    scene.see(longest);
    DO(put_file(longer.c_str()));
    DO(mkdir(longer.c_str(), 0755));
    DO(unlink(longer.c_str()));
    scene.see(longer);
    DO(rename(longest.c_str(), longer.c_str()));
    DO(put_file("name with spaces, \n newline and \xff byte"));
    scene.see_names(".");
    // Deeper than PATH_MAX: only a file system that works by inode reaches it.
    int deep = 0;
    const std::string part(200, 'p');
    for (; deep < 40 && mkdir(part.c_str(), 0755) == 0 && chdir(part.c_str()) == 0;) ++deep;
    DO(deep);
    DO(put_file("bottom", "deep down"));
    scene.see_content("bottom");
    DO(unlink("bottom"));
    for (; deep > 0 && chdir("..") == 0 && rmdir(part.c_str()) == 0;) --deep;
    DO(deep);
}

SCENARIO(Names, RemovedDirectoryInUse) {
    DO(mkdir("d", 0755));
    DO(chdir("d"));
    DO(rmdir("../d"));
    DO(put_file("x"));
    DO(mkdir("y", 0755));
    scene.see(".");
    scene.see_names(".");
    DO(chdir(".."));
}

SCENARIO(Directories, ListedInFull) {
    DO(mkdir("d", 0755));
    std::set<std::string> wanted;
    for (int i = 0; i < 3000; ++i) {
        const std::string name = "entry-" + std::to_string(i) + std::string(static_cast<std::size_t>(i) % 60, 'x');
        close(open(("d/" + name).c_str(), O_WRONLY | O_CREAT, 0644));
        wanted.insert(name);
    }
    std::multiset<std::string> seen;
    DIR* directory = opendir("d");
    while (const dirent* entry = readdir(directory)) seen.insert(entry->d_name);
    DO(seen.size());
    DO(seen.count("."));
    DO(seen.count(".."));
    DO(std::all_of(wanted.begin(), wanted.end(), [&](const std::string& name) { return seen.count(name) == 1; }));
    rewinddir(directory);
    std::int64_t again = 0;
    while (readdir(directory)) ++again;
    DO(again);
    closedir(directory);
    scene.see("d");
}

SCENARIO(Directories, PositionsSurviveChanges) {
    // What is there all the time is listed once, whatever comes and goes meanwhile.
    DO(mkdir("d", 0755));
    for (int i = 0; i < 1000; ++i) close(creat(("d/stays" + std::to_string(i)).c_str(), 0644));
    for (int i = 0; i < 500; ++i) close(creat(("d/goes" + std::to_string(i)).c_str(), 0644));
    DIR* directory = opendir("d");
    std::multiset<std::string> seen;
    int step = 0;
    while (const dirent* entry = readdir(directory)) {
        if (strncmp(entry->d_name, "stays", 5) == 0) seen.insert(entry->d_name);
        if (++step % 3 == 0 && step / 3 < 500) {
            unlink(("d/goes" + std::to_string(step / 3)).c_str());
            close(creat(("d/comes" + std::to_string(step)).c_str(), 0644));
        }
        if (step > 10000) break;
    }
    DO(std::set<std::string>(seen.begin(), seen.end()).size());
    DO(seen.size());
    closedir(directory);
    // A position can be gone back to.
    directory = opendir("d");
    for (int i = 0; i < 700; ++i) readdir(directory);
    const long position = telldir(directory);
    const std::string next = readdir(directory)->d_name;
    for (int i = 0; i < 100; ++i) readdir(directory);
    seekdir(directory, position);
    DO(next == readdir(directory)->d_name);
    closedir(directory);
}

SCENARIO(Directories, EntriesCarryTypeAndInode) {
    DO(mkdir("d", 0755));
    DO(put_file("d/file"));
    DO(mkdir("d/directory", 0755));
    DO(symlink("x", "d/symlink"));
    DO(mkfifo("d/fifo", 0600));
    scene.see_names("d");
    DIR* directory = opendir("d");
    bool equal = true;
    while (const dirent* entry = readdir(directory)) {
        struct stat attr {};
        if (fstatat(dirfd(directory), entry->d_name, &attr, AT_SYMLINK_NOFOLLOW) != 0) equal = false;
        if (strcmp(entry->d_name, "..") != 0 && attr.st_ino != entry->d_ino) equal = false;
    }
    DO(equal);
    closedir(directory);
}
