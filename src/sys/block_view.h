// sys/block_view.h - the block devices as sysfs shows them, behind an interface so that tests can invent some.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sys/mount_table.h"

namespace bandfs {

/// What there is to know of one block device.
struct BlockFacts {
    std::string name;                 ///< the kernel's: "sda1", "nvme0n1", "dm-3"
    std::string parent;               ///< of a partition: the whole disk's name; "" for a whole disk
    std::vector<std::string> slaves;  ///< names of the devices that a dm or md device is made of
};

/// Asks about block devices and mounts. Every answer is as of now; nullopt or empty: there is none.
class BlockView {
public:
    virtual ~BlockView() = default;

    virtual std::optional<BlockFacts> by_number(dev_t device) const = 0;
    virtual std::optional<BlockFacts> by_name(const std::string& name) const = 0;
    /// The block device that a node stands for ("/dev/mapper/vg-home").
    virtual std::optional<dev_t> number_of_node(const std::string& path) const = 0;
    /// The mount that a directory lies on.
    virtual std::optional<MountEntry> mount_of_directory(const std::string& path) const = 0;

    /// A btrfs file system, by the name of one of its devices.
    struct Btrfs {
        std::string uuid;
        std::vector<std::string> devices;  ///< names
    };
    virtual std::optional<Btrfs> btrfs_with(const std::string& device) const = 0;

    /// The view of this machine's /sys.
    static std::unique_ptr<BlockView> of_system();
};

}  // namespace bandfs
