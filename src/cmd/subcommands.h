// cmd/subcommands.h - the commands beside mounting: one table, from which dispatch, --help and the manual's check
// follow.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cmd/outcome.h"

namespace bandfs {

/// A long option of a subcommand: --json, or --control NAME when it has a metavar.
struct SubcommandOption {
    std::string_view name;
    std::string_view metavar;
    std::string_view sentence;
};

/// The arguments of a subcommand, checked against its row.
struct SubcommandLine {
    std::vector<std::string> operands;
    std::map<std::string, std::string, std::less<>> options;  ///< "" for one without a value

    bool has(std::string_view name) const { return options.contains(name); }
    std::string value(std::string_view name, std::string_view otherwise) const;
};

struct Subcommand {
    std::string_view name;
    std::string_view operands;  ///< as --help shows them
    std::size_t min_operands;
    std::size_t max_operands;
    std::span<const SubcommandOption> options;
    std::string_view sentence;
    Outcome<Done> (*run)(const SubcommandLine& line);
};

std::span<const Subcommand> subcommands();
/// nullptr when there is none of that name.
const Subcommand* find_subcommand(std::string_view name);

/// Parses the arguments (argv from the subcommand's name on), runs it, and complains to standard error when it fails.
ExitCode run_subcommand(const Subcommand& subcommand, std::span<char*> arguments);

Outcome<Done> run_list(const SubcommandLine& line);
Outcome<Done> run_status(const SubcommandLine& line);
Outcome<Done> run_set(const SubcommandLine& line);
Outcome<Done> run_check(const SubcommandLine& line);
Outcome<Done> run_reload(const SubcommandLine& line);
Outcome<Done> run_doctor(const SubcommandLine& line);
Outcome<Done> run_top(const SubcommandLine& line);

}  // namespace bandfs
