#include "cmd/command_line.h"

#include <gtest/gtest.h>

#include "cmd/option_table.h"
#include "cmd/subcommands.h"

namespace bandfs {
namespace {

Outcome<CommandLine> parse(std::vector<std::string> words) {
    words.insert(words.begin(), "bandfs");
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    return parse_command_line(std::span(arguments).first(words.size()));
}

TEST(CommandLine, TakesOptionsBeforeBetweenAndAfter) {
    const auto line = parse({"-o", "ro", "/a", "-f", "/b", "-oweight=3,x-y"});
    ASSERT_TRUE(line && line->mount);
    EXPECT_EQ(line->mount->source, "/a");
    EXPECT_EQ(line->mount->mountpoint, "/b");
    EXPECT_TRUE(line->mount->foreground);
    EXPECT_EQ(line->mount->options, (std::vector<WrittenOption>{{"ro", {}}, {"weight", "3"}, {"x-y", {}}}));
}

TEST(CommandLine, TakesWhatMountAddsForAHelper) {
    const auto line = parse({"/a", "/b", "-s", "-n", "-v", "-o", "rw,user"});
    ASSERT_TRUE(line && line->mount);
    EXPECT_FALSE(line->mount->foreground);
}

TEST(CommandLine, AsMountsHelperItFakes) {
    for (const char* name : {"/sbin/mount.bandfs", "bandfs"}) {
        std::string words[] = {name, "/a", "/b", "-f"};
        char* arguments[] = {words[0].data(), words[1].data(), words[2].data(), words[3].data(), nullptr};
        const auto line = parse_command_line(std::span(arguments).first(4));
        ASSERT_TRUE(line && line->mount);
        EXPECT_EQ(line->mount->fake, words[0] != "bandfs");
        EXPECT_EQ(line->mount->foreground, words[0] == "bandfs");
    }
}

TEST(CommandLine, RefusesTheWrongNumberOfPlacesAndUnknownLetters) {
    for (const auto& words : std::vector<std::vector<std::string>>{
             {}, {"/a"}, {"/a", "/b", "/c"}, {"-x", "/a", "/b"}, {"/a", "/b", "-o"}, {"--frobnicate"}}) {
        const auto line = parse(words);
        ASSERT_FALSE(line);
        EXPECT_EQ(line.failure().code, ExitCode::usage);
    }
    EXPECT_NE(parse({"-x", "/a", "/b"}).failure().message.find("-x"), std::string::npos);
}

TEST(CommandLine, HelpNamesEverythingOfTheTables) {
    const auto line = parse({"--help"});
    ASSERT_TRUE(line && !line->mount);
    for (const Option& option : mount_options())
        EXPECT_NE(line->text.find(option.sentence), std::string::npos) << option.name;
    for (const Subcommand& subcommand : subcommands())
        EXPECT_NE(line->text.find(subcommand.sentence), std::string::npos);
    for (const ExitCodeMeaning& known : exit_code_meanings())
        EXPECT_NE(line->text.find(known.meaning), std::string::npos);
    EXPECT_EQ(parse({"-V"})->text.substr(0, 7), "bandfs ");
}

}  // namespace
}  // namespace bandfs
