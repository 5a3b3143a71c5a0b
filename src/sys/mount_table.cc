#include "sys/mount_table.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <memory>
#include <mutex>
#include <optional>
#include <sstream>

#include "sys/unique_fd.h"

namespace bandfs {
namespace {

bool is_octal(char c) {
    return c >= '0' && c <= '7';
}

/// "\040" to " ": how mountinfo writes blanks, tabs, newlines and backslashes.
std::string unescaped(std::string_view text) {
    std::string plain;
    plain.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\' && i + 3 < text.size() && is_octal(text[i + 1]) && is_octal(text[i + 2]) &&
            is_octal(text[i + 3])) {
            plain += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
            i += 3;
        } else {
            plain += text[i];
        }
    }
    return plain;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    while (true) {
        const std::size_t end = text.find(separator);
        parts.push_back(text.substr(0, end));
        if (end == std::string_view::npos) return parts;
        text.remove_prefix(end + 1);
    }
}

std::optional<unsigned> number(std::string_view text) {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

/// id parent major:minor root mount-point options optional... - type source super-options
std::optional<MountEntry> parse_line(std::string_view line) {
    const std::vector<std::string_view> fields = split(line, ' ');
    std::size_t dash = 6;
    while (dash < fields.size() && fields[dash] != "-") ++dash;
    if (dash + 3 >= fields.size()) return std::nullopt;

    const std::vector<std::string_view> device = split(fields[2], ':');
    const auto id = number(fields[0]), parent = number(fields[1]);
    if (!id || !parent || device.size() != 2) return std::nullopt;
    const auto major_number = number(device[0]), minor_number = number(device[1]);
    if (!major_number || !minor_number) return std::nullopt;

    return MountEntry{.id = static_cast<int>(*id),
                      .parent = static_cast<int>(*parent),
                      .device = makedev(*major_number, *minor_number),
                      .root = unescaped(fields[3]),
                      .mount_point = unescaped(fields[4]),
                      .options = std::string(fields[5]),
                      .type = unescaped(fields[dash + 1]),
                      .source = unescaped(fields[dash + 2]),
                      .super_options = unescaped(fields[dash + 3])};
}

/// The table as it was last read, which is done again when the kernel says that it has changed; nullptr before that has
/// succeeded. Thread-safe.
class KnownTable {
public:
    std::shared_ptr<const std::vector<MountEntry>> now() {
        const std::lock_guard lock(mutex_);
        pollfd changes{watch_.get(), POLLPRI, 0};
        if (!watch_ || !entries_ || is_old_ || ::poll(&changes, 1, 0) != 0) {
            auto read = read_mount_table();
            is_old_ = !read;
            if (read) entries_ = std::make_shared<const std::vector<MountEntry>>(std::move(*read));
        }
        return entries_;
    }

private:
    std::mutex mutex_;
    const UniqueFd watch_{::open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC)};
    std::shared_ptr<const std::vector<MountEntry>> entries_;
    bool is_old_ = false;  ///< it has changed, and could not be read
};

}  // namespace

std::vector<MountEntry> parse_mount_table(std::string_view mountinfo) {
    std::vector<MountEntry> entries;
    for (std::string_view line : split(mountinfo, '\n')) {
        if (auto entry = parse_line(line)) entries.push_back(std::move(*entry));
    }
    return entries;
}

Result<std::vector<MountEntry>> read_mount_table() {
    std::ifstream file("/proc/self/mountinfo");
    if (!file) return Errno{ENOENT};
    std::ostringstream text;
    text << file.rdbuf();
    return parse_mount_table(text.str());
}

Result<MountEntry> mount_of(int fd) {
    struct statx facts {};
    if (::statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &facts) != 0) return last_errno();
    auto entries = read_mount_table();
    if (!entries) return entries.error();
    for (MountEntry& entry : *entries) {
        if (static_cast<std::uint64_t>(entry.id) == facts.stx_mnt_id) return std::move(entry);
    }
    return Errno{ENOENT};
}

std::optional<MountEntry> fuse_mount(dev_t device) {
    static KnownTable known;
    const auto entries = known.now();
    if (!entries) return std::nullopt;
    const auto at = std::find_if(entries->begin(), entries->end(), [=](const MountEntry& entry) {
        return entry.device == device && entry.type.starts_with("fuse");
    });
    return at == entries->end() ? std::nullopt : std::optional(*at);
}

std::string fuse_mount_point(dev_t device) {
    const auto mount = fuse_mount(device);
    return mount ? mount->mount_point : "";
}

bool is_whole_file_system(int fd, int mount_id) {
    struct statx facts {};
    if (::statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, &facts) != 0) return false;
    if ((facts.stx_attributes & STATX_ATTR_MOUNT_ROOT) == 0) return false;
    const auto entries = read_mount_table();
    if (!entries) return false;
    const auto at =
        std::find_if(entries->begin(), entries->end(), [=](const MountEntry& entry) { return entry.id == mount_id; });
    return at != entries->end() && at->root == "/";
}

std::string_view mount_option(std::string_view options, std::string_view key) {
    for (std::string_view option : split(options, ',')) {
        if (option.size() > key.size() && option.starts_with(key) && option[key.size()] == '=') {
            return option.substr(key.size() + 1);
        }
    }
    return {};
}

bool has_mount_option(std::string_view options, std::string_view name) {
    const std::vector<std::string_view> all = split(options, ',');
    return std::ranges::find(all, name) != all.end();
}

}  // namespace bandfs
