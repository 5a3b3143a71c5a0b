#include <cstdio>

#include <gtest/gtest.h>

#include "oracle.h"

int main(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    if (argc != 2) {
        fprintf(stderr, "usage: %s ext4|xfs|tmpfs [GoogleTest option]...\n", argv[0]);
        return 2;
    }
    return bandfs::mount_test::run_scenarios(argv[1]);
}
