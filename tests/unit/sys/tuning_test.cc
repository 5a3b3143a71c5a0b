#include "sys/tuning.h"

#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

namespace bandfs {
namespace {

class RequestTimeout : public ::testing::Test {
protected:
    RequestTimeout() : settings_(::mkdtemp(name_)) {}
    ~RequestTimeout() override { std::filesystem::remove_all(settings_); }
    void set(const char* name, unsigned seconds) { std::ofstream(settings_ + "/" + name) << seconds << "\n"; }

    char name_[32] = "/tmp/bandfs-settings-XXXXXX";
    const std::string settings_;
};

TEST_F(RequestTimeout, IsNoneWhereTheKernelHasNoneOrIsOlder) {
    EXPECT_EQ(request_timeout_s(settings_), std::nullopt);
    set("default_request_timeout", 0);
    set("max_request_timeout", 0);
    EXPECT_EQ(request_timeout_s(settings_), std::nullopt);
}

TEST_F(RequestTimeout, IsTheShorterOneThatIsSet) {
    set("default_request_timeout", 0);
    set("max_request_timeout", 90);
    EXPECT_EQ(request_timeout_s(settings_), 90u);
    set("default_request_timeout", 20);
    EXPECT_EQ(request_timeout_s(settings_), 20u);
    set("default_request_timeout", 200);
    EXPECT_EQ(request_timeout_s(settings_), 90u);
}

}  // namespace
}  // namespace bandfs
