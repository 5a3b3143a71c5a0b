#include "cmd/subcommands.h"

#include <getopt.h>

#include <array>
#include <cstdio>

namespace bandfs {
namespace {

constexpr SubcommandOption kJson{"json", "", "print JSON"};
constexpr SubcommandOption kControl{"control", "NAME", "the control directory's name, when it is not .bandfs"};

constexpr std::array kListOptions{kJson};
constexpr std::array kStatusOptions{kJson, kControl};
constexpr std::array kSetOptions{kControl};
constexpr std::array kReloadOptions{SubcommandOption{"check", "", "change nothing, print what would change"}};
constexpr std::array kDoctorOptions{kJson};
constexpr std::array kTopOptions{SubcommandOption{"once", "", "print one table, of the next second"},
                                 SubcommandOption{"json", "", "print JSON, a line per second"}, kControl};

constexpr std::size_t kAnyNumber = 1000;

constexpr std::array kSubcommands{
    Subcommand{"list", "", 0, 0, kListOptions, "Show this user's device groups, their mounts and groups.", run_list},
    Subcommand{"status", "[MOUNT]", 0, 1, kStatusOptions, "Show the status of a mount, or of all.", run_status},
    Subcommand{"set", "MOUNT MESSAGE [ARGUMENT]", 2, kAnyNumber, kSetOptions,
               "Send a message, as setfattr to .bandfs does.", run_set},
    Subcommand{"check", "[FILE]", 0, 1, {}, "Show what is wrong with a configuration file, and where.", run_check},
    Subcommand{"reload", "[MOUNT|GROUP]", 0, 1, kReloadOptions,
               "Apply changed configuration files to running mounts; print what changed.", run_reload},
    Subcommand{"doctor", "[SOURCE]", 0, 1, kDoctorOptions, "Show what is missing or degraded here, and how to mend it.",
               run_doctor},
    Subcommand{"top", "[MOUNT]", 0, 1, kTopOptions, "Show live who gets what; keys: s sort, / filter, p pause, q quit.",
               run_top},
};

constexpr int kFirstLongOption = 256;

std::string usage_of(const Subcommand& subcommand) {
    std::string text = "Usage: bandfs " + std::string(subcommand.name);
    for (const SubcommandOption& option : subcommand.options) {
        text +=
            " [--" + std::string(option.name) + (option.metavar.empty() ? "" : " " + std::string(option.metavar)) + "]";
    }
    if (!subcommand.operands.empty()) text += " " + std::string(subcommand.operands);
    text += "\n\n" + std::string(subcommand.sentence) + "\n\n";
    for (const SubcommandOption& option : subcommand.options) {
        const std::string head =
            "--" + std::string(option.name) + (option.metavar.empty() ? "" : " " + std::string(option.metavar));
        text += "  " + head + std::string(head.size() < 20 ? 20 - head.size() : 1, ' ') + std::string(option.sentence) +
                "\n";
    }
    return text;
}

Failure wrong_use(const Subcommand& subcommand, const std::string& what) {
    return {ExitCode::usage, std::string(subcommand.name) + ": " + what + " (bandfs " + std::string(subcommand.name) +
                                 " --help tells more)"};
}

Outcome<SubcommandLine> parse(const Subcommand& subcommand, std::span<char*> arguments) {
    std::vector<std::string> names;
    names.reserve(subcommand.options.size());
    std::vector<option> known{{"help", no_argument, nullptr, 'h'}};
    for (const SubcommandOption& row : subcommand.options) {
        names.emplace_back(row.name);
        known.push_back({names.back().c_str(), row.metavar.empty() ? no_argument : required_argument, nullptr,
                         kFirstLongOption + static_cast<int>(names.size() - 1)});
    }
    known.push_back({nullptr, 0, nullptr, 0});

    SubcommandLine line;
    ::optind = 0;
    ::opterr = 0;
    const int count = static_cast<int>(arguments.size());
    for (int letter; (letter = ::getopt_long(count, arguments.data(), ":h", known.data(), nullptr)) != -1;) {
        if (letter == 'h') {
            line.options.emplace("help", "");
        } else if (letter >= kFirstLongOption) {
            line.options[names[static_cast<std::size_t>(letter - kFirstLongOption)]] =
                ::optarg == nullptr ? "" : ::optarg;
        } else if (letter == ':') {
            return wrong_use(subcommand,
                             std::string(arguments[static_cast<std::size_t>(::optind) - 1]) + " needs an argument");
        } else {
            return wrong_use(subcommand,
                             "cannot take " + std::string(arguments[static_cast<std::size_t>(::optind) - 1]));
        }
    }
    for (int i = ::optind; i < count; ++i) line.operands.emplace_back(arguments[static_cast<std::size_t>(i)]);
    if (!line.has("help") &&
        (line.operands.size() < subcommand.min_operands || line.operands.size() > subcommand.max_operands)) {
        return wrong_use(subcommand, subcommand.operands.empty() ? "takes no arguments"
                                                                 : "takes " + std::string(subcommand.operands));
    }
    return line;
}

}  // namespace

std::string SubcommandLine::value(std::string_view name, std::string_view otherwise) const {
    const auto at = options.find(name);
    return at == options.end() ? std::string(otherwise) : at->second;
}

std::span<const Subcommand> subcommands() {
    return kSubcommands;
}

const Subcommand* find_subcommand(std::string_view name) {
    for (const Subcommand& subcommand : kSubcommands) {
        if (subcommand.name == name) return &subcommand;
    }
    return nullptr;
}

ExitCode run_subcommand(const Subcommand& subcommand, std::span<char*> arguments) {
    const auto line = parse(subcommand, arguments);
    if (line && line->has("help")) {
        std::fputs(usage_of(subcommand).c_str(), stdout);
        return ExitCode::ok;
    }
    const auto done = line ? subcommand.run(*line) : Outcome<Done>(line.failure());
    if (done) return ExitCode::ok;
    if (!done.failure().message.empty()) std::fprintf(stderr, "bandfs: %s\n", done.failure().message.c_str());
    return done.failure().code;
}

}  // namespace bandfs
