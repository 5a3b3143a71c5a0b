#include "cmd/option_string.h"

namespace bandfs {
namespace {

WrittenOption as_option(const std::string& piece) {
    const std::size_t equals = piece.find('=');
    if (equals == std::string::npos) return {piece, std::nullopt};
    return {piece.substr(0, equals), piece.substr(equals + 1)};
}

}  // namespace

std::vector<WrittenOption> split_options(std::string_view text) {
    std::vector<WrittenOption> options;
    std::string piece;
    for (std::size_t i = 0; i <= text.size(); ++i) {
        if (i == text.size() || text[i] == ',') {
            if (!piece.empty()) options.push_back(as_option(piece));
            piece.clear();
        } else {
            const bool escape = text[i] == '\\' && i + 1 < text.size() && (text[i + 1] == ',' || text[i + 1] == '\\');
            if (escape) ++i;
            piece += text[i];
        }
    }
    return options;
}

std::string written(const WrittenOption& option) {
    const std::string plain = option.value ? option.name + "=" + *option.value : option.name;
    std::string escaped;
    for (const char c : plain) {
        if (c == ',' || c == '\\') escaped += '\\';
        escaped += c;
    }
    return escaped;
}

}  // namespace bandfs
