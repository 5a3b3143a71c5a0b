// A manual page in mdoc, taken apart as far as tests compare it with the tables of the program.
#pragma once

#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace bandfs {

class ManualPage {
public:
    /// `name` is that of a file in man/.
    explicit ManualPage(const std::string& name) {
        std::ifstream file(std::string(BANDFS_MANUALS) + "/" + name);
        text_.assign(std::istreambuf_iterator<char>(file), {});
        EXPECT_FALSE(text_.empty()) << name;
    }

    const std::string& text() const { return text_; }

    /// The lines of the section of this name.
    std::vector<std::string> section(const std::string& name) const {
        const std::string head = ".Sh " + name + "\n";
        const std::size_t at = text_.find(head);
        EXPECT_NE(at, std::string::npos) << name;
        if (at == std::string::npos) return {};
        const std::size_t begin = at + head.size();
        std::istringstream lines(text_.substr(begin, text_.find("\n.Sh ", begin - 1) - begin));
        std::vector<std::string> all;
        for (std::string line; std::getline(lines, line);) all.push_back(line);
        return all;
    }

    /// What stands behind ".It " in a section: "Cm devgroup Ns = Ns Ar name".
    std::vector<std::string> items(const std::string& name) const {
        std::vector<std::string> found;
        for (const std::string& line : section(name)) {
            if (line.starts_with(".It ")) found.push_back(line.substr(4));
        }
        return found;
    }

    /// The names that items of a section give with this macro: "a" and "b" of ".It Cm a , b Ar x".
    std::set<std::string> named(const std::string& section_name, const std::string& macro) const {
        std::set<std::string> names;
        for (const std::string& item : items(section_name)) add_names(item, macro, names);
        return names;
    }

    /// The same, and those that stand in the text of the section with this macro.
    std::set<std::string> mentioned(const std::string& section_name, const std::string& macro) const {
        std::set<std::string> names = named(section_name, macro);
        for (const std::string& line : section(section_name))
            add_names(line.substr(line.empty() ? 0 : 1), macro, names);
        return names;
    }

    /// The item of a section that begins so, up to the next.
    std::string entry(const std::string& section_name, const std::string& begin) const {
        std::string entry;
        bool inside = false;
        for (const std::string& line : section(section_name)) {
            if (line.starts_with(".It ")) inside = line == ".It " + begin || line.starts_with(".It " + begin + " ");
            if (inside) entry += line + "\n";
        }
        return entry;
    }

private:
    static void add_names(const std::string& text, const std::string& macro, std::set<std::string>& names) {
        std::istringstream words(text);
        std::string word;
        words >> word;
        if (word != macro) return;
        while (words >> word) {
            names.insert(word);
            if (!(words >> word) || word != ",") return;
        }
    }

    std::string text_;
};

}  // namespace bandfs
