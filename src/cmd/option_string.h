// cmd/option_string.h - the text after -o, cut into options.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bandfs {

/// One option as written: "ro" has no value, "fsname=" an empty one.
struct WrittenOption {
    std::string name;
    std::optional<std::string> value;

    friend bool operator==(const WrittenOption&, const WrittenOption&) = default;
};

/// Cuts at commas; "\," is a comma and "\\" a backslash inside an option, as mount(8) and libfuse have it. Empty pieces
/// are left out.
std::vector<WrittenOption> split_options(std::string_view text);

/// "name=value" with commas and backslashes escaped: split_options() of it is the option again.
std::string written(const WrittenOption& option);

}  // namespace bandfs
