#include "cmd/option_string.h"

#include <gtest/gtest.h>

namespace bandfs {
namespace {

using Options = std::vector<WrittenOption>;

TEST(OptionString, SplitsAtCommasAndKeepsWhatFollowsTheFirstEquals) {
    EXPECT_EQ(split_options("ro,weight=3,group=a=b:1"), (Options{{"ro", {}}, {"weight", "3"}, {"group", "a=b:1"}}));
}

TEST(OptionString, LeavesEmptyPiecesOutAndKeepsEmptyValues) {
    EXPECT_EQ(split_options(",,ro,,fsname=,"), (Options{{"ro", {}}, {"fsname", ""}}));
    EXPECT_TRUE(split_options("").empty());
}

TEST(OptionString, TakesEscapedCommasAndBackslashesIntoTheValue) {
    EXPECT_EQ(split_options(R"(fsname=a\,b\\c,ro)"), (Options{{"fsname", R"(a,b\c)"}, {"ro", {}}}));
}

TEST(OptionString, LeavesOtherBackslashesAlone) {
    EXPECT_EQ(split_options(R"(fsname=a\b,x=\)"), (Options{{"fsname", R"(a\b)"}, {"x", R"(\)"}}));
}

TEST(OptionString, WhatIsWrittenIsReadBack) {
    for (const std::string value : {"plain", "a,b", R"(\)", R"(a\,b)", ",,", ""}) {
        const WrittenOption option{"fsname", value};
        EXPECT_EQ(split_options(written(option)), Options{option}) << value;
    }
}

}  // namespace
}  // namespace bandfs
