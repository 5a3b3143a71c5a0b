#include "sys/mount_table.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <gtest/gtest.h>

#include "sys/unique_fd.h"

namespace bandfs {
namespace {

TEST(MountTable, ReadsTheDocumentedForm) {
    const auto entries = parse_mount_table(
        "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n"
        "90 36 0:45 / /mnt\\040x\\134y rw - fuse.bandfs /srv\\012z rw,user_id=0\n");
    ASSERT_EQ(entries.size(), 2u);
    EXPECT_EQ(entries[0].id, 36);
    EXPECT_EQ(entries[0].parent, 35);
    EXPECT_EQ(entries[0].device, makedev(98, 0));
    EXPECT_EQ(entries[0].root, "/mnt1");
    EXPECT_EQ(entries[0].mount_point, "/mnt2");
    EXPECT_EQ(entries[0].options, "rw,noatime");
    EXPECT_EQ(entries[0].type, "ext3");
    EXPECT_EQ(entries[0].super_options, "rw,errors=continue");
    EXPECT_EQ(entries[1].mount_point, "/mnt x\\y");
    EXPECT_EQ(entries[1].source, "/srv\nz");
}

TEST(MountTable, LeavesDamagedLinesOut) {
    EXPECT_TRUE(parse_mount_table("").empty());
    EXPECT_TRUE(
        parse_mount_table(
            "36 35 98:0 /a /b rw\nx 35 98:0 / /b rw - t s o\n36 35 98 / /b rw - t s o\n36 35 1:x / /b rw - t s o")
            .empty());
}

TEST(MountTable, FindsTheMountOfADescriptor) {
    const UniqueFd proc(::open("/proc", O_PATH | O_CLOEXEC));
    const auto mount = mount_of(proc.get());
    ASSERT_TRUE(mount);
    EXPECT_EQ(mount->mount_point, "/proc");
    EXPECT_EQ(mount->type, "proc");
}

TEST(MountTable, FindsOptions) {
    EXPECT_EQ(mount_option("rw,upperdir=/u,workdir=/w", "upperdir"), "/u");
    EXPECT_EQ(mount_option("rw,xupperdir=/u,upper", "upperdir"), "");
    EXPECT_TRUE(has_mount_option("rw,noatime,nosuid", "noatime"));
    EXPECT_FALSE(has_mount_option("rw,nodiratime,relatime", "noatime"));
    EXPECT_EQ(mount_option("", "a"), "");
}

}  // namespace
}  // namespace bandfs
