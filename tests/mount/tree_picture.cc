// What a tree looks like: everything that can be equal on two file systems.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "acl_text.h"
#include "oracle.h"
#include "sequence.h"

namespace bandfs::mount_test {
namespace {

constexpr time_t kPast = 1500000000;  // tests set times before it; what is later is now

void put(std::string& acl, std::uint16_t tag, std::uint32_t permissions, std::uint32_t id) {
    const auto bits = static_cast<std::uint16_t>(permissions & 7);
    acl.append(reinterpret_cast<const char*>(&tag), 2).append(reinterpret_cast<const char*>(&bits), 2);
    acl.append(reinterpret_cast<const char*>(&id), 4);
}

std::string content_of(const std::string& path) {
    const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) return strerrorname_np(errno);
    std::uint64_t sum = 14695981039346656037u;  // FNV-1a
    static char buffer[1 << 16];
    off_t at = 0;
    // Holes are skipped: a file may end at 4 GiB.
    while ((at = lseek(file, at, SEEK_DATA)) >= 0) {
        const ssize_t n = pread(file, buffer, sizeof buffer, at);
        if (n <= 0) break;
        for (ssize_t i = 0; i < n; ++i) {
            if (buffer[i] == 0) continue;  // a hole, or zeroes
            sum = (sum ^ static_cast<unsigned char>(buffer[i])) * 1099511628211u;
            sum = (sum ^ static_cast<std::uint64_t>(at + i)) * 1099511628211u;
        }
        at += n;
    }
    close(file);
    return std::to_string(sum);
}

std::string attributes_of(const std::string& path) {
    std::vector<char> names(65536), value(65536);
    const ssize_t length = llistxattr(path.c_str(), names.data(), names.size());
    if (length < 0) return std::string(" no attributes: ") + strerrorname_np(errno);
    std::vector<std::string> lines;
    for (const char* name = names.data(); name < names.data() + length; name += strlen(name) + 1) {
        const ssize_t bytes = lgetxattr(path.c_str(), name, value.data(), value.size());
        std::size_t sum = 0;
        for (ssize_t i = 0; i < bytes; ++i)
            sum = sum * 31 + static_cast<unsigned char>(value[static_cast<std::size_t>(i)]);
        lines.push_back(std::string(" ") + name + "=" + std::to_string(bytes) + ":" + std::to_string(sum));
    }
    std::sort(lines.begin(), lines.end());
    std::string line;
    for (const std::string& each : lines) line += each;
    return line;
}

void add(std::string& picture, const std::string& path, int type) {
    struct stat attr {};
    if (lstat(path.c_str(), &attr) != 0) {
        picture += path + ": " + strerrorname_np(errno) + "\n";
        return;
    }
    picture += path + " (" + std::to_string(type) + "): " + picture_of(attr) + attributes_of(path);
    if (S_ISREG(attr.st_mode)) picture += " content " + content_of(path);
    if (S_ISLNK(attr.st_mode)) {
        char target[4096];
        const ssize_t n = readlink(path.c_str(), target, sizeof target);
        picture += " to " + std::string(target, static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
    }
    picture += "\n";
    if (!S_ISDIR(attr.st_mode)) return;
    DIR* const directory = opendir(path.c_str());
    if (!directory) return;
    std::vector<std::pair<std::string, int>> entries;
    while (const dirent* entry = readdir(directory))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            entries.emplace_back(entry->d_name, entry->d_type);
    closedir(directory);
    std::sort(entries.begin(), entries.end());
    for (const auto& [name, of_type] : entries) add(picture, path + "/" + name, of_type);
}

}  // namespace

std::string acl_of(std::uint32_t mode) {
    const bool entries = std::popcount(mode & ~0777u) % 2 == 0;
    std::string acl("\2\0\0\0", 4);  // version 2
    put(acl, 0x01, mode >> 6, ~0u);
    if (entries) put(acl, 0x02, mode >> 1, 2001);
    put(acl, 0x04, mode >> 3, ~0u);
    if (entries) put(acl, 0x08, mode >> 2, 3001);
    if (entries) put(acl, 0x10, mode >> 3 | mode >> 9, ~0u);
    put(acl, 0x20, mode, ~0u);
    return acl;
}

std::string attribute_names(std::string_view list) {
    std::vector<std::string> names;
    while (!list.empty()) {
        const std::string_view name = list.substr(0, list.find('\0'));
        names.emplace_back(name);
        list.remove_prefix(std::min(list.size(), name.size() + 1));
    }
    std::sort(names.begin(), names.end());
    std::string line;
    for (const std::string& name : names) line += name + " ";
    return line;
}

std::string picture_of(const struct stat& attr) {
    char text[200];
    snprintf(text, sizeof text, "%07o links %lu owner %u:%u size %lld", attr.st_mode,
             static_cast<unsigned long>(attr.st_nlink), attr.st_uid, attr.st_gid,
             static_cast<long long>(S_ISDIR(attr.st_mode) ? 0 : attr.st_size));
    std::string picture = text;
    if (attr.st_mtim.tv_sec < kPast)
        picture += " of " + std::to_string(attr.st_mtim.tv_sec) + "." + std::to_string(attr.st_mtim.tv_nsec);
    return picture;
}

std::string picture_of_tree() {
    std::string picture;
    add(picture, ".", DT_DIR);
    return picture;
}

}  // namespace bandfs::mount_test
