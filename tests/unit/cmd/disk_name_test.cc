#include "disk/disk_name.h"

#include <sys/sysmacros.h>

#include <map>

#include <gtest/gtest.h>

namespace bandfs {
namespace {

/// A machine with invented disks.
class InventedView : public BlockView {
public:
    void add(dev_t number, BlockFacts facts) {
        numbers_[number] = facts.name;
        nodes_["/dev/" + facts.name] = number;
        devices_[facts.name] = std::move(facts);
    }

    std::optional<BlockFacts> by_number(dev_t device) const override {
        const auto at = numbers_.find(device);
        return at == numbers_.end() ? std::nullopt : by_name(at->second);
    }
    std::optional<BlockFacts> by_name(const std::string& name) const override {
        const auto at = devices_.find(name);
        return at == devices_.end() ? std::nullopt : std::optional(at->second);
    }
    std::optional<dev_t> number_of_node(const std::string& path) const override {
        const auto at = nodes_.find(path);
        return at == nodes_.end() ? std::nullopt : std::optional(at->second);
    }
    std::optional<MountEntry> mount_of_directory(const std::string& path) const override {
        const auto at = mounts.find(path);
        return at == mounts.end() ? std::nullopt : std::optional(at->second);
    }
    std::optional<Btrfs> btrfs_with(const std::string& device) const override {
        for (const std::string& member : btrfs.devices) {
            if (member == device) return btrfs;
        }
        return std::nullopt;
    }

    std::map<std::string, MountEntry> mounts;
    Btrfs btrfs;

private:
    std::map<dev_t, std::string> numbers_;
    std::map<std::string, dev_t> nodes_;
    std::map<std::string, BlockFacts> devices_;
};

class DiskName : public ::testing::Test {
protected:
    DiskName() {
        view.add(makedev(8, 0), {"sda", "", {}});
        view.add(makedev(8, 1), {"sda1", "sda", {}});
        view.add(makedev(8, 2), {"sda2", "sda", {}});
        view.add(makedev(8, 16), {"sdb", "", {}});
        view.add(makedev(8, 17), {"sdb1", "sdb", {}});
    }

    std::string on(dev_t device, std::string type = "ext4", std::string source = "", std::string super_options = "") {
        return disk_name(view, {.device = device,
                                .type = std::move(type),
                                .source = std::move(source),
                                .super_options = std::move(super_options)});
    }

    InventedView view;
};

TEST_F(DiskName, PartitionsOfOneDiskShareIt) {
    EXPECT_EQ(on(makedev(8, 1)), "sda");
    EXPECT_EQ(on(makedev(8, 2)), "sda");
    EXPECT_EQ(on(makedev(8, 0)), "sda");
    EXPECT_EQ(on(makedev(8, 17)), "sdb");
}

TEST_F(DiskName, StacksOverOneDiskAreThatDisk) {
    view.add(makedev(253, 0), {"dm-0", "", {"sda2"}});          // LUKS
    view.add(makedev(253, 1), {"dm-1", "", {"dm-0", "sda1"}});  // LVM over it and a partition of the same disk
    EXPECT_EQ(on(makedev(253, 1)), "sda");
}

TEST_F(DiskName, StacksOverSeveralDisksAreThemselves) {
    view.add(makedev(9, 0), {"md0", "", {"sda1", "sdb1"}});
    view.add(makedev(259, 0), {"md0p1", "md0", {}});
    EXPECT_EQ(on(makedev(9, 0)), "md0");
    EXPECT_EQ(on(makedev(259, 0)), "md0");
}

TEST_F(DiskName, AStackThatBitesItsTailEnds) {
    view.add(makedev(253, 0), {"dm-0", "", {"dm-1"}});
    view.add(makedev(253, 1), {"dm-1", "", {"dm-0"}});
    EXPECT_FALSE(on(makedev(253, 0)).empty());
}

TEST_F(DiskName, LoopDevicesAreDisks) {
    view.add(makedev(7, 3), {"loop3", "", {}});
    EXPECT_EQ(on(makedev(7, 3)), "loop3");
}

TEST_F(DiskName, BtrfsIsFoundThroughItsSource) {
    EXPECT_EQ(on(makedev(0, 40), "btrfs", "/dev/sda2"), "sda");
    view.btrfs = {"1b2c3d4e-aaaa-bbbb-cccc-0123456789ab", {"sda2", "sdb1"}};
    EXPECT_EQ(on(makedev(0, 40), "btrfs", "/dev/sda2"), "btrfs-1b2c3d4e-aaaa-bbbb");
    view.btrfs.devices = {"sda1", "sda2"};
    EXPECT_EQ(on(makedev(0, 40), "btrfs", "/dev/sda2"), "sda");
}

TEST_F(DiskName, NetworkFileSystemsAreTheirServer) {
    EXPECT_EQ(on(makedev(0, 50), "nfs4", "filer:/export/a"), "nfs-filer");
    EXPECT_EQ(on(makedev(0, 51), "nfs", "filer:/export/b"), "nfs-filer");
    EXPECT_EQ(on(makedev(0, 52), "cifs", "//nas/share/x"), "cifs-nas");
    EXPECT_EQ(on(makedev(0, 53), "virtiofs", "tag"), "virtiofs-tag");
    EXPECT_EQ(on(makedev(0, 54), "zfs", "tank/home"), "zfs-tank");
}

TEST_F(DiskName, OverlaysAreTheDiskOfTheirUpperDirectory) {
    const dev_t overlay = makedev(0, 60);
    view.mounts["/var/upper"] = {.device = makedev(8, 17), .type = "ext4"};
    EXPECT_EQ(on(overlay, "overlay", "overlay", "rw,lowerdir=/l,upperdir=/var/upper,workdir=/w"), "sdb");
    EXPECT_EQ(on(overlay, "overlay", "overlay", "rw,lowerdir=/l,upperdir=/hidden"), "overlay-0:60");
    EXPECT_EQ(on(overlay, "overlay", "overlay", "ro,lowerdir=/l"), "overlay-0:60");
    view.mounts["/self"] = {.device = overlay, .type = "overlay", .super_options = "upperdir=/self"};
    EXPECT_EQ(on(overlay, "overlay", "overlay", "upperdir=/self"), "overlay-0:60");
}

TEST_F(DiskName, AnythingElseIsItself) {
    EXPECT_EQ(on(makedev(0, 27), "tmpfs"), "tmpfs-0:27");
    EXPECT_EQ(on(makedev(0, 45), "fuse.sshfs"), "fuse.sshfs-0:45");
}

TEST_F(DiskName, EveryNameCanBeOne) {
    for (const std::string& source : {std::string("a very long server name that goes on and on.example.org:/x"),
                                      std::string("a b/c:/"), std::string("")}) {
        EXPECT_TRUE(is_device_group_name(on(makedev(0, 50), "nfs4", source))) << source;
    }
    view.add(makedev(252, 0), {"cciss!c0d0", "", {}});
    EXPECT_TRUE(is_device_group_name(on(makedev(252, 0))));
}

TEST(DeviceGroupName, HasRules) {
    for (const char* good : {"1", "sda", "12345678901234567890123456789012", "tmpfs-0:27", "d\xc3\xa4t"})
        EXPECT_TRUE(is_device_group_name(good)) << good;
    for (const char* bad : {"", ".", ".a", "a/b", "a b", "a\n", "123456789012345678901234567890123"})
        EXPECT_FALSE(is_device_group_name(bad)) << bad;
}

}  // namespace
}  // namespace bandfs
