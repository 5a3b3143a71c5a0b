#include "cmd/wire.h"

#include <random>

#include <gtest/gtest.h>

#include "sys/unix_socket.h"

namespace bandfs {
namespace {

const OfferMessage kOffer{
    .device_group = "sda", .source = "/srv", .mountpoint = "/mnt", .options = {"io_throttle=4", "fsname=a,b"}};

TEST(Wire, OfferAndServeComeBackAsSent) {
    const auto offer = decode_command(encode(kOffer));
    ASSERT_TRUE(offer);
    EXPECT_EQ(offer->verb, Verb::offer);
    EXPECT_EQ(offer->offer.device_group, "sda");
    EXPECT_EQ(offer->offer.source, "/srv");
    EXPECT_EQ(offer->offer.mountpoint, "/mnt");
    EXPECT_EQ(offer->offer.options, kOffer.options);

    const auto serve = decode_command(encode(ServeMessage{0x123456789abcull}));
    ASSERT_TRUE(serve);
    EXPECT_EQ(serve->verb, Verb::serve);
    EXPECT_EQ(serve->serve.device, 0x123456789abcull);
    EXPECT_EQ(decode_command(encode_list())->verb, Verb::list);

    const auto reload = decode_command(encode(ReloadMessage{"/mnt", false}));
    ASSERT_TRUE(reload);
    EXPECT_EQ(reload->verb, Verb::reload);
    EXPECT_EQ(reload->reload.target, "/mnt");
    EXPECT_FALSE(reload->reload.apply);
    EXPECT_FALSE(decode_command(R"({"verb":"reload","target":"/mnt"})"));
}

TEST(Wire, AnswersComeBackAsSent) {
    EXPECT_TRUE(decode_answer(encode_ok()));
    EXPECT_EQ(decode_line(encode_line("a \"line\"")), "a \"line\"");
    EXPECT_EQ(decode_line(encode_ok()), std::nullopt);
    const auto refused = decode_answer(encode_refusal({ExitCode::conflict, "io_limit"}));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.failure().code, ExitCode::conflict);
    EXPECT_EQ(refused.failure().message, "io_limit");
    EXPECT_EQ(decode_answer("{}").failure().code, ExitCode::server);
    EXPECT_EQ(decode_answer(R"({"ok":false,"code":77777777777,"message":3})").failure().code, ExitCode::server);
}

TEST(Wire, AnotherVersionIsRefusedByName) {
    std::string other = encode(kOffer);
    other.replace(other.find("\"version\":1"), 11, "\"version\":2");
    EXPECT_NE(decode_command(other).failure().message.find("version"), std::string::npos);
}

TEST(Wire, WhatIsMissingOrOfAnotherKindIsRefused) {
    for (const char* garbage :
         {"", "{", "[]", "null", "3", "{}", R"({"verb":3})", R"({"verb":"dance"})", R"({"verb":"serve"})",
          R"({"verb":"serve","device":-1})", R"({"verb":"serve","device":"1"})", R"({"verb":"offer"})",
          R"({"verb":"offer","version":1,"device_group":"a","source":"rel","mountpoint":"/m","options":[]})",
          R"({"verb":"offer","version":1,"device_group":"a","source":"/s","mountpoint":"/m","options":[3]})",
          R"({"verb":"offer","version":1,"device_group":"a","source":"/s","mountpoint":"/m","options":"x"})",
          "{\"verb\":\"offer\",\"version\":1,\"device_group\":\"a\",\"source\":\"/s\\u0000\",\"mountpoint\":\"/"
          "m\",\"options\":[]}"}) {
        EXPECT_FALSE(decode_command(garbage)) << garbage;
    }
}

TEST(Wire, DeepNestingIsRefusedWithoutHarm) {
    EXPECT_FALSE(decode_command(std::string(kMaxMessageBytes, '[')));
}

TEST(Wire, BytesThatAreNoTextAreSentAllTheSame) {
    OfferMessage offer = kOffer;
    offer.mountpoint = "/mnt/\xff\xfe";
    const auto decoded = decode_command(encode(offer));
    ASSERT_TRUE(decoded);
    EXPECT_TRUE(decoded->offer.mountpoint.starts_with("/mnt/"));
}

/// Whatever a peer sends: an answer, no crash. The seed is printed by the failing expectation.
TEST(Wire, DamagedMessagesNeverDoHarm) {
    for (unsigned seed = 0; seed < 3000; ++seed) {
        std::mt19937 random(seed);
        std::string text = seed % 3 == 0   ? encode(ServeMessage{seed})
                           : seed % 3 == 1 ? encode(kOffer)
                                           : encode_refusal({ExitCode::usage, "x"});
        for (unsigned damage = 0; damage <= seed % 5; ++damage) {
            const std::size_t at = random() % text.size();
            if (random() % 4 == 0) {
                text.erase(at, random() % 9);
                if (text.empty()) text = "{";
            } else {
                text[at] = static_cast<char>(random());
            }
        }
        const auto command = decode_command(text);
        if (!command) {
            EXPECT_FALSE(command.failure().message.empty()) << "seed " << seed;
        }
        (void)decode_answer(text);
    }
}

}  // namespace
}  // namespace bandfs
