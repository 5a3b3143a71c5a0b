// What the tables promise is in the manual, and the reverse.

#include <fstream>
#include <regex>
#include <set>

#include <gtest/gtest.h>

#include "bandfs/device_group.h"
#include "caller/resolver.h"
#include "cmd/exit_codes.h"
#include "cmd/option_table.h"
#include "cmd/subcommands.h"
#include "control/messages.h"

namespace bandfs {
namespace {

std::string manual() {
    std::ifstream file(BANDFS_MANUAL);
    return {std::istreambuf_iterator<char>(file), {}};
}

/// The lines of the manual that begin an item, of the section of this name: ".It Cm devgroup Ns = Ns Ar name".
std::vector<std::string> items_of(const std::string& section) {
    const std::string text = manual();
    std::vector<std::string> items;
    std::size_t at = text.find(".Sh " + section + "\n");
    EXPECT_NE(at, std::string::npos) << section;
    const std::size_t end = text.find(".Sh ", at + 1);
    for (at = text.find("\n.It ", at); at < end; at = text.find("\n.It ", at + 1)) {
        items.push_back(text.substr(at + 5, text.find('\n', at + 1) - at - 5));
    }
    return items;
}

/// The words marked as commands in items.
std::set<std::string> commands_in(const std::string& section) {
    std::set<std::string> names;
    for (const std::string& item : items_of(section)) {
        std::istringstream words(item);
        std::string word;
        words >> word;
        if (word != "Cm") continue;
        while (words >> word && word != "Ns" && word != "Op" && word != "Oo" && word != "Ar") {
            if (word != ",") names.insert(word);
        }
    }
    return names;
}

TEST(Manual, HasEveryMountOptionAndNoOther) {
    std::set<std::string> known;
    for (const Option& option : mount_options()) known.emplace(option.name);
    for (const KernelFlag& flag : kernel_flags()) known.emplace(flag.name);
    const std::set<std::string> written = commands_in("MOUNT OPTIONS");
    for (const std::string& name : known) EXPECT_TRUE(written.contains(name)) << name;
    for (const std::string& name : written) EXPECT_TRUE(known.contains(name) || is_ignored_option(name)) << name;
}

TEST(Manual, HasEveryRangeAndDefault) {
    const std::string text = manual();
    for (const Option& option : mount_options()) {
        const std::size_t at =
            text.find(".It Cm " + std::string(option.name) + (option.metavar.empty() ? "\n" : " Ns"));
        ASSERT_NE(at, std::string::npos) << option.name;
        const std::string entry = text.substr(at, text.find("\n.It", at + 1) - at);
        if (option.form != OptionForm::whole && option.form != OptionForm::seconds) continue;
        EXPECT_NE(entry.find(std::to_string(option.min) + " to " + std::to_string(option.max)), std::string::npos)
            << entry;
        EXPECT_NE(entry.find(option.default_value), std::string::npos) << entry;
    }
}

TEST(Manual, HasEverySubcommandWithItsOptions) {
    const std::string text = manual();
    std::set<std::string> known;
    for (const Subcommand& subcommand : subcommands()) {
        known.emplace(subcommand.name);
        for (const SubcommandOption& option : subcommand.options) {
            EXPECT_NE(text.find(".It Fl -" + std::string(option.name)), std::string::npos) << option.name;
        }
    }
    EXPECT_EQ(commands_in("SUBCOMMANDS"), known);
}

TEST(Manual, HasEveryExitCodeAndNoOther) {
    std::set<std::string> known;
    for (const ExitCodeMeaning& meaning : exit_code_meanings())
        known.insert(std::to_string(static_cast<int>(meaning.code)));
    const std::vector<std::string> items = items_of("EXIT STATUS");
    EXPECT_EQ(std::set<std::string>(items.begin(), items.end()), known);
}

TEST(Manual, HasEveryTypePolicyAndMessage) {
    std::set<std::string> types, policies, known_messages;
    for (const std::string_view name : group_type_names()) types.emplace(name);
    for (const std::string_view name : DeviceGroup::policy_names()) policies.emplace(name);
    for (const ControlMessage& message : messages()) known_messages.emplace(message.name);
    EXPECT_EQ(commands_in("GROUP TYPES"), types);
    EXPECT_EQ(commands_in("POLICIES"), policies);
    EXPECT_EQ(commands_in("MESSAGES"), known_messages);
}

}  // namespace
}  // namespace bandfs
