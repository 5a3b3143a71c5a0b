#include "sys/block_view.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <filesystem>

#include "sys/unique_fd.h"

namespace bandfs {
namespace {

namespace fs = std::filesystem;

/// The names in a sysfs directory, sorted.
std::vector<std::string> names_in(const fs::path& directory) {
    std::vector<std::string> names;
    std::error_code error;
    for (fs::directory_iterator at(directory, error), end; !error && at != end; at.increment(error)) {
        names.push_back(at->path().filename().string());
    }
    std::sort(names.begin(), names.end());
    return names;
}

class SystemBlockView : public BlockView {
public:
    std::optional<BlockFacts> by_number(dev_t device) const override {
        return at("/sys/dev/block/" + std::to_string(major(device)) + ":" + std::to_string(minor(device)));
    }

    std::optional<BlockFacts> by_name(const std::string& name) const override { return at("/sys/class/block/" + name); }

    std::optional<dev_t> number_of_node(const std::string& path) const override {
        struct stat facts {};
        if (::stat(path.c_str(), &facts) != 0 || !S_ISBLK(facts.st_mode)) return std::nullopt;
        return facts.st_rdev;
    }

    std::optional<MountEntry> mount_of_directory(const std::string& path) const override {
        UniqueFd directory(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
        if (!directory) return std::nullopt;
        auto mount = mount_of(directory.get());
        if (!mount) return std::nullopt;
        return std::move(*mount);
    }

    std::optional<Btrfs> btrfs_with(const std::string& device) const override {
        for (const std::string& uuid : names_in("/sys/fs/btrfs")) {
            std::vector<std::string> devices = names_in("/sys/fs/btrfs/" + uuid + "/devices");
            if (std::find(devices.begin(), devices.end(), device) != devices.end()) {
                return Btrfs{uuid, std::move(devices)};
            }
        }
        return std::nullopt;
    }

private:
    /// `link` is a symbolic link to the device's directory, which lies in that of its disk when it is a partition.
    static std::optional<BlockFacts> at(const fs::path& link) {
        std::error_code error;
        const fs::path directory = fs::canonical(link, error);
        if (error) return std::nullopt;
        BlockFacts facts{.name = directory.filename().string(), .parent = {}, .slaves = names_in(directory / "slaves")};
        if (fs::exists(directory / "partition", error)) facts.parent = directory.parent_path().filename().string();
        return facts;
    }
};

}  // namespace

std::unique_ptr<BlockView> BlockView::of_system() {
    return std::make_unique<SystemBlockView>();
}

}  // namespace bandfs
