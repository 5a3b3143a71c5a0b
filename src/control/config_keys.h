// control/config_keys.h - the one table of what may stand in a configuration file: parsing, the example file and the
// manual follow from it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "control/config.h"

namespace bandfs {

enum class ConfigForm {
    text,     ///< a string; `take` judges it
    id,       ///< a string or a whole number
    whole,    ///< a whole number from min to max
    rate,     ///< bytes per second: a whole number, or a string such as "20M"
    seconds,  ///< a number of seconds from min to max, with a fraction
};

/// A value of the right form and within its range.
struct ConfigValue {
    std::string text;
    std::uint64_t whole = 0;
    double seconds = 0;
};

/// What a manual says of a key.
struct ConfigKey {
    std::string_view name;
    ConfigForm form;
    bool required;
    std::string_view unit;           ///< "units", "bytes"; empty when it has none
    std::string_view default_value;  ///< as written in a file; empty when there is none
    std::uint64_t min;               ///< of numbers
    std::uint64_t max;
    std::string_view help;  ///< one sentence
};

/// A key with the member that takes its value. `take` returns the reason when it is none that the key takes, else "".
template <typename Target>
struct ConfigKeyOf {
    ConfigKey key;
    std::string (*take)(Target& target, const ConfigValue& value);
};

std::span<const ConfigKeyOf<ConfiguredDeviceGroup>> device_group_keys();
std::span<const ConfigKeyOf<ConfiguredMount>> mount_keys();
std::span<const ConfigKeyOf<ConfiguredGroup>> group_keys();
std::span<const ConfigKeyOf<ConfiguredRule>> rule_keys();

/// A key and the table it stands in: "[device_group.NAME]", "[[mount]]", "[[mount.group]]", "[[mount.rule]]".
struct PlacedConfigKey {
    std::string_view table;
    const ConfigKey* key;
};
/// Every key of every table.
std::vector<PlacedConfigKey> config_keys();

}  // namespace bandfs
