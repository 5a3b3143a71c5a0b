// cmd/option_table.h - the one table of mount options: parsing, --help and the check of the manual derive from it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "cmd/mount_request.h"

namespace bandfs {

enum class OptionForm {
    flag,     ///< takes no value
    whole,    ///< a whole number from min to max
    seconds,  ///< a number of seconds from min to max, with a fraction
    text,     ///< anything; `take` judges it
};

/// Where --help and the manual show an option.
enum class OptionTopic { scheduling, mount };

/// A value as `take` gets it: the number beside the text when the form is one.
struct OptionValue {
    std::string_view text;
    std::uint64_t whole = 0;
    double seconds = 0;
};

struct Option {
    std::string_view name;
    OptionForm form;
    OptionTopic topic;
    std::string_view metavar;        ///< "N"; empty for a flag
    std::string_view default_value;  ///< as shown to people; empty when there is none
    std::uint64_t min;
    std::uint64_t max;
    std::string_view sentence;
    /// Puts the value into the request; the reason when it is none that the option takes, else "".
    std::string (*take)(MountRequest& request, const OptionValue& value);
};

/// Every option but the flags of mount(2), which kernel_flags() lists.
std::span<const Option> mount_options();

/// A flag of mount(2): `nosuid` sets MS_NOSUID, `suid` clears it.
struct KernelFlag {
    std::string_view name;
    unsigned long flag;
    bool sets;
    bool helper_knows;  ///< fusermount3 takes it
};
std::span<const KernelFlag> kernel_flags();

/// Whether this option is accepted and means nothing ("x-systemd.automount", "_netdev").
bool is_ignored_option(std::string_view name);

/// Why an option that other FUSE file systems take is none of bandfs's; "" when this is not known of it.
std::string_view why_never(std::string_view name);

/// What --help prints below the synopsis.
std::string options_help();

}  // namespace bandfs
