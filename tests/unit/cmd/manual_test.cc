// What the tables promise is in the manual, and the reverse.

#include <set>

#include <gtest/gtest.h>

#include "bandfs/device_group.h"
#include "caller/resolver.h"
#include "cmd/exit_codes.h"
#include "cmd/option_table.h"
#include "cmd/subcommands.h"
#include "control/messages.h"
#include "manual_page.h"

namespace bandfs {
namespace {

const ManualPage& page() {
    static const ManualPage bandfs("bandfs.8");
    return bandfs;
}

/// The words marked as commands in the items of a section.
std::set<std::string> commands_in(const std::string& section) {
    return page().named(section, "Cm");
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
    const std::string& text = page().text();
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
    const std::string& text = page().text();
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
    const std::vector<std::string> items = page().items("EXIT STATUS");
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
