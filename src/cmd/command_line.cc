#include "cmd/command_line.h"

#include <getopt.h>

#include <sstream>

#include "cmd/option_table.h"
#include "cmd/subcommands.h"
#include "cmd/version.h"

namespace bandfs {
namespace {

constexpr option kLongOptions[] = {
    {"help", no_argument, nullptr, 'h'},
    {"version", no_argument, nullptr, 'V'},
    {nullptr, 0, nullptr, 0},
};

std::string help_text() {
    std::ostringstream out;
    out << "Usage: bandfs SOURCE MOUNTPOINT [-o OPTION,...] [-f] [-d] [-s]\n"
           "       bandfs SUBCOMMAND ...\n\n"
           "Mounts SOURCE at MOUNTPOINT and shares its disk among callers by weight.\n\n"
           "  -o OPTION,...             options of the mount, see below; may be given many times\n"
           "  -f                        stay in the foreground, log to the terminal\n"
           "  -d                        show every request; implies -f\n"
           "  -s                        one thread receives requests, as max_threads=1\n"
           "  -V, --version             print the version\n"
           "  -h, --help                print this\n\n"
           "Subcommands (a SOURCE of such a name is written ./NAME):\n";
    for (const Subcommand& subcommand : subcommands()) {
        const std::string head = std::string(subcommand.name) + " " + std::string(subcommand.operands);
        out << "  " << head << std::string(head.size() < 36 ? 36 - head.size() : 1, ' ') << subcommand.sentence << '\n';
    }
    out << '\n' << options_help() << "\nExit codes:\n";
    for (const ExitCodeMeaning& known : exit_code_meanings()) {
        const std::string number = std::to_string(static_cast<int>(known.code));
        out << "  " << std::string(2 - number.size(), ' ') << number << "  " << known.meaning << '\n';
    }
    return out.str();
}

Failure wrong_use(const std::string& what) {
    return {ExitCode::usage, what + " (bandfs --help tells more)"};
}

}  // namespace

Outcome<CommandLine> parse_command_line(std::span<char*> arguments) {
    MountLine line;
    const bool helper = std::string_view(arguments[0]).ends_with("mount.bandfs");
    ::optind = 0;
    ::opterr = 0;
    const int count = static_cast<int>(arguments.size());
    for (int letter; (letter = ::getopt_long(count, arguments.data(), ":o:fdVhsnvt:", kLongOptions, nullptr)) != -1;) {
        switch (letter) {
            case 'o':
                for (WrittenOption& option : split_options(::optarg)) line.options.push_back(std::move(option));
                break;
            case 'f':  // mount(8) calls its helper so when it is to fake
                (helper ? line.fake : line.foreground) = true;
                break;
            case 'd':
                line.options.push_back({"debug", std::nullopt});
                break;
            case 'V':
                return CommandLine{std::nullopt, version_text()};
            case 'h':
                return CommandLine{std::nullopt, help_text()};
            case 's':  // mount(8)'s "sloppy", and libfuse's for one thread
                if (!helper) line.options.push_back({"max_threads", "1"});
                break;
            case 'n':
            case 'v':
            case 't':
                break;
            case ':':
                return wrong_use(std::string("-") + static_cast<char>(::optopt) + " needs an argument");
            default:
                return wrong_use("unknown option " + std::string(arguments[static_cast<std::size_t>(::optind) - 1]));
        }
    }
    if (count - ::optind != 2) return wrong_use("SOURCE and MOUNTPOINT are needed");
    line.source = arguments[static_cast<std::size_t>(::optind)];
    line.mountpoint = arguments[static_cast<std::size_t>(::optind) + 1];
    return CommandLine{std::move(line), {}};
}

}  // namespace bandfs
